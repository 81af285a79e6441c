"""Videos through sessions, compared with the final results of golden cases."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from reference.cases import GoldenCase
from reference.models import unpack_bits
from univs.structures import VideoResult, decode_masks
from univs.tracking.instance_session import InstanceSession


def result_size(case: GoldenCase) -> tuple[int, int]:
    """Height and width of the results of a case."""
    call = " ".join(case.meta["calls"])
    height, width = (re.search(rf'"{side}": (\d+)', call) for side in ("height", "width"))
    return int(height[1]), int(width[1])


def restored(mask_logits: Tensor, session: InstanceSession) -> Tensor:
    """Mask logits ``(Q, T, h, w)`` of a video at the size of its results, ``(Q, T, H, W)``."""
    frame_size = session._frame_size
    return torch.stack([frame_size.restore(frame) for frame in mask_logits.unbind(1)], dim=1)


def check_video(case: GoldenCase, result: VideoResult, mask_logits: Tensor) -> None:
    """Assert that the tracks of a video, and their records in a result file, are the original's.

    Their order is arbitrary. A pixel may differ where the logit of a query is 0 within the accuracy
    of float32, as it does between the original in float32 and in float64.

    Args:
        case: the case.
        result: what is checked.
        mask_logits: ``(Q, T, H, W)`` of all queries.
    """
    undecided = (mask_logits.abs() < 1e-4).any(0).numpy()  # T H W
    assert undecided.mean() < 0.01
    masks = unpack_bits(case.tensor("pred_masks_packed"), result.size[1]).numpy()
    tracks = [
        (track.category, track.score, decode_masks(track.segmentations, result.size))
        for track in result.tracks
    ]
    expected = case.arrays
    predictions = zip(expected["pred_labels"], expected["pred_scores"], masks, strict=True)
    _assert_same_set(tracks, list(predictions), undecided, case.tolerance("pred_scores"))

    records = case.json("results.json")
    categories = {record["category_id"]: record["category_id"] for record in records}
    own = result.to_youtube_vis(records[0]["video_id"], categories)
    _assert_same_set(
        [_of_record(record, result.size) for record in own],
        [_of_record(record, result.size) for record in records],
        undecided,
        case.tolerance("pred_scores"),
    )
    assert {record["video_id"] for record in own} == {record["video_id"] for record in records}


def _of_record(record: dict, size: tuple[int, int]) -> tuple[int, float, np.ndarray]:
    return record["category_id"], record["score"], decode_masks(record["segmentations"], size)


def _assert_same_set(
    actual: list[tuple], expected: list[tuple], undecided: np.ndarray, tolerance: dict
) -> None:
    """Compare (category, score, masks) in any order."""
    assert len(actual) == len(expected)
    left = list(expected)
    for category, score, masks in actual:
        fitting = [
            index
            for index, (other_category, _, other_masks) in enumerate(left)
            if category == other_category and not ((masks != other_masks) & ~undecided).any()
        ]
        assert fitting, f"no prediction of category {category} has these masks"
        best = min(fitting, key=lambda index: abs(left[index][1] - score))
        np.testing.assert_allclose(score, left.pop(best)[1], **tolerance)


def check_top_classes(case: GoldenCase, class_scores: Tensor) -> None:
    """Assert that the best probabilities, and the queries that have them, are the original's."""
    scores, pairs = class_scores.flatten().topk(len(case.arrays["topk_query"]))
    order = np.argsort(-case.arrays["topk_class_scores"], kind="stable")
    tolerance = case.tolerance("topk_class_scores")
    np.testing.assert_allclose(scores, case.arrays["topk_class_scores"][order], **tolerance)
    queries = pairs // class_scores.shape[1]
    assert sorted(queries.tolist()) == sorted(case.arrays["topk_query"].tolist())
