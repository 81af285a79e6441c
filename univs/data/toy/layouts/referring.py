"""Ref-YouTube-VOS and Ref-DAVIS: expressions for the videos of YouTube-VOS and DAVIS."""

from __future__ import annotations

from pathlib import Path

from univs.data.toy.expressions import describe
from univs.data.toy.layouts.base import Layout, frame_names, write_json, write_lines
from univs.data.toy.layouts.davis import first_frame_objects
from univs.data.toy.video import SPLITS, ToyVideo

EXPRESSIONS_PER_OBJECT = 2  # in Ref-YouTube-VOS, at most

#: Ref-DAVIS: two annotators, each from the first frame and from the whole video.
DAVIS_TEXT_FILES = (
    "Davis17_annot1.txt",
    "Davis17_annot1_full_video.txt",
    "Davis17_annot2.txt",
    "Davis17_annot2_full_video.txt",
)


class RefYouTubeVOSLayout(Layout):
    """``meta_expressions/{train,valid,test}/meta_expressions.json``.

    Object ids are those of YouTube-VOS. Unlike the download, the valid file names the object of
    each expression, so that results can be scored here. The download's valid file also covers the
    test videos, which are told apart by the test file; here that file lists none.
    """

    folder = "ref_youtube_vos"
    requires = ("youtube_vos",)

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._videos: dict[str, dict] = {"train": {}, "valid": {}, "test": {}}

    def add(self, split: str, video: ToyVideo) -> None:
        chosen = [
            found
            for expressions in describe(video, static=False)
            for found in expressions[:EXPRESSIONS_PER_OBJECT]
        ]
        if not chosen:
            return
        self._videos["train" if split == "train" else "valid"][video.name] = {
            "expressions": {
                str(number): {"exp": found.text, "obj_id": str(found.target + 1)}
                for number, found in enumerate(chosen)
            },
            "frames": [Path(name).stem for name in frame_names(video)],
        }

    def finish(self) -> None:
        for split, videos in self._videos.items():
            path = self.root / "meta_expressions" / split / "meta_expressions.json"
            write_json(path, {"videos": videos})


class RefDAVISLayout(Layout):
    """``davis_text_annotations/*.txt``: lines of video, object number, and expression in quotes.

    A video is listed only if every object of its first frame can be told from the others in both
    ways, so that, as in the download, there is one expression per object and file.
    """

    folder = "ref_davis"
    requires = ("davis",)

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._lines: dict[str, list[str]] = {name: [] for name in DAVIS_TEXT_FILES}
        self._names: dict[str, list[str]] = {split: [] for split in SPLITS}

    def add(self, split: str, video: ToyVideo) -> None:
        objects = first_frame_objects(video)
        ways = (describe(video, static=True), describe(video, static=False))
        if not len(objects) or not all(way[index] for way in ways for index in objects):
            return
        self._names[split].append(video.name)
        for number, index in enumerate(objects, start=1):
            for file, name in enumerate(DAVIS_TEXT_FILES):
                annotator, way = divmod(file, 2)
                expressions = ways[way][index]
                text = expressions[annotator % len(expressions)].text
                self._lines[name].append(f'{video.name} {number} "{text}"')

    def finish(self) -> None:
        for name, lines in self._lines.items():
            write_lines(self.root / "davis_text_annotations" / name, lines)
        for split, names in self._names.items():
            write_lines(self.root / "ImageSets" / "2017" / f"{split}.txt", names)
