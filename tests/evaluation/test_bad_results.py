"""Result files that are not as they should be: an error that names the place, or what is published.

Every row damages the good files of one benchmark in one way.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from univs.evaluation.offline import score_results
from univs.structures import encode_mask

EMPTY = dict(encode_mask(np.zeros((48, 80), dtype=bool)))  # of the size of toy videos
SMALL = {"size": [3, 4], "counts": "<"}


def edited(name: str, change: Callable) -> Callable[[Path], None]:
    """Damage that changes the parsed content of a JSON file, in place or by returning another."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        changed = change(content)
        (folder / name).write_text(json.dumps(content if changed is None else changed))

    return damage


def tracks(change: Callable) -> Callable[[Path], None]:
    return edited("results.json", change)


def set_field(index: int, **fields) -> Callable[[list], None]:
    return lambda records: records[index].update(fields)


def removed(pattern: str, *, index: int = 0) -> Callable[[Path], None]:
    """Damage that removes a file or folder."""

    def damage(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[index]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def repainted(pattern: str, paint: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Damage that changes the pixels of the second image."""

    def damage(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[1]
        Image.fromarray(paint(np.array(Image.open(path)))).save(path)

    return damage


def cropped(pixels: np.ndarray) -> np.ndarray:
    return pixels[1:]


def filled(value: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.full_like(pixels, value)


def broken(mask: dict) -> dict:
    return {**mask, "counts": mask["counts"][:-1]}


def break_first_mask(records: list) -> None:
    for record in records:
        for frame, mask in enumerate(record["segmentations"]):
            if mask:
                record["segmentations"][frame] = broken(mask)
                return


def without_last(content: dict) -> None:
    del content["annotations"][-1]


def with_first_twice(content: dict) -> None:
    content["annotations"].append(content["annotations"][0])


def with_first_sequence_twice(content: dict) -> None:
    content["sequences"].append(content["sequences"][0])


def set_category(content: dict) -> None:
    first_segments(content)[0]["category_id"] = 9999


def first_segments(content: dict) -> list[dict]:
    entry = content["annotations"][0]
    return (
        entry["annotations"][0]["segments_info"]
        if "annotations" in entry
        else (entry["segments_info"])
    )


def change_burst(**fields) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        frames = content["sequences"][0]["segmentations"]
        next(iter(next(items for items in frames if items).values())).update(fields)

    return change


ERRORS = [
    (
        "toy_ytvis_val",
        "NaN score",
        tracks(set_field(1, score=math.nan)),
        "Result 1, video .*finite",
    ),
    ("toy_ytvis_val", "unknown video", tracks(set_field(1, video_id=77)), "Result 1, video 77"),
    (
        "toy_ytvis_val",
        "broken RLE",
        tracks(break_first_mask),
        "Result 0.*frame.*damaged",
    ),
    ("toy_ytvis_val", "empty file", lambda f: (f / "results.json").write_text(""), "JSON list"),
    ("toy_ytvis_val", "no list", tracks(lambda _: {}), "expected a JSON list"),
    (
        "toy_vipseg_val",
        "missing video",
        edited("pred.json", without_last),
        "1 videos .* no prediction",
    ),
    (
        "toy_vipseg_val",
        "video twice",
        edited("pred.json", with_first_twice),
        "a video occurs twice",
    ),
    (
        "toy_vipseg_val",
        "frame twice",
        edited(
            "pred.json",
            lambda content: content["annotations"][0]["annotations"].append(
                content["annotations"][0]["annotations"][0]
            ),
        ),
        "repeated frames",
    ),
    ("toy_vipseg_val", "missing map", removed("pan_pred/*/*.png"), "There is no panoptic map"),
    (
        "toy_vipseg_val",
        "category outside the list",
        edited("pred.json", set_category),
        "frame .*the category 9999 is not in the list",
    ),
    (
        "toy_vipseg_val",
        "segment without a pixel",
        edited(
            "pred.json",
            lambda content: first_segments(content).append({"id": 999, "category_id": 1}),
        ),
        "frame .*999",
    ),
    ("toy_vipseg_val", "wrong size", repainted("pan_pred/*/*.png", cropped), "frame .*size"),
    (
        "toy_vipseg_val",
        "empty list",
        edited("pred.json", lambda _: {"annotations": []}),
        "2 videos .* no prediction",
    ),
    ("cityscapes_vps_val", "missing map", removed("pan_pred/*.png"), "There is no panoptic map"),
    (
        "cityscapes_vps_val",
        "missing image",
        edited("pred.json", without_last),
        "1 images .* no prediction: 20004",
    ),
    (
        "cityscapes_vps_val",
        "image twice",
        edited("pred.json", with_first_twice),
        "an image occurs twice",
    ),
    ("cityscapes_vps_val", "wrong size", repainted("pan_pred/*.png", cropped), "Video 1, fr.*size"),
    ("kitti_step_val", "missing sequence", removed("0006"), "0006: the sequence has no results"),
    ("kitti_step_val", "missing frame", removed("0006/*.png"), "0006/000000.png"),
    ("kitti_step_val", "wrong size", repainted("0006/*", cropped), "'0006', frame 000001.*size"),
    ("kitti_step_val", "class outside", repainted("0006/*", filled(30)), "'0006'.*the class 30"),
    ("toy_vspw_val", "missing video", removed("val_0001"), "val_0001"),
    ("toy_vspw_val", "missing frame", removed("val_0001/*"), "val_0001.*00000.png"),
    (
        "toy_vspw_val",
        "wrong size",
        repainted("val_0001/*", cropped),
        "'val_0001', fr.*1.*size",
    ),
    (
        "toy_vspw_val",
        "class outside",
        repainted("val_0001/*", filled(200)),
        "frame 00001.*200",
    ),
    ("toy_davis_val", "missing video", removed("val_0001"), "val_0001: the video has no results"),
    ("toy_davis_val", "missing frame", removed("val_0001/*", index=1), "'val_0001', frame 00001"),
    ("toy_davis_val", "wrong size", repainted("val_0001/*", cropped), "frame 00001.*size"),
    (
        "toy_davis_val",
        "extra object",
        repainted("val_0001/*", filled(99)),
        "frame 00001: pred",
    ),
    ("toy_mose_val", "missing frame", removed("val_0001/*", index=1), "'val_0001', frame 00001"),
    ("toy_ytvos_val", "missing video", removed("val_0001"), "val_0001: the video has no results"),
    ("toy_ytvos_val", "wrong size", repainted("val_0001/*", cropped), "frame 00001.*size"),
    ("viposeg_val", "missing video", removed("b"), "b: the video has no results"),
    ("viposeg_val", "wrong size", repainted("b/*", cropped), "'b', frame 00001.*size"),
    ("toy_refytvos_val", "missing expression", removed("Annotations/val_0001/0"), "val_0001/0"),
    (
        "toy_refytvos_val",
        "missing frame",
        removed("Annotations/val_0001/0/*"),
        "'val_0001/0', fr",
    ),
    ("mevis_val_u", "missing frame", removed("Annotations/cats/1/*"), "'cats/1', frame 00000"),
    ("mevis_val_u", "wrong size", repainted("Annotations/cats/0/*", cropped), "'cats/0', fr.*size"),
    (
        "toy_burst_point_val",
        "NaN score",
        edited("results.json", change_burst(score=math.nan)),
        "track .* has the score nan",
    ),
    (
        "toy_burst_point_val",
        "broken RLE",
        edited("results.json", change_burst(rle="55")),
        "val_000.*damaged",
    ),
    (
        "toy_burst_point_val",
        "sequence twice",
        edited("results.json", with_first_sequence_twice),
        "is listed twice",
    ),
    (
        "toy_burst_point_val",
        "empty",
        edited("results.json", lambda _: {}),
        "'sequences' is mis",
    ),
    *(
        (name, what, edited("coco_instances_results.json", change), message)
        for name in ("toy_coco_instance_val", "lvis_v1_val")
        for what, change, message in (
            ("NaN score", set_field(1, score=math.nan), "Result 1, image .*finite"),
            ("unknown image", set_field(1, image_id=777), "Result 1, image 777"),
            (
                "wrong size",
                set_field(1, segmentation=SMALL),
                "Result 1.*size",
            ),
            (
                "broken RLE",
                lambda records: records[1].update(segmentation=broken(records[1]["segmentation"])),
                "Result 1, image .*damaged",
            ),
        )
    ),
    (
        "toy_coco_panoptic_val",
        "missing image",
        edited("predictions.json", without_last),
        "1 images .* no prediction",
    ),
    (
        "toy_coco_panoptic_val",
        "category outside the list",
        edited("predictions.json", set_category),
        "the category 9999 is not in the list",
    ),
    ("toy_coco_panoptic_val", "wrong size", repainted("panoptic/*", cropped), "Image .*size"),
    *(
        ("ade20k_semantic_val", what, edited("sem_seg_predictions.json", change), message)
        for what, change, message in (
            (
                "missing image",
                lambda records: [r for r in records if "00000001" not in r["file_name"]],
                "1 images .* no prediction: 'ADE_val_00000001'",
            ),
            ("class outside the list", set_field(0, category_id=900), "result 0.*no class 900"),
            (
                "wrong size",
                set_field(0, segmentation=SMALL),
                "image 'ADE_val_00000000' has the size",
            ),
            (
                "broken RLE",
                lambda records: records[0].update(segmentation=broken(records[0]["segmentation"])),
                "image 'ADE_val_00000000' is damaged",
            ),
        )
    ),
]


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [pytest.param(name, *rest, id=f"{name}: {what}") for name, what, *rest in ERRORS],
)
def test_error_names_the_place(name, damage, message, written, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(written[name][0], folder)
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        score_results(name, folder)


def headline(name: str, folder: Path, number: str) -> float:
    return next(iter(score_results(name, folder).scores.values()))[number]


def extra_track(records: list) -> None:
    records.append({**records[0], "score": 0.001, "segmentations": [EMPTY] * 5})


def without_first_video(records: list) -> list:
    return [record for record in records if record["video_id"] != records[0]["video_id"]]


CONVENTIONS = [  # the published tool's, by what they do to the number
    ("toy_ytvis_val", "video without tracks", tracks(without_first_video), "AP", "falls"),
    ("toy_ytvis_val", "worst-scored extra track", tracks(extra_track), "AP", "stays"),
    ("toy_ytvis_val", "category outside", tracks(set_field(0, category_id=99)), "AP", "falls"),
    ("toy_ytvis_val", "no track at all", tracks(lambda _: []), "AP", "is 0"),
    (
        "toy_coco_instance_val",
        "no detection at all",
        edited("coco_instances_results.json", lambda _: []),
        "AP",
        "is 0",
    ),
    (
        "lvis_v1_val",
        "no detection at all",
        edited("coco_instances_results.json", lambda _: []),
        "AP",
        "is 0",
    ),
    (
        "lvis_v1_val",
        "category that the image is not annotated for",
        edited(
            "coco_instances_results.json",
            lambda records: records.append({**records[0], "category_id": 77, "score": 1.0}),
        ),
        "AP",
        "stays",
    ),
    (
        "toy_burst_point_val",
        "no sequence",
        edited("results.json", lambda content: {**content, "sequences": []}),
        "HOTA all",
        "is 0",
    ),
    ("toy_refytvos_val", "missing video", removed("Annotations/val_0001"), "J&F", "falls"),
    (
        "toy_vspw_val",
        "void predicted",
        repainted("val_0000/*", filled(255)),
        "mIoU",
        "falls",
    ),
    ("kitti_step_val", "void predicted", repainted("0006/*", filled(255)), "STQ", "falls"),
]


@pytest.mark.parametrize(
    ("name", "damage", "number", "effect"),
    [pytest.param(name, *rest, id=f"{name}: {what}") for name, what, *rest in CONVENTIONS],
)
def test_published_convention(name, damage, number, effect, written, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(written[name][0], folder)
    before = headline(name, folder, number)
    damage(folder)
    after = headline(name, folder, number)
    assert {"falls": after < before, "stays": after == before, "is 0": after == 0 < before}[effect]
