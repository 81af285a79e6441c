"""Batched decoding of run-length masks against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.run_lengths import damaged_masks, decode_rles

MASKS = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 9)), elements=st.integers(0, 1)
)


@settings(deadline=None)
@given(st.lists(MASKS, max_size=6))
def test_equals_pycocotools(masks):
    rles = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    decoded = decode_rles([rle["counts"] for rle in rles])
    assert decoded.sound.all()
    assert decoded.areas.tolist() == [int(mask.sum()) for mask in masks]
    assert decoded.pixels.tolist() == [mask.size for mask in masks]
    pixels = [mask.flatten(order="F") for mask in masks]
    values = np.tile([0, 1], len(decoded.runs))
    np.testing.assert_array_equal(
        np.repeat(values, decoded.runs.reshape(-1).astype(int)), np.concatenate([[], *pixels])
    )


def test_runs_of_millions_of_pixels():
    mask = np.zeros((4000, 6000), np.uint8, order="F")
    mask[:, 2500:2600] = 1
    mask[7, 5000] = 1
    counts = coco_mask.encode(mask)["counts"]
    decoded = decode_rles([counts, counts])
    runs = [10_000_000, 400_000, 4000 * 2400 + 7, 1, 4000 * 1000 - 8, 0]
    assert decoded.runs.reshape(-1).tolist() == runs * 2
    assert decoded.areas.tolist() == [400_001] * 2 and decoded.sound.all()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_damage_never_raises_and_stays_in_its_mask(texts):
    good = coco_mask.encode(np.asfortranarray(np.eye(7, dtype=np.uint8)))["counts"]
    counts = [good]
    for text in texts:
        counts += [text, good]
    decoded = decode_rles(counts)
    assert decoded.sound[::2].all()
    assert (decoded.areas[::2] == 7).all() and (decoded.pixels[::2] == 49).all()


def test_damage_is_found():
    good = coco_mask.encode(np.asfortranarray(np.eye(50, dtype=np.uint8)))["counts"]
    foreign, endless, negative = b"\xff" + good, b"o" * 30 + b"0", b"O"
    cut_inside_a_number = b"P"  # another digit must follow
    decoded = decode_rles([good, foreign, endless, negative, cut_inside_a_number, good])
    assert decoded.sound.tolist() == [True, False, False, False, False, True]
    assert decode_rles([good[:-3]]).pixels[0] != 2500
    assert decode_rles([b""]).pixels[0] == 0


@settings(max_examples=100, deadline=None)
@given(masks=arrays.arrays(np.uint8, (13, 17, 3), elements={"min_value": 0, "max_value": 1}))
def test_whole_masks_pass_and_shortened_ones_do_not(masks):
    counts = [rle["counts"] for rle in coco_mask.encode(np.asfortranarray(masks))]
    assert not damaged_masks(counts, 13 * 17).size
    assert damaged_masks(counts, 13 * 17 + 1).tolist() == [0, 1, 2]
    counts[1] = counts[1].decode()[:-1]
    assert damaged_masks(counts, 13 * 17).tolist() == [1]


@pytest.mark.parametrize("text", ["", "abc\n", "]", "oooooooooooooooooooo", "é", "5N", "~~"])
def test_nonsense_is_damaged(text):
    good = coco_mask.encode(np.zeros((4, 4), dtype=np.uint8, order="F"))["counts"]
    assert damaged_masks([good, text, good], 16).tolist() == [1]


def test_nothing():
    assert not damaged_masks([], 16).size
