from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask

from univs.data.mask_source import (
    IdMaps,
    IdMasks,
    MapEncoding,
    MaskError,
    RleMasks,
    decode_masks,
    parse_segmentation,
    read_id_map,
)

MASKS = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 9)))


def _uncompressed(mask):
    """Run lengths by definition: column by column, zeros first."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


@given(MASKS)
def test_run_lengths_decode_to_the_mask(mask):
    compressed = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    forms = [_uncompressed(mask), {**compressed, "counts": compressed["counts"].decode()}]
    for form in forms:
        segment, size = parse_segmentation(form)
        assert size == mask.shape
        masks = RleMasks(size, (4,), (segment,))
        np.testing.assert_array_equal(masks.decode(4), mask)
        assert not masks.decode(3).any()
        assert masks.polygons(4) is None


def test_polygons_are_united():
    squares = [[1, 1, 4, 1, 4, 4, 1, 4], [6, 2, 8, 2, 8, 5, 6, 5]]
    segment, _ = parse_segmentation(squares)
    mask = RleMasks((8, 10), (0,), (segment,)).decode(0)
    expected = np.zeros((8, 10), bool)
    expected[1:4, 1:4] = expected[2:5, 6:8] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("value", [None, [], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]]])
def test_nothing_and_degenerate_polygons_mean_absent(value):
    assert parse_segmentation(value) == (None, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [3, 5], "counts": [15]}, "size 3x5 .* where 4x5"),
        ({"size": [4, 5], "counts": [3, 4]}, "cover 7 pixels, the mask has 20"),
        ({"size": [4, 5], "counts": 7}, "'counts' must be text or a list"),
        ({"counts": [20]}, "an object with 'size' and 'counts'"),
        ("mask.png", "must be null, a list of polygons"),
    ],
)
def test_malformed_segmentations_say_what_is_wrong(value, message):
    with pytest.raises(MaskError, match=message):
        parse_segmentation(value, (4, 5))


def test_values_of_palette_and_16_bit_images(tmp_path):
    ids = np.array([[0, 1], [2, 200]], np.uint8)
    palette = Image.fromarray(ids, mode="P")
    palette.putpalette(list(range(256)) * 3)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_id_map(tmp_path / "palette.png"), ids)
    Image.fromarray(np.array([[0, 12401]], np.uint16)).save(tmp_path / "deep.png")
    assert read_id_map(tmp_path / "deep.png").tolist() == [[0, 12401]]


def test_ids_in_colours(tmp_path):
    Image.fromarray(np.array([[[1, 2, 3], [255, 0, 0]]], np.uint8)).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    assert read_id_map(path, MapEncoding.RGB).tolist() == [[1 + 512 + 3 * 65536, 255]]
    assert read_id_map(path, MapEncoding.RED).tolist() == [[1, 255]]
    assert read_id_map(path, MapEncoding.GREEN_BLUE).tolist() == [[515, 0]]
    with pytest.raises(MaskError, match="a.png is a RGB image; one with a single value"):
        read_id_map(path)


def test_missing_damaged_and_misfit_maps_are_named(tmp_path):
    with pytest.raises(MaskError, match="gone.png does not exist"):
        read_id_map(tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(MaskError, match="text.png cannot be decoded"):
        read_id_map(tmp_path / "text.png")
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "small.png")
    maps = IdMaps(str(tmp_path), ("small.png",), MapEncoding.VALUE, (4, 6))
    with pytest.raises(MaskError, match=r"small.png is 2x3 .* its video 4x6"):
        maps.decode(0)


def test_an_offset_makes_classes_0_based_and_others_void(tmp_path):
    Image.fromarray(np.array([[0, 1, 7, 255]], np.uint8)).save(tmp_path / "a.png")
    maps = IdMaps(str(tmp_path), ("a.png",), MapEncoding.VALUE, (1, 4), void=255, offset=-1)
    assert maps.decode(0).tolist() == [[255, 0, 6, 255]]
    with pytest.raises(ValueError, match="need a void id"):
        IdMaps(str(tmp_path), ("a.png",), MapEncoding.VALUE, (1, 4), offset=-1)


def test_masks_of_different_sources_are_decoded_together(tmp_path):
    ids = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
    Image.fromarray(ids).save(tmp_path / "a.png")
    maps = IdMaps(str(tmp_path), ("a.png", None), MapEncoding.VALUE, (2, 3))
    segment, _ = parse_segmentation(_uncompressed(ids == 0))
    sources = [
        IdMasks(maps, 2),
        RleMasks((2, 3), (0,), (segment,)),
        IdMasks(maps, 5),
        IdMasks(maps, None),
        IdMasks(maps, 1),
    ]
    masks = decode_masks(sources, 0, (2, 3))
    np.testing.assert_array_equal(masks, [ids == 2, ids == 0, ids == 5, ids != 0, ids == 1])
    for source, mask in zip(sources, masks, strict=True):
        np.testing.assert_array_equal(source.decode(0), mask)
    assert not decode_masks(sources, 1, (2, 3)).any()
    assert decode_masks([], 0, (2, 3)).shape == (0, 2, 3)
