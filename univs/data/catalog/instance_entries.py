"""Video instance segmentation: YouTube-VIS, OVIS, and the parts of them that projects train on."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_YOUTUBE_VIS = "https://youtube-vos.org/dataset/vis/"
_OVIS = "https://songbai.site/ovis/"
_UNPUBLISHED = "The list of these videos comes with UniVS only; put it there."
_UNPUBLISHED_MERGE = "This file comes with UniVS only, which did not publish how it was made."

#: Where the training annotations of OVIS may lie in its folder.
_OVIS_TRAINING = (
    "annotations/annotations_train.json",
    "annotations/train.json",
    "train.json",
    "annotations_train.json",
)
#: Folder of a split.
_FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def instance_entries() -> list[DatasetEntry]:
    """All of them."""
    return [*_youtube_vis_entries(), *_ovis_entries(), *_held_out_entries()]


def _entry(
    name: str,
    domain: str,
    places: list[tuple[str, str]],
    aliases: tuple[str, ...] = (),
    remedy: str = "",
    count: int | None = None,
    parts: list[tuple[str, str, str]] = (),
) -> DatasetEntry:
    """``places`` are pairs of image folder and json; ``parts`` add which part of the json it is."""
    return DatasetEntry(
        name=name,
        layout="ytvis",
        locations=(
            *(Location(*place) for place in places),
            *(Location(images, file, part=part) for images, file, part in parts),
        ),
        evaluator_type="ytvis",
        domain=domain,
        aliases=aliases,
        page=_OVIS if domain == "ovis" else _YOUTUBE_VIS,
        remedy=remedy,
        count=count,
    )


def _youtube_vis_entries() -> list[DatasetEntry]:
    entries = []
    counts = {2019: (2238, 302, 343), 2021: (2985, 421, 453)}
    for year, domain in ((2019, "ytvis19"), (2021, "ytvis21")):
        root = f"ytvis_{year}"
        for (split, folder), count in zip(_FOLDERS.items(), counts[year], strict=True):
            images = f"{root}/{folder}/JPEGImages"
            places = [
                (images, f"{root}/{folder}.json"),
                (images, f"{root}/{folder}/instances.json"),
            ]
            if (year, split) == (2021, "val"):
                places.append((images, f"{root}/valid21.json"))
            if (year, split) == (2019, "train"):  # its frames are among those of 2021
                places.append(("ytvis_2021/train/JPEGImages", f"{root}/train.json"))
            if year == 2021 and split != "test":
                places.append(_tarvis_place("youtube_vis", split))
            name = f"{domain}_{split}"
            entries.append(_entry(name, domain, places, (f"{root}_{split}",), count=count))
    long_videos = [
        ("ytvis_2022/valid/JPEGImages", "ytvis_2022/valid.json"),
        ("ytvis_2022/valid/JPEGImages", "ytvis_2022/valid/instances.json"),
        ("ytvis_2021/valid22/JPEGImages", "ytvis_2021/valid22.json"),
    ]
    every_frame = [("ytvis_2019/valid_all_frames/JPEGImages", "ytvis_2019/valid_all_frames.json")]
    return [
        *entries,
        _entry("ytvis22_val_long", "ytvis21", long_videos, ("ytvis_2022_val",)),
        _entry("ytvis19_val_all_frames", "ytvis19", every_frame, ("ytvis_2019_val_all_frames",)),
    ]


def _ovis_entries() -> list[DatasetEntry]:
    entries = []
    for (split, folder), count in zip(_FOLDERS.items(), (607, 140, 154), strict=True):
        files = [file.replace("train", folder) for file in _OVIS_TRAINING]
        folders = (f"ovis/{folder}/JPEGImages", f"ovis/{folder}")
        places = [(images, f"ovis/{file}") for images in folders for file in files]
        if split != "test":
            places.append(_tarvis_place("ovis", split))
        aliases = ("ovis_train_full",) if split == "train" else ()
        entries.append(_entry(f"ovis_{split}", "ovis", places, aliases, count=count))
    return entries


def _tarvis_place(name: str, split: str) -> tuple[str, str]:
    """Where TarViS keeps a set."""
    images = "youtube_vis_2021" if name == "youtube_vis" else name
    if split == "train":
        return f"dataset_images/training/{images}", f"dataset_annotations/training/{images}.json"
    file = "valid_2021" if name == "youtube_vis" else "valid"
    return f"dataset_images/inference/{images}", f"dataset_annotations/inference/{name}/{file}.json"


def _held_out_entries() -> list[DatasetEntry]:
    """The parts that UniVS divides the training sets of YouTube-VIS 2021 and OVIS into."""
    entries = []
    for domain, root, whole, merged in (
        ("ytvis21", "ytvis_2021", ("train.json", "train/instances.json"), "car_truck"),
        ("ovis", "ovis", _OVIS_TRAINING, "motorbike"),
    ):
        folders = [f"{root}/train/JPEGImages"] + ["ovis/train"] * (domain == "ovis")
        for part, file in (("train_sub", "train_sub"), ("dev", "valid_sub")):
            # The authors' file if it is there, else the rule that made it.
            entries.append(
                _entry(
                    f"{domain}_{part}",
                    domain,
                    [(images, f"{root}/{file}.json") for images in folders],
                    _aliases(domain, part),
                    parts=[(images, f"{root}/{w}", part) for images in folders for w in whole],
                )
            )
        for part, file, remedy in (
            ("dev0.01", "valid_sub_0.01", _UNPUBLISHED),
            ("dev_merge", f"valid_sub_merge_{merged}", _UNPUBLISHED_MERGE),
        ):
            places = [(images, f"{root}/{file}.json") for images in folders]
            entries.append(
                _entry(f"{domain}_{part}", domain, places, _aliases(domain, part), remedy)
            )
    return entries


def _aliases(domain: str, part: str) -> tuple[str, ...]:
    return (f"ytvis_2021_{part}",) if domain == "ytvis21" else ()
