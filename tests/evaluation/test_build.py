"""Every evaluator type of the catalogue, from registered files to numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation.miniatures import MINIATURES

from detectron2.data import MetadataCatalog
from reference.toy_results import TOY_VAL, perfect_samples
from univs.data.catalog.registration import all_entries
from univs.evaluation.benchmark_truth import benchmark_kind
from univs.evaluation.build import EVALUATORS, build_evaluator
from univs.evaluation.offline_scorers import SCORERS

BEST = {"IDSw": 0, "Frag": 0, "ML": 0}


def without(metadata, *keys) -> dict:
    return {key: value for key, value in metadata.as_dict().items() if key not in keys}


def test_kind_of_every_benchmark(toy_root):
    for name, kind in TOY_VAL.items():
        assert benchmark_kind(MetadataCatalog.get(name)) == kind
    for name, kind in (
        ("ade20k_semantic_val", "image_semantic"),
        ("burst_val_mask", "burst"),
        ("kitti_step_val", "step"),
        ("cityscapes_vps_val", "video_panoptic"),
        ("mevis_val_u", "referring"),
        ("lvis_v1_val", "image_instance"),
    ):
        assert benchmark_kind(MetadataCatalog.get(name)) == kind


def test_every_evaluator_type_of_the_catalogue_has_an_evaluator(toy_root):
    for entry in all_entries(toy_root).values():
        if entry.evaluator_type:
            kind = benchmark_kind(MetadataCatalog.get(entry.name))
            assert kind in EVALUATORS and kind in SCORERS


@pytest.mark.parametrize("name", [*TOY_VAL, *MINIATURES])
def test_truth_as_prediction_is_perfect(name, toy_root, tmp_path):
    evaluator = build_evaluator(name, tmp_path)
    evaluator.reset()
    for sample, output in perfect_samples(name):
        evaluator.process([sample], [output])
    results = evaluator.evaluate()
    for task, numbers in results.items():
        for key, value in numbers.items():
            if task == "track_stability":
                expected = BEST.get(key, 100)
            elif "Decay" in key or math.isnan(value):
                continue
            else:
                expected = 1 if "J&F-Mean" in numbers or task == "youtube_vos" else 100
                expected = 1 if task in ("referring", "mose") else expected
                expected = 0 if key == "decay" else expected
            # AP is cut at 1 - 2^-52 by its epsilon; AR of one detection per video depends on
            # how many objects there are.
            if not key.startswith(("AR", "AP")):
                assert value == pytest.approx(expected), (task, key)
            elif not key.startswith("AR1"):
                assert value == pytest.approx(100), (task, key)
    assert any(not math.isnan(v) for numbers in results.values() for v in numbers.values())
    assert any(tmp_path.iterdir())


def test_without_public_truth_only_files_are_written(toy_root, tmp_path):
    metadata = MetadataCatalog.get("toy_mose_val")
    hidden = MetadataCatalog.get("hidden_mose_val")
    hidden.set(**without(metadata, "name", "truth"), truth=str(tmp_path / "not published"))
    try:
        evaluator = build_evaluator("hidden_mose_val", tmp_path / "out")
        sample, output = perfect_samples("toy_mose_val")[0]
        evaluator.process([sample], [output])
        assert evaluator.evaluate() == {}
        assert len(list((tmp_path / "out").rglob("*.png"))) == output.num_frames
    finally:
        MetadataCatalog.remove("hidden_mose_val")


def test_unknown_type_and_missing_metadata_say_what_to_do(tmp_path):
    metadata = MetadataCatalog.get("strange_dataset")
    try:
        metadata.evaluator_type = "strange"
        with pytest.raises(ValueError, match="evaluator type 'strange', for which there is no"):
            build_evaluator("strange_dataset", tmp_path)
        del metadata.evaluator_type
        metadata.evaluator_type = "video_panoptic_seg"
        with pytest.raises(ValueError, match="has no 'panoptic_root'; set it where"):
            build_evaluator("strange_dataset", tmp_path)
        metadata.panoptic_root = str(tmp_path / "panomasks")
        metadata.split_txt = "val.txt"
        with pytest.raises(FileNotFoundError, match="panoptic_gt_VIPSeg_val.json"):
            build_evaluator("strange_dataset", tmp_path)
    finally:
        MetadataCatalog.remove("strange_dataset")


def test_davis_2016_joins_all_objects(toy_root, tmp_path):
    metadata = MetadataCatalog.get("toy_davis_val")
    joined = MetadataCatalog.get("toy_davis16_val")
    joined.set(**without(metadata, "name", "layout"), layout="davis_binary")
    try:
        evaluator = build_evaluator("toy_davis16_val", tmp_path)
        for sample, output in perfect_samples("toy_davis_val"):
            evaluator.process([sample], [output])
        results = evaluator.evaluate()
        assert results["davis_semi_supervised"]["J&F-Mean"] == 1
        assert results["track_stability"]["MT"] == 100
        table = (tmp_path / "per-sequence_results-val.csv").read_text().splitlines()
        assert len(table) == 1 + len(perfect_samples("toy_davis_val"))
        assert np.all([line.split(",")[0].endswith("_1") for line in table[1:]])
    finally:
        MetadataCatalog.remove("toy_davis16_val")
