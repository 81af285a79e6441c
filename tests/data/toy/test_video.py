"""Toy videos in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.data.toy import PRESETS, ToyVideo, make_video
from univs.data.toy.classes import STUFF_CLASSES, TEXTURES, THING_CLASSES, TYPICAL_PAINTS
from univs.data.toy.video import NO_STUFF

SMALL = {"size": (64, 96), "num_frames": 6}


def _make(split: str = "train", index: int = 0, preset: str = "default", seed: int = 0) -> ToyVideo:
    return make_video(seed=seed, split=split, index=index, difficulty=PRESETS[preset], **SMALL)


def _same(a: ToyVideo, b: ToyVideo) -> bool:
    return (
        a.frames.tobytes() == b.frames.tobytes()
        and a.masks.tobytes() == b.masks.tobytes()
        and a.stuff.tobytes() == b.stuff.tobytes()
        and a.jpegs == b.jpegs
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_same_seed_gives_same_bytes(preset: str) -> None:
    assert _same(_make(preset=preset), _make(preset=preset))


def test_seed_split_and_index_each_give_another_video() -> None:
    base = _make()
    for other in (_make(seed=1), _make(split="val"), _make(index=1)):
        assert not np.array_equal(base.frames, other.frames)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(32, 90),
    width=st.integers(32, 120),
    num_frames=st.integers(1, 7),
    preset=st.sampled_from(sorted(PRESETS)),
)
def test_annotations_fit_together(
    seed: int, height: int, width: int, num_frames: int, preset: str
) -> None:
    video = make_video(
        seed=seed,
        split="val",
        index=0,
        size=(height, width),
        num_frames=num_frames,
        difficulty=PRESETS[preset],
    )
    count = video.num_objects
    assert video.frames.shape == (num_frames, height, width, 3)
    assert video.frames.dtype == np.uint8
    assert video.masks.shape == (count, num_frames, height, width)
    assert video.masks.dtype == bool
    assert video.centres.shape == (count, num_frames, 2)
    assert len(video.categories) == len(video.paints) == len(video.textures) == count
    assert set(video.categories.tolist()) <= set(range(len(THING_CLASSES)))
    assert set(np.unique(video.stuff)) <= {*range(len(STUFF_CLASSES)), NO_STUFF}
    assert (video.masks.sum(axis=0) <= 1).all()  # visible parts do not overlap
    assert not (video.masks & (video.stuff != NO_STUFF)).any()
    assert video.masks.any(axis=(1, 2, 3)).all()  # every labelled object is seen


def test_mask_shows_where_an_object_is_painted() -> None:
    """Objects stand out from their mask's surroundings: masks and pictures are aligned."""
    agree = total = 0
    for index in range(6):
        video = make_video(
            seed=0,
            split="val",
            index=index,
            size=(128, 192),
            num_frames=2,
            difficulty=PRESETS["default"],
        )
        for masks, texture in zip(video.masks, video.textures, strict=True):
            if texture != "plain" or masks[0].sum() < 200:
                continue
            inside = video.frames[0][masks[0]].astype(float)
            spread = np.abs(inside - np.median(inside, axis=0)).mean()
            moved = np.roll(masks[0], 12, axis=1)
            outside = video.frames[0][moved].astype(float)
            agree += spread < np.abs(outside - np.median(inside, axis=0)).mean()
            total += 1
    assert total >= 3
    assert agree == total


def test_most_objects_have_the_paint_of_their_class_and_any_texture() -> None:
    paints, textures = [], set()
    for index in range(60):
        video = make_video(
            seed=0,
            split="train",
            index=index,
            size=(32, 48),
            num_frames=1,
            difficulty=PRESETS["default"],
        )
        categories = video.categories.tolist()
        paints += zip(categories, video.paints, strict=True)
        textures |= set(zip(categories, video.textures, strict=True))
    typical = np.mean([paint == TYPICAL_PAINTS[category] for category, paint in paints])
    assert 0.85 < typical < 1.0
    assert len(textures) == len(THING_CLASSES) * len(TEXTURES)


def test_occlusion_preset_hides_objects_and_repeats_looks() -> None:
    hidden = repeated = 0
    for index in range(12):
        video = make_video(
            seed=0,
            split="val",
            index=index,
            size=(64, 96),
            num_frames=12,
            difficulty=PRESETS["occlusion"],
        )
        looks = list(zip(video.categories.tolist(), video.paints, video.textures, strict=True))
        repeated += len(set(looks)) < len(looks)
        for shown in video.masks.any(axis=(2, 3)):
            gaps = np.diff(np.flatnonzero(shown)) - 1
            hidden += bool((gaps >= 2).any())
    assert hidden >= 5  # tracks that come back after two hidden frames or more
    assert repeated >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (31, 96)}, "31x96"),
        ({"size": (64, 16)}, "at least 32"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"split": "test"}, "no toy split 'test'"),
    ],
)
def test_errors(arguments: dict, message: str) -> None:
    valid = {"seed": 0, "split": "val", "index": 0, "difficulty": PRESETS["default"], **SMALL}
    with pytest.raises(ValueError, match=message):
        make_video(**{**valid, **arguments})
