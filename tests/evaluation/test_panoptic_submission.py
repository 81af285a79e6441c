from __future__ import annotations

import json
from pathlib import Path

import pytest

from detectron2.data import Metadata, MetadataCatalog
from reference.toy_results import perfect_samples
from univs.evaluation.benchmark_truth import cityscapes_vps_images
from univs.evaluation.build import build_evaluator
from univs.evaluation.metadata import class_names
from univs.evaluation.panoptic_submission import PanopticSubmissionEvaluator


def write(evaluator, samples) -> None:
    evaluator.reset()
    for sample, output in samples:
        evaluator.process([sample], [output])
    evaluator.evaluate()


def maps(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.png")}


def submission_evaluator(name: str, folder: Path) -> PanopticSubmissionEvaluator:
    metadata = MetadataCatalog.get(name)
    image_ids = None
    if metadata.layout == "cityscapes_vps":
        images = json.loads(Path(metadata.json_file).read_text())["images"]  # the annotated ones
        image_ids = {Path(image["file_name"]).stem: image["id"] for image in images}
    return PanopticSubmissionEvaluator(len(class_names(metadata)), folder, image_ids)


@pytest.mark.parametrize("name", ["toy_vipseg_val", "cityscapes_vps_val"])
def test_files_are_those_that_are_scored(name, toy_root, tmp_path):
    samples = perfect_samples(name)
    scored, handed_in = tmp_path / "scored", tmp_path / "handed_in"
    write(build_evaluator(name, scored), samples)
    write(submission_evaluator(name, handed_in), samples)
    assert maps(scored) == maps(handed_in) != {}
    entries = [json.loads((f / "pred.json").read_text()) for f in (scored, handed_in)]
    assert entries[0] == entries[1]


def test_of_cityscapes_vps_every_fifth_frame_is_handed_in(tmp_path):
    images = [
        {"id": 10000 * video + frame, "file_name": f"{video}_{frame}_newImg8bit.png"}
        for video in (1, 2)
        for frame in range(1, 31)
    ]
    (tmp_path / "images.json").write_text(json.dumps({"images": images}))
    metadata = Metadata(layout="cityscapes_vps", json_file=str(tmp_path / "images.json"))
    assert cityscapes_vps_images(metadata) == {
        f"{video}_{frame}_newImg8bit": 10000 * video + frame
        for video in (1, 2)
        for frame in (5, 10, 15, 20, 25, 30)
    }


def test_another_number_of_frames_is_an_error(toy_root, tmp_path):
    sample, output = perfect_samples("toy_vipseg_val")[0]
    shorter = {**sample, "file_names": sample["file_names"][:-1]}
    with pytest.raises(ValueError, match="frames, but the prediction has"):
        submission_evaluator("toy_vipseg_val", tmp_path).process([shorter], [output])
