"""Videos without annotations, in folders that users fill; some of them UniVS has names for."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_FILL = "Put video files, or one folder of images per video, into that folder."


def raw_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        _videos("custom_videos", "custom_videos/raw"),
        _videos("custom_videos_text_internvid", "custom_videos/raw_text_internvid"),
        _videos("msr-vtt-test", "msr-vtt"),
        DatasetEntry(
            name="custom_videos_text",
            layout="ytvis",
            locations=(Location("custom_videos/raw_text", "custom_videos/raw_text/test.json"),),
            remedy="Put folders of images there, and a json in the form of YouTube-VIS whose "
            "annotations have 'expressions'.",
        ),
    ]


def _videos(name: str, folder: str) -> DatasetEntry:
    return DatasetEntry(name=name, layout="raw_videos", locations=(Location(folder),), remedy=_FILL)
