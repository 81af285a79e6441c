"""Difficulty presets."""

from __future__ import annotations

import pytest

from univs.data.toy import ToyDifficulty
from univs.data.toy.difficulty import difficulty_of


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_objects": (3, 2)}, "num_objects"),
        ({"num_objects": (0, 2)}, "num_objects"),
        ({"noise": (-1.0, 2.0)}, "noise"),
        ({"blur": (1.0,)}, "blur"),
        ({"crossing": 1.5}, "crossing"),
        ({"lighting": -0.1}, "lighting"),
    ],
)
def test_bad_values_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ToyDifficulty(**arguments)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'easy'.*default, occlusion"):
        difficulty_of("easy")
