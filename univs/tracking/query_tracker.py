"""Tracks of a query-based model by matching its queries from clip to clip (MinVIS, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from univs.modeling.meta_arch import ClipPrediction


def match_queries(previous: Tensor, current: Tensor) -> Tensor:
    """For each previous query its successor, one to one, of the greatest total cosine similarity.

    Args:
        previous, current: ``(Q, C)``.

    Returns:
        int64 ``(Q,)`` indices into ``current``.
    """
    similarity = F.normalize(previous.float(), dim=1) @ F.normalize(current.float(), dim=1).T
    _, successors = linear_sum_assignment(similarity.cpu().numpy(), maximize=True)
    return torch.from_numpy(successors).to(current.device)


class QueryTracker:
    """Every query of the first clip is a track; later queries are put in the order of the tracks.

    Its state does not grow with the video.

    Attributes:
        class_scores: ``(Q, K)``, class probabilities of each track averaged over frames so far, or
            None before the first clip.
    """

    def __init__(self) -> None:
        self._queries: Tensor | None = None
        self._class_sum: Tensor | None = None
        self._num_frames = 0

    @property
    def class_scores(self) -> Tensor | None:
        return None if self._class_sum is None else self._class_sum / self._num_frames

    def update(self, prediction: ClipPrediction) -> ClipPrediction:
        """Take the next clip and return its predictions in the order of the tracks."""
        order = torch.arange(len(prediction.queries), device=prediction.queries.device)
        if self._queries is not None:
            order = match_queries(self._queries, prediction.queries)
        ordered = ClipPrediction(
            class_logits=prediction.class_logits[order],
            mask_logits=prediction.mask_logits[order],
            queries=prediction.queries[order],
        )
        num_frames = ordered.mask_logits.shape[1]
        scores = ordered.class_logits.float().softmax(-1)[:, :-1] * num_frames
        self._queries = ordered.queries
        self._class_sum = scores if self._class_sum is None else self._class_sum + scores
        self._num_frames += num_frames
        return ordered
