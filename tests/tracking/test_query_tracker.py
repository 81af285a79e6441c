from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.modeling.meta_arch import ClipPrediction
from univs.tracking.query_tracker import QueryTracker, match_queries


def prediction(queries: torch.Tensor, frames: int = 2) -> ClipPrediction:
    count = len(queries)
    class_logits = torch.eye(count, 4) * 5
    mask_logits = torch.arange(count).view(-1, 1, 1, 1).expand(-1, frames, 2, 3).float()
    return ClipPrediction(class_logits, mask_logits, queries)


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(6)), seed=st.integers(0, 50), noise=st.floats(0, 0.05))
def test_shuffled_queries_are_found_again(order, seed, noise):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(6, 16, generator=generator)
    current = queries[list(order)] + noise * torch.randn(6, 16, generator=generator)
    assert torch.tensor(order)[match_queries(queries, current)].tolist() == list(range(6))


def test_tracks_keep_their_rows_and_average_their_scores():
    torch.manual_seed(0)
    queries = torch.randn(3, 8)
    tracker = QueryTracker()
    assert tracker.class_scores is None
    first = tracker.update(prediction(queries, frames=3))
    order = torch.tensor([2, 0, 1])
    shuffled = prediction(queries, frames=1)
    shuffled = ClipPrediction(
        shuffled.class_logits[order] * 0, shuffled.mask_logits[order], shuffled.queries[order]
    )
    second = tracker.update(shuffled)
    assert torch.equal(second.mask_logits[:, 0], first.mask_logits[:, 0])
    expected = (3 * first.class_logits.softmax(-1)[:, :-1] + 0.25) / 4
    torch.testing.assert_close(tracker.class_scores, expected)
