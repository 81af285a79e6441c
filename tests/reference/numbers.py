"""Comparison of nested results with the numbers of an official toolkit."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

TOLERANCE = 1e-9  # absolute below 1, relative above: the order of float64 additions may differ


def assert_numbers(actual: object, expected: object, where: str = "result") -> None:
    """Assert that every number of ``expected`` is reproduced; ``actual`` may hold more fields.

    Dictionaries are compared key by key, lists and arrays item by item. NaN equals NaN, None equals
    None, integers must be equal.
    """
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in actual, f"{where}: {key!r} is missing, there is {sorted(actual)}"
            assert_numbers(actual[key], value, f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple | np.ndarray):
        assert len(actual) == len(expected), f"{where}: {len(actual)} items, not {len(expected)}"
        for index, (item, value) in enumerate(zip(actual, expected, strict=True)):
            assert_numbers(item, value, f"{where}[{index}]")
    elif isinstance(expected, Real) and not isinstance(expected, bool):
        assert isinstance(actual, Real), f"{where}: {actual!r} instead of {expected!r}"
        if math.isnan(expected):
            assert math.isnan(actual), f"{where}: {actual!r} instead of NaN"
        elif isinstance(expected, int) and isinstance(actual, int):
            assert actual == expected, f"{where}: {actual!r} instead of {expected!r}"
        else:
            assert abs(actual - expected) <= TOLERANCE * max(1.0, abs(expected)), (
                f"{where}: {actual!r} instead of {expected!r}"
            )
    else:
        assert actual == expected, f"{where}: {actual!r} instead of {expected!r}"
