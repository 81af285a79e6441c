"""``univs data check`` on whole data, and on data that are broken in every way that is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from app.test_data_register import FORMS, FRAMES, SIZE
from PIL import Image

from univs.app.command_line import main
from univs.data.toy.layouts.encoding import encode_palette_png

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.fixture
def check(tmp_path, capsys):
    """Checks a path; gives the exit code and what is printed, without the temporary folder."""

    def run(path: Path, *options: str) -> tuple[int, str]:
        code = main(["data", "check", str(path), "--root", str(tmp_path / "root"), *options])
        captured = capsys.readouterr()
        return code, (captured.out + captured.err).replace(str(tmp_path) + "/", "")

    return run


def whole(folder: Path, form: str) -> Path:
    """Data of a form without faults; gives what is checked: a file, or the folder."""
    folder.mkdir()
    described = FORMS[form][0](folder)
    if form == "davis":
        (folder / "frames").rename(folder / "JPEGImages")
        (folder / "masks").rename(folder / "Annotations")
        return folder
    return folder / described["annotations"]


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_path_is_guessed(form, check, tmp_path):
    path = whole(tmp_path / "mine", form)
    code, text = check(path, "--sheet", str(tmp_path / "sheet.png"))
    assert code == 0, text
    assert "All is well." in text
    assert "3 frames" in text
    assert (tmp_path / "sheet.png").is_file()


def test_folders_are_guessed_too(check, tmp_path):
    whole(tmp_path / "mine", "youtube_vis")
    code, text = check(tmp_path / "mine")
    assert code == 0 and "1 videos, 3 frames" in text
    code, text = check(tmp_path / "mine" / "frames")
    assert code == 0 and "1 videos, 3 frames" in text  # as videos without annotations


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "does not exist"),
        (lambda folder: folder, "is of no known form"),
        (lambda folder: _written(folder / "a.json", "{}"), "are looked for"),
        (lambda folder: _written(folder / "a.json", "[1]"), "not of Label Studio's tasks"),
        (lambda folder: _written(folder / "a.txt", ""), "is no json, XML or YAML"),
    ],
)
def test_paths_of_no_known_form(make, message, check, tmp_path):
    (tmp_path / "mine").mkdir()
    code, text = check(make(tmp_path / "mine"))
    assert code == 1
    assert message in text


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# --------------------------------------------------------------------------------------------------
# Broken data


def edited(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "mine.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def truncated_json(folder: Path) -> None:
    path = folder / "mine.json"
    path.write_text(path.read_text()[:-40])


def polygon_of_two_points(content: dict) -> None:
    content["annotations"][1]["segmentation"] = [[1, 1, 9, 9]]


def missing_frame_of_a_track(content: dict) -> None:
    content["annotations"][0]["segmentations"].pop()


def mask_of_another_size(content: dict) -> None:
    content["annotations"][0]["segmentations"][1]["size"] = [SIZE[1], SIZE[0]]


def unlisted_category(content: dict) -> None:
    content["annotations"][0]["category_id"] = 99


def duplicate_ids(content: dict) -> None:
    content["annotations"].append(dict(content["annotations"][0]))


def smaller_frame(folder: Path) -> None:
    Image.new("RGB", (20, 10)).save(folder / "frames" / "clip" / FRAMES[1])


def unreadable_frame(folder: Path) -> None:
    path = folder / "frames" / "clip" / FRAMES[2]
    path.write_bytes(path.read_bytes()[:200])


def missing_frame(folder: Path) -> None:
    (folder / "frames" / "clip" / FRAMES[2]).unlink()


def gap_in_numbers(folder: Path) -> None:
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        here = folder / kind / "clip"
        (here / f"00002.{suffix}").rename(here / f"00005.{suffix}")
        for number in (6, 7):
            (here / f"0000{number}.{suffix}").write_bytes((here / f"00005.{suffix}").read_bytes())


def mask_without_palette(folder: Path) -> None:
    path = folder / "Annotations" / "clip" / "00001.png"
    with Image.open(path) as image:
        image.convert("RGB").save(path)


def grey_picture_for_a_mask(folder: Path) -> None:
    path = folder / "Annotations" / "clip" / "00001.png"
    ramp = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 250
    Image.fromarray(ramp.astype(np.uint8)).save(path)


def frame_without_mask(folder: Path) -> None:
    (folder / "Annotations" / "clip" / "00001.png").unlink()


def smaller_mask(folder: Path) -> None:
    path = folder / "Annotations" / "clip" / "00001.png"
    path.write_bytes(encode_palette_png(np.ones((10, 20), np.uint8)))


def panoptic_image_without_annotation(content: dict) -> None:
    content["annotations"].pop()


#: Form, what breaks it, kind, where it is, what is said, and whether it is an error.
BROKEN = {
    "truncated json": (
        "coco", truncated_json, "damaged annotations", "mine/mine.json", "probably truncated", True
    ),
    "missing annotation for a frame": (
        "youtube_vis", edited(missing_frame_of_a_track), "wrong length",
        "mine/mine.json, video 1", "it has 2 entries, its video 3 frames", True,
    ),
    "missing mask for a frame": (
        "davis", frame_without_mask, "missing annotation",
        "mine/JPEGImages/clip/00001.jpg, video clip, frame 1", "it has no mask", False,
    ),
    "missing annotation of an image": (
        "panoptic", edited(panoptic_image_without_annotation), "missing annotation",
        "mine/mine.json, video 3", "it has no annotation, and is left out", False,
    ),
    "frame of another size": (
        "youtube_vis", smaller_frame, "size mismatch",
        "mine/frames/clip/00001.jpg, video 1, frame 1",
        "the image is 10x20 (height x width), the annotations say 48x64", True,
    ),
    "mask of another size": (
        "youtube_vis", edited(mask_of_another_size), "size mismatch",
        "mine/mine.json, video 1, frame 1", "its mask is 64x48 (height x width)", True,
    ),
    "mask file of another size": (
        "davis", smaller_mask, "size mismatch",
        "mine/Annotations/clip/00001.png, video clip, frame 1", "is 10x20", True,
    ),
    "polygon with two points": (
        "coco", edited(polygon_of_two_points), "bad polygon",
        "mine/mine.json, video 2", "fewer than three points", False,
    ),
    "category outside the list": (
        "youtube_vis", edited(unlisted_category), "unknown category",
        "mine/mine.json, video 1", "category 99 is not among the 1 of the file", True,
    ),
    "duplicate ids": (
        "youtube_vis", edited(duplicate_ids), "duplicate id",
        "mine/mine.json, video 1", "annotation 1 occurs more than once", True,
    ),
    "non-contiguous frame numbers": (
        "davis", gap_in_numbers, "frame gap",
        "mine/JPEGImages/clip/00005.jpg, video clip, frame 2", "its number is 4 above", False,
    ),
    "unreadable image": (
        "youtube_vis", unreadable_frame, "unreadable frame",
        "mine/frames/clip/00002.jpg, video 1, frame 2", "cannot be decoded", True,
    ),
    "missing image": (
        "youtube_vis", missing_frame, "missing frame",
        "mine/frames/clip/00002.jpg, video 1, frame 2", "the image does not exist", True,
    ),
    "mask without palette": (
        "davis", mask_without_palette, "wrong palette",
        "mine/Annotations/clip/00001.png, video clip", "is a RGB image", True,
    ),
    "grey picture for a mask": (
        "davis", grey_picture_for_a_mask, "wrong palette",
        "mine/Annotations/clip/00001.png, video clip", "it holds 249 different numbers", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_every_fault_is_named_and_counted(fault, check, tmp_path):
    form, damage, kind, place, message, is_error = BROKEN[fault]
    path = whole(tmp_path / "mine", form)
    damage(tmp_path / "mine")
    code, text = check(path)
    assert f"1 x {kind}" in text, text
    lines = [line for line in text.splitlines() if line.startswith(f"  {place}")]
    assert any(message in line for line in lines), text
    assert code == int(is_error), text
    assert re.search(rf"\b{int(is_error)} errors, \d+ warnings" if is_error else "0 errors", text)


@pytest.mark.parametrize("fault", BROKEN)
def test_the_page_says_what_happens_to_every_fault(fault):
    kind = BROKEN[fault][2]
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| {kind} ")]
    assert rows, f"docs/data.md has no row for {kind!r}"
