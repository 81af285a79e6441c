from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from reference.numbers import assert_numbers
from univs.evaluation.metrics import davis
from univs.evaluation.metrics.boundary import boundary_f, region_similarity
from univs.evaluation.metrics.frame_pairs import MissingFrameError

SCORE = {
    "semi-supervised": davis.score_semi_supervised,
    "unsupervised": davis.score_unsupervised,
}


def score_case(case, prefix: str = "pred") -> dict[str, davis.SequenceScores]:
    score = SCORE[case.meta["parameters"].get("task", "unsupervised")]
    missing = case.meta["parameters"].get("missing_pred_frames", {})
    sequences = {}
    for name in case.meta["parameters"]["sequences"]:
        prediction = list(case.arrays[f"{prefix}_{name}"])
        for index in missing.get(name, ()):
            prediction[index] = None
        sequences[name] = score(case.arrays[f"gt_{name}"], prediction, video=name)
    return sequences


def without_wrapped_decay(expected: dict) -> dict:
    """Drop the decays that the toolkit computes with bin edges in uint8 (over 256 frames)."""
    for measure in ("J", "F"):
        decays = expected[measure]["D"]
        kept = [i for i, value in enumerate(decays) if not np.isnan(value)]
        expected[measure]["D"] = {i: decays[i] for i in kept}
        del expected["global"][f"{measure}-Decay"]
    return expected


@pytest.mark.golden("metrics", "davis")
def test_sequences_equal_the_official_toolkit(case) -> None:
    expected = case.meta["expected"]
    if "error" in expected:
        with pytest.raises(ValueError, match="Video '"):
            davis.summarize_davis(score_case(case))
        return
    sequences = score_case(case)
    actual = davis.summarize_davis(sequences)
    if "uint8_quirk" in case.folder.name:
        expected = without_wrapped_decay(expected)
        for measure in ("J", "F"):
            assert not np.isnan(actual["global"][f"{measure}-Decay"])
            actual[measure]["D"] = dict(enumerate(actual[measure]["D"]))
    per_frame = {name: {"J": s.j, "F": s.f} for name, s in sequences.items()}
    assert_numbers({**actual, "per_frame": per_frame}, expected)


def moving_square(frames: int = 6, ids: tuple[int, ...] = (1, 2)) -> np.ndarray:
    video = np.zeros((frames, 24, 32), dtype=np.uint8)
    for t in range(frames):
        for row, object_id in enumerate(ids):
            video[t, 2 + 9 * row : 9 + 9 * row, 2 + t : 12 + t] = object_id
    return video


def test_decay_of_a_long_sequence() -> None:
    values = np.r_[np.ones(100), np.zeros(300)]
    mean, recall, decay = davis.sequence_statistics(values)
    assert (mean, recall) == (0.25, 0.25)
    # Edges of the quarters: frames 1, 101 (100.75), 200, 300 and 400.
    assert decay == pytest.approx(100 / 101)


def test_a_single_frame_has_no_decay() -> None:
    assert davis.sequence_statistics(np.array([0.5])) == (0.5, 0.0, 0.0)


def test_missing_frame_is_named_or_scored_empty() -> None:
    truth = moving_square()
    prediction = [*truth]
    prediction[3] = None
    names = [f"{t:05d}" for t in range(len(truth))]
    with pytest.raises(MissingFrameError, match="Video 'bear', frame 00003: no prediction"):
        davis.score_semi_supervised(truth, prediction, video="bear", frame_names=names)
    scores = davis.score_semi_supervised(truth, prediction, video="bear", allow_missing=True)
    np.testing.assert_array_equal(scores.j, [[1, 1, 0, 1]] * 2)
    np.testing.assert_array_equal(scores.f, [[1, 1, 0, 1]] * 2)


@pytest.mark.parametrize("task", SCORE)
def test_frames_that_are_not_evaluated_need_no_prediction(task: str) -> None:
    truth = moving_square()
    prediction = [None, *truth[1:-1]]
    if task == "unsupervised":
        with pytest.raises(MissingFrameError, match="frame 0: no prediction"):
            SCORE[task](truth, prediction, video="bear")
    else:
        assert (SCORE[task](truth, prediction, video="bear").j == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: np.where(p == 2, 3, p), r"ids 0\.\.3, but the first frame has the objects 1"),
        (lambda p: np.where(p == 2, 300, p.astype(np.int32)), r"ids 0\.\.300"),
        (lambda p: p.astype(np.int32) - 1, r"ids -1\.\.1"),
        (lambda p: p[:, :, :-1], "frame 1: the prediction has size 24 x 31, the truth 24 x 32"),
        (lambda p: p.astype(np.float32), "must be an integer map"),
        (lambda p: np.concatenate([p, p]), "12 predicted frames for 6"),
    ],
)
def test_bad_semi_supervised_predictions(change, message: str) -> None:
    truth = moving_square()
    with pytest.raises(ValueError, match=message):
        davis.score_semi_supervised(truth, change(truth), video="bear")


def test_too_many_proposals() -> None:
    truth = moving_square()
    prediction = truth.copy()
    prediction[4, 0, 0] = 21
    with pytest.raises(ValueError, match="Video 'bear', frame 4: .* proposals are 1..20"):
        davis.score_unsupervised(truth, prediction, video="bear")


def test_short_and_empty_videos() -> None:
    with pytest.raises(ValueError, match="'bear' has 2 frames"):
        davis.score_semi_supervised(moving_square(2), moving_square(2), video="bear")
    with pytest.raises(ValueError, match="'bear' has no frames"):
        davis.score_unsupervised([], [], video="bear")
    empty = np.zeros((4, 8, 8), dtype=np.uint8)
    nothing = davis.score_semi_supervised(empty, empty, video="bear")
    assert nothing.j.shape == (0, 2)
    with pytest.raises(ValueError, match="no object to score"):
        davis.summarize_davis({"bear": nothing})


def test_unsupervised_ids_do_not_matter() -> None:
    truth = moving_square(ids=(1, 2))
    prediction = np.choose(truth, [0, 7, 3]).astype(np.uint8)
    scores = davis.score_unsupervised(truth, prediction, video="bear")
    assert (scores.j == 1).all() and (scores.f == 1).all()
    assert scores.object_ids == (2, 1)  # rows follow the proposals 3 and 7


@pytest.mark.parametrize("seed", range(4))
def test_unsupervised_equals_scoring_every_pair_by_itself(seed: int) -> None:
    random = np.random.default_rng(seed)
    blocks = random.choice([0, 1, 2, 3, 255], size=(2, 3, 5, 6), p=[0.4, 0.2, 0.2, 0.1, 0.1])
    truth, prediction = blocks.astype(np.uint8).repeat(7, axis=2).repeat(7, axis=3)
    prediction[prediction == 255] = 5
    pairs = np.empty((5, davis.object_count(truth[0]), 3, 2))
    for k, i, t in np.ndindex(pairs.shape[:3]):
        masks = truth[t] == i + 1, prediction[t] == k + 1, truth[t] == 255
        pairs[k, i, t] = region_similarity(*masks), boundary_f(*masks)
    rows, columns = linear_sum_assignment(-pairs.mean(axis=2).mean(axis=2))
    scores = davis.score_unsupervised(truth, prediction, video="bear")
    np.testing.assert_allclose(scores.j, pairs[rows, columns, :, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.f, pairs[rows, columns, :, 1], rtol=0, atol=1e-12)
