from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.label_map_files import frame_names, read_label_map, write_video
from univs.evaluation.referring import (
    RefDavisEvaluator,
    ReferringEvaluator,
    ReferringTruth,
    score_referring_folder,
)
from univs.structures import Track, VideoResult, encode_mask

NAMES = ["00000", "00005", "00010"]


def squares(shift: int = 0) -> np.ndarray:
    maps = np.zeros((3, 24, 32), dtype=np.uint8)
    maps[:, 2:9, 3 + shift : 12 + shift] = 1
    maps[:, 12:20, 3 + shift : 12 + shift] = 2
    return maps


def result_of(masks: dict[int, np.ndarray]) -> VideoResult:
    """Tracks by target id, masks [T, H, W]."""
    tracks = [
        Track(id=i, size=(24, 32), target_id=i, segmentations=[encode_mask(m) for m in mask])
        for i, mask in masks.items()
    ]
    return VideoResult(num_frames=3, size=(24, 32), tracks=tracks)


@pytest.fixture
def truth(tmp_path) -> ReferringTruth:
    expressions = {
        "0": {"exp": "the upper square", "obj_id": "1"},
        "1": {"exp": "both squares", "obj_id": ["1", "2"]},
    }
    videos = {v: {"frames": NAMES, "expressions": expressions} for v in ("v", "w")}
    (tmp_path / "meta_expressions.json").write_text(json.dumps({"videos": videos}))
    for video in videos:
        write_video(tmp_path / "masks" / video, list(zip(NAMES, squares(), strict=True)))
    return ReferringTruth(tmp_path / "meta_expressions.json", mask_dir=tmp_path / "masks")


def sample(video: str, **fields) -> dict:
    return {"video_id": video, "file_names": [f"{video}/{n}.jpg" for n in NAMES], **fields}


def test_streaming_equals_scoring_the_written_files(truth, tmp_path) -> None:
    evaluator = ReferringEvaluator(truth, output_dir=tmp_path / "out")
    perfect = result_of({4: squares() == 1, 7: squares() > 0})
    evaluator.process([sample("v", expressions={4: "0", 7: "1"})], [perfect])
    shifted = result_of({1: squares(2) == 1})  # nothing for the second expression
    evaluator.process([sample("w", expressions={1: "0", 2: "1"})], [shifted])
    numbers = evaluator.evaluate()["referring"]
    folder = tmp_path / "out" / "Annotations"
    files = score_referring_folder(truth, folder)
    assert_numbers(files, numbers)
    assert files["per_expression"]["v_1"] == {"J": 1.0, "F": 1.0}
    assert files["per_expression"]["w_1"] == {"J": 0.0, "F": 0.0}
    assert files["per_expression"]["w_0"]["J"] == pytest.approx(7 / 11)
    assert frame_names(folder / "v" / "0") == NAMES
    mask = read_label_map(folder / "v" / "0" / "00005.png")
    np.testing.assert_array_equal(mask, (squares()[1] == 1) * 255)

    shutil.rmtree(folder / "w")
    assert score_referring_folder(truth, folder)["J"] == 0.5
    (folder / "v" / "1" / "00005.png").unlink()
    with pytest.raises(ValueError, match="Video 'v/1', frame 00005: no prediction"):
        score_referring_folder(truth, folder)
    shutil.rmtree(folder / "v" / "1")
    with pytest.raises(FileNotFoundError, match="v/1"):
        score_referring_folder(truth, folder)


def test_results_without_public_masks_are_only_written(truth, tmp_path) -> None:
    hidden = ReferringTruth(tmp_path / "meta_expressions.json", videos=["v"])
    evaluator = ReferringEvaluator(hidden, output_dir=tmp_path / "out")
    evaluator.process([sample("v", expressions={1: "0", 2: "1"})], [result_of({})])
    assert evaluator.evaluate() == {}
    assert not read_label_map(tmp_path / "out/Annotations/v/1/00010.png").any()
    with pytest.raises(ValueError, match="no truth to score"):
        score_referring_folder(hidden, tmp_path / "out" / "Annotations")
    with pytest.raises(ValueError, match="give an output_dir"):
        ReferringEvaluator(hidden)


def test_bad_input(truth, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"does not list the videos \['x'\]"):
        ReferringTruth(tmp_path / "meta_expressions.json", videos=["x"])
    evaluator = ReferringEvaluator(truth)
    with pytest.raises(ValueError, match="'x' is not part"):
        evaluator.process([sample("x", expressions={})], [result_of({})])
    with pytest.raises(ValueError, match="Video 'v' has no expression '9'"):
        evaluator.process([sample("v", expressions={1: "9"})], [result_of({})])
    with pytest.raises(ValueError, match=r"Video \('v', '0'\) was processed twice"):
        evaluator.process([sample("v", expressions={1: "0", 2: "0"})], [result_of({})])
    with pytest.raises(
        ValueError, match=r"1 videos of the data set have no prediction: \('v', '1'\)"
    ):
        evaluator.evaluate()


def test_ref_davis(tmp_path) -> None:
    masks: Path = tmp_path / "masks"
    write_video(masks / "bear", list(zip(NAMES, squares(), strict=True)))
    evaluator = RefDavisEvaluator(masks, output_dir=tmp_path / "out")
    good = {1: squares() == 1, 2: squares() == 2}
    swapped = {1: good[2], 2: good[1]}
    for annotator, found in enumerate([good, swapped, {1: good[1]}, {}]):
        evaluator.process([sample("bear", annotator=annotator)], [result_of(found)])
    numbers = evaluator.evaluate()["ref_davis17"]
    per_annotator = [numbers[f"J&F-Mean-anno_{k}"] for k in range(4)]
    assert per_annotator == [1.0, 1.0, 0.5, 0.0]  # the assignment repairs swapped objects
    assert numbers["J&F-Mean"] == 0.625
    written = read_label_map(tmp_path / "out" / "anno_1" / "bear" / "00005.png")
    np.testing.assert_array_equal(written, np.choose(squares()[1], [0, 2, 1]))
    with pytest.raises(ValueError, match="annotator 4 is not one of 0 to 3"):
        evaluator.process([sample("bear", annotator=4)], [result_of({})])
