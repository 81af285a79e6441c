from __future__ import annotations

import numpy as np
import pytest

from univs.data.color import ColorJitter, SSDColorJitter

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_a_factor_of_one_changes_nothing():
    jitter = ColorJitter(ColorJitter.KINDS, smallest=1.0, largest=1.0)
    changed = jitter(IMAGE, np.random.default_rng(0))
    assert np.abs(changed.astype(int) - IMAGE).max() <= 1


def test_brightness_scales_saturation_and_contrast_remove():
    random = np.random.default_rng(0)
    half = ColorJitter(("brightness",), smallest=0.5, largest=0.5)(IMAGE, random)
    np.testing.assert_array_equal(half, IMAGE // 2)
    grey = ColorJitter(("saturation",), smallest=0.0, largest=0.0)(IMAGE, random)
    assert (grey == grey[..., :1]).all()
    flat = ColorJitter(("contrast",), smallest=0.0, largest=0.0)(IMAGE, random)
    assert len(np.unique(flat)) == 1


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="hue"):
        ColorJitter(("hue",))


def test_ssd_jitter_is_seeded_and_leaves_its_input_alone():
    before = IMAGE.copy()
    jitter = SSDColorJitter()
    results = [jitter(IMAGE, np.random.default_rng(seed)) for seed in range(20)]
    np.testing.assert_array_equal(IMAGE, before)
    np.testing.assert_array_equal(results[3], jitter(IMAGE, np.random.default_rng(3)))
    assert all(result.dtype == np.uint8 and result.shape == IMAGE.shape for result in results)
    assert len({result.tobytes() for result in results}) > 10
