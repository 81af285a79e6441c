from __future__ import annotations

import pickle

import numpy as np
import pytest

from univs.tracking.compressed_maps import CompressedMaps


def test_maps_come_out_as_they_went_in():
    maps = np.random.default_rng(0).integers(-1, 200, (4, 3, 5)).astype(np.int16)
    packed = CompressedMaps()
    for label_map in maps:
        packed.append(label_map)
    assert len(packed) == 4
    np.testing.assert_array_equal(np.stack(list(packed)), maps)
    np.testing.assert_array_equal(np.stack(packed[1:3]), maps[1:3])
    np.testing.assert_array_equal(packed[-1], maps[-1])
    assert packed[0].dtype == np.int16
    np.testing.assert_array_equal(np.stack(pickle.loads(pickle.dumps(packed))), maps)
    with pytest.raises(IndexError):
        packed[4]


@pytest.mark.parametrize("other", [np.zeros((3, 4), np.int16), np.zeros((3, 5), np.int32)])
def test_all_maps_are_alike(other):
    packed = CompressedMaps()
    packed.append(np.zeros((3, 5), np.int16))
    with pytest.raises(ValueError, match=r"but those before are int16 \[3, 5\]"):
        packed.append(other)
