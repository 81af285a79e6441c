from __future__ import annotations

import json
from pathlib import Path

import pytest

from reference.numbers import assert_numbers
from univs.evaluation.burst import BurstEvaluator
from univs.evaluation.metrics.burst import evaluate_burst
from univs.structures import Track, VideoResult


def result_of(sequence: dict, *, task: str, contiguous: dict[int, int]) -> VideoResult:
    """A sequence of a prediction file as the result of a model; the masks keep their text."""
    size = (sequence["height"], sequence["width"])
    tracks = []
    for key, category in sequence["track_category_ids"].items():
        segmentations, scores = [], []
        for frame in sequence["segmentations"]:
            item = frame.get(key)
            segmentations.append(item and {"size": list(size), "counts": item["rle"]})
            scores += [item.get("score", 1.0)] if item else []
        tracks.append(
            Track(
                id=int(key),
                size=size,
                target_id=int(key),
                category=contiguous[category] if task == "class_guided" else None,
                score=sum(scores) / max(len(scores), 1),
                segmentations=segmentations,
            )
        )
    num_frames = len(sequence["segmentations"])
    return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


def feed(evaluator: BurstEvaluator, prediction: dict, task: str, ids: dict[int, int]) -> None:
    contiguous = {category: k for k, category in ids.items()}
    for sequence in prediction["sequences"]:
        sample = {
            "video_id": f"{sequence['dataset']}/{sequence['seq_name']}",
            "file_names": [f"frames/{path}" for path in sequence["annotated_image_paths"]],
        }
        result = result_of(sequence, task=task, contiguous=contiguous)
        evaluator.process([sample], [result])


def known_tracks_only(prediction: dict, truth: dict) -> dict:
    """Drop predicted tracks that no truth track gave; exemplar-guided results have none."""
    for sequence, expected in zip(prediction["sequences"], truth["sequences"], strict=True):
        known = expected["track_category_ids"].keys()
        classes = sequence["track_category_ids"]
        sequence["track_category_ids"] = {k: v for k, v in classes.items() if k in known}
    return prediction


@pytest.mark.golden("metrics", "burst")
def test_streaming_equals_scoring_the_written_file(case, tmp_path) -> None:
    parameters = case.meta["parameters"]
    task = parameters["task"]
    groups = ("all", "common", "uncommon") if task == "open_world" else ("all",)
    files = {group: case.folder / f"gt_{group}.json" for group in groups}
    truth, prediction = case.json("gt_all.json"), case.json("pred.json")
    if task == "exemplar_guided":
        prediction = known_tracks_only(prediction, truth)
    ids = dict(enumerate(category["id"] for category in truth["categories"]))
    distractors = parameters["distractor_category_ids"]
    evaluator = BurstEvaluator(
        files, task=task, category_ids=ids, output_dir=tmp_path, distractors=distractors
    )
    feed(evaluator, prediction, task, ids)
    numbers = evaluator.evaluate()[f"burst_{task}"]
    written = json.loads((tmp_path / "results.json").read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    truths = {group: case.json(f"gt_{group}.json") for group in groups}
    expected = evaluate_burst(
        truths if task == "open_world" else truth, written, task=task, distractors=distractors
    )
    summary = {key: value for key, value in expected.items() if key != "per_class"}
    flat = {f"{key} {group}": v for key, value in summary.items() for group, v in value.items()}
    assert_numbers(numbers, flat)
    if task == "open_world":
        # Scores play no part in this task, so the official numbers must come out as well.
        for key, values in case.meta["expected"]["burst_benchmark"].items():
            assert_numbers({g: numbers[f"{key} {g}"] for g in values}, values)


@pytest.fixture
def truth_file(tmp_path) -> Path:
    sequence = {
        "id": 1,
        "dataset": "toy",
        "seq_name": "v",
        "width": 4,
        "height": 4,
        "annotated_image_paths": ["0.jpg", "5.jpg"],
        "segmentations": [{"1": {"rle": "04<"}}, {"1": {"rle": "04<"}}],
        "track_category_ids": {"1": 4},
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [],
    }
    path = tmp_path / "truth.json"
    categories = [{"id": 4, "name": "airplane"}]
    path.write_text(json.dumps({"split": "val", "categories": categories, "sequences": [sequence]}))
    return path


def one_track(**fields) -> VideoResult:
    rle = {"size": [4, 4], "counts": "04<"}
    track = Track(id=1, size=(4, 4), segmentations=[rle, None, rle], **fields)
    return VideoResult(num_frames=3, size=(4, 4), tracks=[track])


SAMPLE = {"video_id": "toy/v", "file_names": ["v/0.jpg", "v/3.jpg", "v/5.jpg"]}


def test_only_annotated_frames_are_kept(truth_file, tmp_path) -> None:
    evaluator = BurstEvaluator({"all": truth_file}, task="exemplar_guided", output_dir=tmp_path)
    evaluator.process([SAMPLE], [one_track(target_id=1)])
    assert evaluator.evaluate()["burst_exemplar_guided"]["HOTA all"] == pytest.approx(100)
    written = json.loads((tmp_path / "results.json").read_text())["sequences"][0]
    assert len(written["segmentations"]) == 2 and written["track_category_ids"] == {"1": 4}


def test_bad_input(truth_file) -> None:
    with pytest.raises(ValueError, match="needs the BURST ids"):
        BurstEvaluator({"all": truth_file}, task="class_guided")
    evaluator = BurstEvaluator({"all": truth_file}, task="exemplar_guided")
    with pytest.raises(ValueError, match="'toy/w' is not part of the truth"):
        evaluator.process([{**SAMPLE, "video_id": "toy/w"}], [one_track(target_id=1)])
    with pytest.raises(ValueError, match="'toy/v': there is no truth track 2"):
        evaluator.process([SAMPLE], [one_track(target_id=2)])
    with pytest.raises(ValueError, match=r"Video 'toy/v', frame 5.jpg: no prediction"):
        names = ["0.jpg", "3.jpg", "4.jpg"]
        evaluator.process([{**SAMPLE, "file_names": names}], [one_track(target_id=1)])
    with pytest.raises(ValueError, match="2 file names for 3 frames"):
        evaluator.process([{**SAMPLE, "file_names": ["0.jpg", "5.jpg"]}], [one_track(target_id=1)])
    with pytest.raises(ValueError, match="1 videos of the data set have no prediction: 'toy/v'"):
        evaluator.evaluate()
    evaluator.process([SAMPLE], [one_track(target_id=1)])
    with pytest.raises(ValueError, match="'toy/v' was processed twice"):
        evaluator.process([SAMPLE], [one_track(target_id=1)])
    guided = BurstEvaluator({"all": truth_file}, task="class_guided", category_ids={0: 4})
    with pytest.raises(ValueError, match="category 3 of track 1 has no BURST id"):
        guided.process([SAMPLE], [one_track(category=3)])


def test_missing_videos_can_count_as_empty(truth_file) -> None:
    evaluator = BurstEvaluator({"all": truth_file}, task="exemplar_guided", allow_missing=True)
    assert evaluator.evaluate()["burst_exemplar_guided"]["HOTA all"] == 0
