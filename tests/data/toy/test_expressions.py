"""Referring expressions."""

from __future__ import annotations

import numpy as np
import pytest

from univs.data.toy import PRESETS, ToyVideo, make_video
from univs.data.toy.classes import PAINTS, STUFF_CLASSES, TEXTURES, THING_CLASSES
from univs.data.toy.expressions import FALSE, TRUE, UNCLEAR, describe, property_table


def _video(
    looks: list[tuple[str, str, str]],
    starts: list[tuple[int, int]],
    ends: list[tuple[int, int]] | None = None,
    sides: list[int] | None = None,
) -> ToyVideo:
    """Square masks of given side around given centres (x, y), 100 x 100 pixels, two frames."""
    ends = starts if ends is None else ends
    sides = [10] * len(looks) if sides is None else sides
    centres = np.array([starts, ends], float).transpose(1, 0, 2)
    masks = np.zeros((len(looks), 2, 100, 100), bool)
    for i, side in enumerate(sides):
        for t in range(2):
            x, y = (int(c) - side // 2 for c in centres[i, t])
            masks[i, t, max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = True
    return ToyVideo(
        name="made",
        frames=np.zeros((2, 100, 100, 3), np.uint8),
        masks=masks,
        categories=np.array([THING_CLASSES.index(look[2]) for look in looks]),
        paints=tuple(look[0] for look in looks),
        textures=tuple(look[1] for look in looks),
        centres=centres,
        stuff=np.zeros((2, 100, 100), np.uint8),
    )


def _texts(video: ToyVideo, static: bool) -> list[set[str]]:
    return [{e.text for e in found} for found in describe(video, static=static)]


def test_class_alone_is_used_only_if_it_is_enough() -> None:
    looks = [("red", "plain", "star"), ("blue", "plain", "star"), ("red", "plain", "ring")]
    texts = _texts(_video(looks, [(20, 20), (50, 50), (80, 80)]), static=False)
    assert "the ring" in texts[2]
    assert "the star" not in texts[0] | texts[1]
    assert "the red star" in texts[0]
    assert "the blue star" in texts[1]


def test_motion_separates_twins() -> None:
    look = ("red", "plain", "circle")
    video = _video([look, look], [(20, 30), (80, 60)], [(70, 30), (30, 60)])
    texts = _texts(video, static=False)
    assert "the circle moving right" in texts[0]
    assert "the circle moving left" in texts[1]


def test_slight_or_diagonal_motion_is_unclear() -> None:
    look = ("red", "plain", "circle")
    video = _video([look, look, look], [(20, 20)] * 3, [(30, 20), (60, 60), (60, 20)])
    assert property_table(video)["motion", "right"].tolist() == [UNCLEAR, UNCLEAR, TRUE]
    assert property_table(video)["motion", "left"].tolist() == [FALSE] * 3
    # The first object also goes right, only less: "moving right" would be ambiguous.
    assert not any("moving right" in text for text in _texts(video, static=False)[2])


def test_size_needs_a_clear_lead() -> None:
    look = ("red", "plain", "circle")
    at = [(20, 20), (50, 50), (80, 80)]
    clear = property_table(_video([look] * 3, at, sides=[10, 11, 20]))
    assert clear["size", "largest"].tolist() == [FALSE, FALSE, TRUE]
    assert clear["size", "smallest"].tolist() == [UNCLEAR, UNCLEAR, FALSE]


def test_first_frame_expressions_skip_objects_that_come_later() -> None:
    looks = [("red", "plain", "star"), ("blue", "plain", "ring")]
    video = _video(looks, [(20, 20), (-40, 50)], [(20, 20), (50, 50)])
    texts = _texts(video, static=True)
    assert "the leftmost red star" in texts[0]
    assert texts[1] == set()
    assert "the ring" in _texts(video, static=False)[1]


def test_identical_twins_get_no_expression() -> None:
    look = ("red", "plain", "star")
    video = _video([look, look], [(50, 50), (53, 53)])
    assert _texts(video, static=False) == [set(), set()]
    assert _texts(video, static=True) == [set(), set()]


def test_expressions_are_reproducible() -> None:
    video = _video([("red", "plain", "star"), ("blue", "dotted", "ring")], [(20, 20), (70, 70)])
    assert describe(video, static=True) == describe(video, static=True)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("static", [True, False])
def test_texts_are_unambiguous(preset: str, static: bool) -> None:
    """Read each text back word by word, without the code that wrote it."""
    adjectives = {*PAINTS, *TEXTURES}
    found = 0
    for index in range(15):
        video = make_video(
            seed=5,
            split="train",
            index=index,
            size=(64, 96),
            num_frames=8,
            difficulty=PRESETS[preset],
        )
        for target, expressions in enumerate(describe(video, static=static)):
            for expression in expressions:
                found += 1
                fitting = set(range(video.num_objects))
                for word in expression.text.split():
                    if word in THING_CLASSES or word in adjectives:
                        fitting &= {
                            i
                            for i in range(video.num_objects)
                            if word
                            in (
                                THING_CLASSES[video.categories[i]],
                                video.paints[i],
                                video.textures[i],
                            )
                        }
                    elif word not in ("the", "moving"):
                        fitting &= {_extreme(video, word, fitting)}
                assert fitting == {target}, expression.text
    assert found > 50


def _extreme(video: ToyVideo, word: str, among: set[int]) -> int:
    """The object that a superlative or a direction fits best, among all that are left."""
    shown = video.masks.any(axis=(2, 3))
    first = shown.argmax(axis=1)
    last = shown.shape[1] - 1 - shown[:, ::-1].argmax(axis=1)
    every = np.arange(video.num_objects)
    travel = video.centres[every, last] - video.centres[every, first]
    start = np.where(shown[:, :1], video.centres[:, 0], np.nan)
    score = {
        "largest": video.areas.max(axis=1),
        "smallest": -video.areas.max(axis=1),
        "leftmost": -start[:, 0],
        "rightmost": start[:, 0],
        "topmost": -start[:, 1],
        "bottommost": start[:, 1],
        "left": -travel[:, 0],
        "right": travel[:, 0],
        "up": -travel[:, 1],
        "down": travel[:, 1],
    }[word].astype(float)
    rest = sorted(i for i in every if not np.isnan(score[i]))
    return (
        max(rest, key=lambda i: score[i]) if word in _GLOBAL else max(among, key=score.__getitem__)
    )


_GLOBAL = {"largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost"}


def test_words_are_distinct() -> None:
    words = [*THING_CLASSES, *PAINTS, *TEXTURES, *STUFF_CLASSES]
    assert len(set(words)) == len(words)
