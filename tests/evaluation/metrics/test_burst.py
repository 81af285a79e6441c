from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from reference.numbers import assert_numbers
from univs.evaluation.metrics import burst

STYLES = {"burst_benchmark": False, "trackeval_style": True}  # classes_from_truth


def evaluate_case(case, **options) -> dict:
    parameters = case.meta["parameters"]
    names = ("all", "common", "uncommon")
    open_world = parameters["task"] == "open_world"
    return burst.evaluate_burst(
        {name: case.json(f"gt_{name}.json") for name in names}
        if open_world
        else case.json("gt_all.json"),
        case.json("pred.json"),
        task=parameters["task"],
        common=parameters["common_category_ids"],
        uncommon=parameters["uncommon_category_ids"],
        distractors=parameters["distractor_category_ids"],
        **options,
    )


@pytest.mark.golden("metrics", "burst")
def test_files_equal_the_official_toolkits(case) -> None:
    expected = case.meta["expected"]
    for style in STYLES.keys() & expected.keys():
        actual = evaluate_case(case, classes_from_truth=STYLES[style])
        assert_numbers(actual, expected[style], style)
        if style == "burst_benchmark" and "per_class" in expected:
            assert actual["per_class"].keys() == expected["per_class"].keys()
            assert_numbers(actual["per_class"], expected["per_class"], "per_class")


def rle(y: int, x: int, size: int = 8) -> str:
    mask = np.zeros((24, 32), dtype=np.uint8, order="F")
    mask[y : y + size, x : x + size] = 1
    return coco_mask.encode(mask)["counts"].decode()


def burst_file(tracks: dict[str, int], frames: list[dict[str, str]]) -> dict:
    sequence = {
        "id": 1,
        "dataset": "toy",
        "seq_name": "v",
        "width": 32,
        "height": 24,
        "annotated_image_paths": [f"{t}.jpg" for t in range(len(frames))],
        "segmentations": [{k: {"rle": v} for k, v in frame.items()} for frame in frames],
        "track_category_ids": tracks,
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [],
    }
    categories = [{"id": 4, "name": "airplane"}, {"id": 3, "name": "air_conditioner"}]
    return {"split": "val", "categories": categories, "sequences": [sequence]}


TRUTH = burst_file({"1": 4, "2": 3}, [{"1": rle(0, t), "2": rle(12, t)} for t in range(4)])


@pytest.mark.parametrize("task", ["class_guided", "exemplar_guided"])
@pytest.mark.parametrize("similarity", ["box", "mask"])
def test_perfect_prediction(task: str, similarity: str) -> None:
    result = burst.evaluate_burst(TRUTH, TRUTH, task=task, similarity=similarity)
    for key in ("HOTA", "DetA", "AssA", "AP"):
        assert result[key] == pytest.approx({"all": 100, "common": 100, "uncommon": 100})


def test_missing_sequence_counts_as_empty() -> None:
    nothing = {**TRUTH, "sequences": []}
    result = burst.evaluate_burst(TRUTH, nothing, task="class_guided")
    assert result["HOTA"] == {"all": 0, "common": 0, "uncommon": 0}
    assert result["AP"]["all"] == 0
    open_world = burst.evaluate_burst(
        {"all": TRUTH, "uncommon": {**TRUTH, "sequences": []}}, nothing, task="open_world"
    )
    assert open_world["OWTA"]["all"] == 0
    assert math.isnan(open_world["OWTA"]["uncommon"])


def test_predictions_of_an_unverified_class_are_no_mistakes() -> None:
    prediction = copy.deepcopy(TRUTH)
    sequence = prediction["sequences"][0]
    sequence["track_category_ids"]["3"] = 4
    for frame in sequence["segmentations"]:
        frame["3"] = {"rle": rle(12, 20)}
    assert burst.evaluate_burst(TRUTH, prediction, task="class_guided")["HOTA"]["common"] < 100
    truth = copy.deepcopy(TRUTH)
    truth["sequences"][0]["not_exhaustive_category_ids"] = [4]
    result = burst.evaluate_burst(truth, prediction, task="class_guided")
    assert result["HOTA"]["common"] == pytest.approx(100)
    assert result["AP"]["common"] == pytest.approx(100)


