from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.univs_entity_procedure import consistent, cosine, pairs_of
from univs.tracking.univs_matching import (
    consistency,
    cosine_similarity,
    match,
    mutual_similarity,
    recency_weights,
)

SIZES = st.tuples(*(st.integers(1, 4) for _ in range(4)))  # N M V T


def queries(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 5, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=20)
@given(sizes=SIZES, seed=st.integers(0, 99), num_blank=st.integers(0, 4))
def test_consistency_equals_the_published_steps(sizes, seed, num_blank):
    count, _, past_clips, frames = sizes
    past, current = queries(seed, count, past_clips), queries(seed + 1, count, frames)
    past[0, :num_blank] = 0  # before it appeared
    torch.testing.assert_close(consistency(past, current), consistent(past, current))


@settings(deadline=None, max_examples=20)
@given(sizes=SIZES, seed=st.integers(0, 99), threshold=st.sampled_from([0.05, 0.2, 0.5]))
def test_pairs_equal_the_published_steps(sizes, seed, threshold):
    count, others, past_clips, frames = sizes
    past, current = queries(seed, count, past_clips), queries(seed + 1, others, frames)
    rows, columns = match(mutual_similarity(past, current), threshold)
    expected = pairs_of(past, current, threshold)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [x[:2] for x in expected]


def test_similarity_of_all_pairs_is_that_of_each_pair():
    past, current = queries(0, 3, 2), queries(1, 4, 2)
    similarity = cosine_similarity(past, current)
    for row in range(3):
        for column in range(4):
            expected = consistency(past[row : row + 1], current[column : column + 1])[0]
            torch.testing.assert_close(similarity[row, column], expected)


def test_a_query_is_like_itself_whatever_its_length():
    query = queries(0, 1, 1)
    torch.testing.assert_close(consistency(query, 7 * query), torch.ones(1))
    torch.testing.assert_close(cosine(query[0, 0], query[0, 0]), torch.tensor(1.0))


def test_recent_clips_count_most_and_blank_ones_do_not():
    weights = recency_weights(torch.ones(2, 3, 4))[0]
    assert weights[0] < weights[1] < weights[2]
    past = torch.ones(2, 3, 4)
    past[0, :2] = 0
    past[1] = 0
    torch.testing.assert_close(
        recency_weights(past), torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    )


def test_each_object_is_matched_once_and_weak_pairs_are_left_out():
    similarity = torch.tensor([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0]])
    rows, columns = match(similarity, 0.05)
    assert rows.tolist() == [0, 1]
    assert columns.tolist() == [1, 0]  # the sum is larger than that of 0.9 and 0.1
    rows, columns = match(similarity, 0.82)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])
