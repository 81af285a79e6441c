"""``univs data``: its verbs, run as a user does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from univs.app.command_line import main


@pytest.fixture
def root(tmp_path):
    """A small DAVIS 2017: two videos of the validation set, whose training list is missing."""
    davis = tmp_path / "root" / "DAVIS"
    for kind in ("JPEGImages", "Annotations"):
        for video in ("bear", "cows"):
            (davis / kind / "480p" / video).mkdir(parents=True)
    for video in ("bear", "cows"):
        for frame in range(2):
            pixels = np.full((24, 32, 3), 90, np.uint8)
            Image.fromarray(pixels).save(davis / "JPEGImages" / "480p" / video / f"{frame:05d}.jpg")
            ids = np.zeros((24, 32), np.uint8)
            ids[4:10, 5:15] = 1
            Image.fromarray(ids).save(davis / "Annotations" / "480p" / video / f"{frame:05d}.png")
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "val.txt").write_text("bear\ncows\n")
    return tmp_path / "root"


def _univs(*arguments) -> int:
    return main(["data", *map(str, arguments)])


def test_list(root, capsys):
    assert _univs("list", "davis17", "--root", root, "--sizes") == 0
    text = capsys.readouterr().out
    (ready,) = [line for line in text.splitlines() if line.startswith("davis17_val")]
    assert "ready" in ready
    assert "sot_davis17_val" in ready
    assert "kB" in ready
    (partly,) = [line for line in text.splitlines() if line.startswith("davis17_train  ")]
    assert "partly there" in partly
    assert "davis17_train lacks DAVIS/ImageSets/2017/train.txt" in text
    assert "1 ready, 4 partly there, 0 missing" in text
    assert str(root) in text


def test_list_of_everything_names_what_is_missing_and_what_is_not_supported(root, capsys):
    assert _univs("list", "--root", root) == 0
    text = capsys.readouterr().out
    assert "pexel-*" in text
    assert "toy_" not in text
    assert _univs("list", "--root", root, "--ready") == 0
    shown = capsys.readouterr().out
    assert "davis17_val" in shown
    assert "ovis_train" not in shown


def test_check(root, capsys, tmp_path):
    sheet = tmp_path / "sheets" / "davis.png"
    assert _univs("check", "davis17_val", "--root", root, "--sheet", sheet) == 0
    text = capsys.readouterr().out
    assert "2 videos, 4 frames, 2 objects" in text
    assert "1 x unexpected count" in text
    with Image.open(sheet) as image:
        assert image.width > 2 * 32
        colors = image.convert("RGB").getcolors(1 << 16)
    assert len(colors) > 10  # masks and captions are drawn


def test_check_shows_problems_and_fails(root, capsys):
    for name in ("bear", "cows"):
        (root / "DAVIS" / "JPEGImages" / "480p" / name / "00001.jpg").write_bytes(b"broken")
    assert _univs("check", "davis17_val", "--root", root, "--show", 1) == 1
    text = capsys.readouterr().out
    assert "2 x unreadable frame" in text
    assert "bear/00001.jpg, video bear, frame 1: it cannot be decoded" in text
    assert "... and 1 more (--show 2 shows all)" in text
    assert "2 errors" in text


def test_check_of_an_unknown_dataset(root, capsys):
    assert _univs("check", "davis17_vla", "--root", root) == 1
    assert "Did you mean davis17_val" in capsys.readouterr().err


@pytest.fixture
def description(root, tmp_path):
    path = tmp_path / "mine.yaml"
    davis = "root/DAVIS"
    path.write_text(
        f"name: mine\nformat: davis\nimages: {davis}/JPEGImages/480p\n"
        f"masks: {davis}/Annotations/480p\n"
    )
    return path


def test_register_and_use(root, description, capsys):
    assert _univs("check", description, "--root", root) == 0
    capsys.readouterr()
    assert _univs("register", description, "--root", root) == 0
    assert "mine: 2 videos, 4 frames, 2 objects" in capsys.readouterr().out
    assert _univs("list", "mine", "--root", root) == 0
    assert "1 ready" in capsys.readouterr().out
    assert _univs("register", description, "--root", root) == 1
    assert "add --replace" in capsys.readouterr().err
    assert _univs("register", description, "--root", root, "--replace") == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: mine", "name: ovis_train", "the name 'ovis_train' is taken"),
        ("Annotations", "Masks", "Masks"),
        ("format: davis", "format: coco", "needs the key 'annotations'"),
    ],
)
def test_nothing_is_registered_that_cannot_be_read(root, description, capsys, old, new, message):
    description.write_text(description.read_text().replace(old, new))
    assert _univs("register", description, "--root", root) == 1
    assert message in capsys.readouterr().err
    assert not (root / "registered").exists()


def test_prepare(root, capsys):
    assert _univs("prepare", "davis17_val", "--root", root) == 0
    text = capsys.readouterr().out
    assert "found out which frames show which object in 2 videos; kept in" in text
    assert _univs("prepare", "davis17_val", "--root", root) == 0
    assert "was prepared before (2 videos)" in capsys.readouterr().out