def test_many_detections() -> None:
    tracks = {str(k): 4 for k in range(1, 21)}
    frames = [{k: rle(int(k) % 16, int(k)) for k in tracks} for _ in range(14)]
    file = burst_file(tracks, frames)  # 280 detections
    assert burst.evaluate_burst(file, file, task="class_guided")["AP"]["all"] == pytest.approx(100)
    # The limit of 300 detections per image keeps the best.
    crowd = {str(k): 4 for k in range(1, 402)}
    prediction = burst_file(crowd, [{k: rle(0, 0) for k in crowd}])
    for k, item in prediction["sequences"][0]["segmentations"][0].items():
        item["score"] = float(k)
    truth = burst_file({"1": 4}, [{"1": rle(0, 0)}])
    result = burst.evaluate_burst(truth, prediction, task="class_guided")
    assert result["per_class"]["airplane"]["HOTA"]["HOTA_FP"][0] == 299


def test_distractors_are_left_out() -> None:
    result = burst.evaluate_burst(TRUTH, TRUTH, task="class_guided", distractors=[3])
    assert list(result["per_class"]) == ["airplane"]
    assert math.isnan(result["HOTA"]["uncommon"])


def test_null_masks_are_detections_with_an_empty_box() -> None:
    prediction = copy.deepcopy(TRUTH)
    empty = coco_mask.encode(np.zeros((24, 32), dtype=np.uint8, order="F"))["counts"].decode()
    prediction["sequences"][0]["segmentations"][0]["1"]["rle"] = empty
    hota = burst.evaluate_burst(TRUTH, prediction, task="class_guided")["per_class"]["airplane"]
    assert hota["HOTA"]["HOTA_FP"][0] == hota["HOTA"]["HOTA_FN"][0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(width=31), "prediction is 24 x 31, the truth 24 x 32"),
        (lambda s: s["segmentations"].pop(), "3 segmentations for 4 images"),
        (lambda s: s.update(annotated_image_paths=["0.jpg"] * 4), "listed twice"),
        (lambda s: s["track_category_ids"].pop("2"), "prediction: track 2 has no class"),
        (lambda s: s["segmentations"][1]["1"].update(score=math.nan), "track 1 has the score nan"),
        (lambda s: s["segmentations"][1]["1"].update(rle="0"), "frame 1: the mask of track 1 is"),
    ],
)
def test_bad_sequences_are_named(change, message: str) -> None:
    prediction = copy.deepcopy(TRUTH)
    change(prediction["sequences"][0])
    with pytest.raises(ValueError, match=f"Sequence 'toy/v'.*{message}"):
        burst.evaluate_burst(TRUTH, prediction, task="class_guided")


def test_bad_files() -> None:
    with pytest.raises(ValueError, match="is for the split 'test', the truth is 'val'"):
        burst.evaluate_burst(TRUTH, {**TRUTH, "split": "test"}, task="class_guided")
    twice = {**TRUTH, "sequences": TRUTH["sequences"] * 2}
    with pytest.raises(ValueError, match="'toy/v' is listed twice in the prediction file"):
        burst.evaluate_burst(TRUTH, twice, task="class_guided")
    with pytest.raises(ValueError, match="task='pet'"):
        burst.evaluate_burst(TRUTH, TRUTH, task="pet")
    with pytest.raises(ValueError, match="similarity='iou'"):
        burst.evaluate_burst(TRUTH, TRUTH, task="class_guided", similarity="iou")


def test_published_category_lists() -> None:
    assert len(burst.DISTRACTOR_CATEGORIES) == 45
    assert len(burst.COMMON_CATEGORIES) == 78
    assert not burst.COMMON_CATEGORIES & burst.DISTRACTOR_CATEGORIES
