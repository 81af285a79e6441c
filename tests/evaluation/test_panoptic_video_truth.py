"""Cityscapes-VPS: which images are a video, and which result belongs to which image."""

from __future__ import annotations

import json
import shutil

import pytest
from evaluation.miniatures import cityscapes_vps

from univs.evaluation.panoptic_video_truth import CityscapesVpsTruth
from univs.evaluation.video_panoptic import panoptic_percentages, score_videos

WINDOWS = (1, 2, 3)


@pytest.fixture
def data(tmp_path):
    """Root of the data set and a folder of results, which are the truth without image ids."""
    cityscapes_vps(tmp_path)
    root = tmp_path / "cityscapes_vps"
    truth = json.loads((root / "panoptic_gt_val_city_vps.json").read_text())
    results = tmp_path / "results"
    (results / "pan_pred").mkdir(parents=True)
    for annotation in truth["annotations"]:
        mask = root / "val/panoptic_video" / annotation["file_name"]
        shutil.copy(mask, results / "pan_pred" / f"{annotation['image_id']}.png")
    listed = [{"segments_info": item["segments_info"]} for item in truth["annotations"]]
    (results / "pred.json").write_text(json.dumps({"annotations": listed}))
    return root, results


def truth_of(root) -> CityscapesVpsTruth:
    return CityscapesVpsTruth(
        root / "panoptic_gt_val_city_vps.json", root / "val" / "panoptic_video"
    )


def test_images_of_a_video_and_results_by_position(data):
    root, results = data
    truth = truth_of(root)
    assert truth.frame_names(2) == [f"0002_000{t}_city_newImg8bit" for t in (0, 2, 4)]
    assert truth.windows == (1, 2, 3, 4)
    scores = score_videos(truth, results, WINDOWS)
    assert list(scores) == [1, 2]
    numbers = panoptic_percentages(scores, WINDOWS, truth.categories)
    assert numbers["VPQ"] == pytest.approx(100) and "STQ" not in numbers


def test_results_by_image_id_may_have_any_order(data):
    root, results = data
    content = json.loads((results / "pred.json").read_text())
    ids = [entry["image_id"] for frames in truth_of(root).videos.values() for entry in frames]
    named = [
        {**entry, "image_id": image_id}
        for entry, image_id in zip(content["annotations"], ids, strict=True)
    ]
    (results / "pred.json").write_text(json.dumps({"annotations": named[::-1]}))
    scores = score_videos(truth_of(root), results, WINDOWS)
    assert panoptic_percentages(scores, WINDOWS, truth_of(root).categories)["VPQ"] == 100


def test_wrong_number_of_results_is_an_error(data):
    root, results = data
    content = json.loads((results / "pred.json").read_text())
    (results / "pred.json").write_text(json.dumps({"annotations": content["annotations"][1:]}))
    with pytest.raises(ValueError, match="5 annotations for 6 images"):
        score_videos(truth_of(root), results)


def test_frames_are_found_by_name(data):
    truth = truth_of(data[0])
    names = [f"a/0001_000{t}_city_newImg8bit.png" for t in range(5)]
    assert truth.annotated_frames(1, 5, {"file_names": names}) == [0, 2, 4]
    with pytest.raises(ValueError, match="Video 1: the annotated frame 0001_0004_city_newImg8bit"):
        truth.annotated_frames(1, 4, {"file_names": names[:4]})
    with pytest.raises(ValueError, match="Video 1 has 5 frames, but the prediction has 4"):
        truth.annotated_frames(1, 4, {"file_names": names})
