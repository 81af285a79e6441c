"""Counts of label pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from univs.evaluation.metrics.pair_counts import count_pairs

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)


@given(st.data(), SHAPES, st.sampled_from([np.uint8, np.int32, np.int64]))
def test_equals_a_counter(data, shape, dtype):
    labels = st.sampled_from([0, 1, 2, 200]) if dtype == np.uint8 else st.integers(0, 2**31 - 1)
    few = st.lists(labels, min_size=1, max_size=4).flatmap(st.sampled_from)
    first = data.draw(arrays.arrays(dtype, shape, elements=few))
    second = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 2)))
    expected = sorted(Counter(zip(first.flat, second.flat, strict=True)).items())
    actual = count_pairs(first, second)
    assert [((a, b), n) for a, b, n in zip(*actual, strict=True)] == expected


def test_wrong_maps_are_errors():
    labels = np.zeros((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match="sizes"):
        count_pairs(labels, labels.T)
    with pytest.raises(ValueError, match="integers"):
        count_pairs(labels, labels.astype(float))
    with pytest.raises(ValueError, match="negative"):
        count_pairs(labels, labels - 1)
    with pytest.raises(ValueError, match="above"):
        count_pairs(labels, labels + (1 << 31))
