from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.tracking.univs_instance_task import WindowScores


@settings(deadline=None, max_examples=50)
@given(
    numbers=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(sorted),
    seed=st.integers(0, 99),
)
def test_scores_of_windows_average_as_published(numbers, seed):
    generator = torch.Generator().manual_seed(seed)
    windows = [torch.rand(count, 2, generator=generator) for count in numbers]
    for window in windows:  # sometimes an entity has no score at all
        window *= torch.rand(len(window), 1, generator=generator) > 0.3
    average = WindowScores()
    for window in windows:
        average.add(window)
    expected = []
    for entity in range(numbers[-1]):
        scores = [window[entity] for window in windows if entity < len(window)]
        positive = [float(x.sum() > 0) for x in scores]
        nearby = [positive[max(t - 1, 0) : t + 1] for t in range(len(scores))]
        weights = [a * sum(b) / len(b) for a, b in zip(positive, nearby, strict=True)]
        total = sum(w * x for w, x in zip(weights, scores, strict=True))
        expected.append(total / max(sum(positive), 1))
    torch.testing.assert_close(average.mean(), torch.stack(expected))
