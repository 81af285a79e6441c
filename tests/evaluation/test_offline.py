"""Result files score as the evaluators that wrote them did."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from evaluation.miniatures import MINIATURES
from PIL import Image

from detectron2.data import MetadataCatalog
from reference.toy_results import TOY_VAL
from univs.evaluation.benchmark_truth import benchmark_kind
from univs.evaluation.label_map_files import write_video
from univs.evaluation.offline import score_results
from univs.evaluation.report import STABILITY, Report

NAMES = [*TOY_VAL, *MINIATURES]


@pytest.mark.parametrize("name", NAMES)
def test_files_score_as_the_evaluator_did(name, written):
    folder, expected = written[name]
    report = score_results(name, folder)
    assert report.scores.keys() == expected.keys()
    for task, numbers in expected.items():
        assert report.scores[task] == pytest.approx(numbers, nan_ok=True, abs=1e-12)
    kind = benchmark_kind(MetadataCatalog.get(name))
    assert bool(report.per_video) == (not kind.startswith("image"))


@pytest.mark.parametrize("name", ["toy_ytvis_val", "toy_davis_val", "toy_vspw_val"])
def test_worst_video_comes_first(name, written):
    report = score_results(name, written[name][0])
    values = [next(iter(numbers.values())) for _, numbers in report.worst_first()]
    assert len(values) == 2 and values[0] < values[1]
    assert values[1] == pytest.approx(1 if "davis" in name else 100)


def test_interrupted_track_is_counted(written):
    report = score_results("toy_davis_val", written["toy_davis_val"][0])
    assert report.scores[STABILITY]["Frag"] == 1
    assert sum(numbers["Frag"] for numbers in report.per_video.values()) == 1


@pytest.mark.parametrize("name", ["toy_ytvis_val", "toy_vipseg_val", "toy_refytvos_val"])
def test_archive_scores_as_the_folder(name, written, tmp_path):
    folder, expected = written[name]
    archive = shutil.make_archive(str(tmp_path / "results"), "zip", folder)
    task = next(iter(expected))
    assert score_results(name, archive).scores[task] == pytest.approx(expected[task], nan_ok=True)
    (tmp_path / "broken.zip").write_text("nothing")
    with pytest.raises(ValueError, match=r"broken\.zip is not a zip archive"):
        score_results(name, tmp_path / "broken.zip")


def test_results_of_davis_meet_annotations_of_their_size(tmp_path):
    small = np.zeros((4, 12, 16), dtype=np.uint8)
    small[:, 2:8, 3:9] = 1
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    large[2] = 0  # so that the numbers tell which of the two was taken
    for folder, maps in (("480p", small), ("Full-Resolution", large), ("results", small)):
        write_video(tmp_path / folder / "bear", [(f"{t:05d}", m) for t, m in enumerate(maps)])
    metadata = MetadataCatalog.get("two_resolutions")
    metadata.set(evaluator_type="davis", mask_root=str(tmp_path / "Full-Resolution"))
    try:
        scores = score_results("two_resolutions", tmp_path / "results").scores
        assert scores["davis_semi_supervised"]["J-Mean"] == 1
        write_video(tmp_path / "results" / "bear", [(f"{t:05d}", m) for t, m in enumerate(large)])
        scores = score_results("two_resolutions", tmp_path / "results").scores
        assert scores["davis_semi_supervised"]["J-Mean"] == 1
    finally:
        MetadataCatalog.remove("two_resolutions")


def test_four_annotators_are_averaged(written, tmp_path):
    folder, expected = written["toy_refdavis_val_0"]
    for annotator in range(4):
        shutil.copytree(folder, tmp_path / f"anno_{annotator}")
    empty = next(iter((tmp_path / "anno_3").glob("*/*.png"))).parent
    for path in empty.glob("*.png"):
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    report = score_results("toy_refdavis_val_0", tmp_path)
    numbers = report.scores["ref_davis17"]
    full = expected["davis_unsupervised"]["J&F-Mean"]
    assert numbers["J&F-Mean-anno_0"] == full > numbers["J&F-Mean-anno_3"]
    assert numbers["J&F-Mean"] == pytest.approx((3 * full + numbers["J&F-Mean-anno_3"]) / 4)
    assert report.worst_first()[0][0].startswith("anno_3/")


def test_errors_say_what_is_wrong(written, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder of results"):
        score_results("toy_ytvis_val", tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"holds no results\.json"):
        score_results("toy_ytvis_val", tmp_path)
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"video_id": 1}]))
    with pytest.raises(ValueError, match=r"results\.json: Result 0: the keys"):
        score_results("toy_ytvis_val", path)
    with pytest.raises(ValueError, match=r"results\.json: the list 'sequences' is missing"):
        score_results("toy_burst_point_val", path)
    with pytest.raises(ValueError, match="must be a folder with one folder per video"):
        score_results("toy_davis_val", path)
    with pytest.raises(FileNotFoundError, match="the video has no results"):
        score_results("toy_davis_val", tmp_path)
    MetadataCatalog.get("hidden").set(evaluator_type="vos", layout="mose", truth="/nothing")
    try:
        with pytest.raises(ValueError, match="The truth of hidden is not public"):
            score_results("hidden", tmp_path)
    finally:
        MetadataCatalog.remove("hidden")


def test_videos_without_a_number_come_last():
    report = Report({}, {"a": {"AP": math.nan}, "b": {"AP": 3.0}, "c": {"AP": 1.0}})
    assert [video for video, _ in report.worst_first()] == ["c", "b", "a"]
