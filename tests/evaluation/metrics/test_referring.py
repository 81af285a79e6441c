from __future__ import annotations

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import davis, referring


@pytest.mark.golden("metrics", "refdavis")
def test_annotators_equal_the_official_toolkit(case) -> None:
    parameters = case.meta["parameters"]
    runs = []
    for annotator in range(parameters["n_annotators"]):
        sequences = {
            name: davis.score_unsupervised(
                case.arrays[f"gt_{name}"], case.arrays[f"pred{annotator}_{name}"], video=name
            )
            for name in parameters["sequences"]
        }
        run = davis.summarize_davis(sequences)
        per_frame = {name: {"J": s.j, "F": s.f} for name, s in sequences.items()}
        runs.append({**run, "per_frame": per_frame})
    average = referring.average_annotators([run["global"] for run in runs])
    assert_numbers({"annotators": runs, "average": average}, case.meta["expected"])


@pytest.mark.golden("metrics", "refytvos")
def test_expressions_equal_the_official_tool(case) -> None:
    scores = {}
    for video in case.meta["parameters"]["videos"]:
        name = video["name"]
        for expression, item in video["expressions"].items():
            key = f"{name}_{expression}"
            if video.get("missing"):
                scores[key] = (0.0, 0.0)
                continue
            truth = referring.union_of_annotations(
                case.arrays[f"gt_{name}"], video["anno_ids"], item["anno_id"], video=name
            )
            prediction = case.arrays[f"pred_{key}"]
            scores[key] = referring.score_expression(truth, prediction, video=key)
    assert_numbers(referring.summarize_expressions(scores), case.meta["expected"])


def test_any_non_zero_value_is_the_object() -> None:
    truth = np.zeros((2, 9, 9), dtype=bool)
    truth[:, 2:6, 2:6] = True
    assert referring.score_expression(truth, truth * np.uint8(255), video="v_0") == (1.0, 1.0)


def test_bad_input() -> None:
    masks = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"annotations \[7\], of which \[7\]"):
        referring.union_of_annotations(masks, [0, 1], [7], video="v")
    with pytest.raises(ValueError, match=r"annotations \[\]"):
        referring.union_of_annotations(masks, [0, 1], [], video="v")
    with pytest.raises(ValueError, match="2 masks for the ids"):
        referring.union_of_annotations(masks, [0, 0], [0], video="v")
    with pytest.raises(ValueError, match="Video 'v_0', frame 1: no prediction"):
        referring.score_expression(masks[0], masks[0][:1], video="v_0")
    with pytest.raises(ValueError, match="no frames"):
        referring.score_expression([], [], video="v_0")
    with pytest.raises(ValueError, match="no expression"):
        referring.summarize_expressions({})
    with pytest.raises(ValueError, match="one run"):
        referring.average_annotators([])


def test_expressions_of_an_annotator() -> None:
    assert referring.annotator_expressions(list("abcdefgh"), 2) == ["c", "g"]
    with pytest.raises(ValueError, match="7 expressions"):
        referring.annotator_expressions(list("abcdefg"), 2)
