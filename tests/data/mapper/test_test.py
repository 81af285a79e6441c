from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reference.models import CONFIGS
from univs.config import load_config
from univs.data.mapper import ImageTestMapper, TestMapper
from univs.data.mapper.test import ShortestEdge


@pytest.fixture
def record(make_record):
    return make_record(np.zeros((0, 3, 24, 36), bool))


def test_frames_are_resized_when_they_are_read(record):
    sample = TestMapper(resize=ShortestEdge(12, 100))(record.as_dataset_dict())
    assert (sample["height"], sample["width"], sample["length"]) == (24, 36, 3)
    assert sample["record"] is record
    assert len(sample["frames"]) == 3
    assert sample["frames"][1].shape == (12, 18, 3)
    expected = Image.fromarray(record.frames[1]).resize((18, 12), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(sample["frames"][1], expected)


def test_no_frame_is_opened_before_it_is_read(record):
    from pathlib import Path

    Path(record.frames.name(2)).unlink()
    sample = TestMapper(resize=ShortestEdge(12, 100))(record.as_dataset_dict())
    sample["frames"][0], sample["frames"][1]
    with pytest.raises(ValueError, match=r"00002.png does not exist"):
        sample["frames"][2]


@pytest.mark.parametrize(
    ("shortest", "longest", "expected"),
    [(0, 10, (24, 36)), (24, 99, (24, 36)), (48, 60, (40, 60)), (12, 99, (12, 18))],
)
def test_sizes(record, shortest, longest, expected):
    assert ShortestEdge(shortest, longest)(record.frames[0]).shape == (*expected, 3)


def test_image_models_get_a_tensor(record):
    sample = ImageTestMapper(resize=ShortestEdge(12, 100))(record.as_dataset_dict())
    assert sample["image"].shape == (3, 12, 18)
    assert sample["image_id"] == "clip"


@pytest.mark.parametrize(("square", "longest"), [(True, 1024), (False, 1333)])
def test_images_for_univs_fit_into_its_squares(square, longest):
    options = ["INPUT.LSJ_AUG.SQUARE_ENABLED", square, "INPUT.MAX_SIZE_TEST", 1333]
    config = load_config(CONFIGS / "univs" / "r50_stage1.yaml", options)
    assert ImageTestMapper.from_config(config)["resize"].longest == longest
