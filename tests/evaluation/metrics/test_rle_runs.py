"""Batched decoding of run-length masks against pycocotools."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.rle_runs import decode_rles

MASKS = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 9)), elements=st.integers(0, 1)
)


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
        np.repeat(values, decoded.runs.reshape(-1)), np.concatenate([[], *pixels])
    )


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
