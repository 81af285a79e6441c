"""Reading images, transforming annotations, the default mapper."""

from __future__ import annotations

import numpy as np
import pycocotools.mask as mask_util
import pytest
import torch
from PIL import Image

from detectron2.config import get_cfg
from detectron2.data import DatasetMapper
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, BoxMode, PolygonMasks

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(IMAGE).save(path)
    return str(path)


def test_formats(image_file):
    np.testing.assert_array_equal(utils.read_image(image_file), IMAGE)
    np.testing.assert_array_equal(utils.read_image(image_file, "RGB"), IMAGE)
    np.testing.assert_array_equal(utils.read_image(image_file, "BGR"), IMAGE[:, :, ::-1])
    grey = utils.read_image(image_file, "L")
    assert grey.shape == (12, 20, 1) and grey.dtype == np.uint8
    yuv = utils.read_image(image_file, "YUV-BT.601")
    np.testing.assert_allclose(yuv[..., 0], IMAGE.dot([0.299, 0.587, 0.114]) / 255, atol=1e-6)


@pytest.mark.parametrize("format", ["RGB", "BGR", "YUV-BT.601"])
def test_back_to_rgb(image_file, format):
    rgb = utils.convert_image_to_rgb(utils.read_image(image_file, format), format)
    assert np.abs(rgb.astype(int) - IMAGE).max() <= 1


def test_images_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    path = str(tmp_path / "turned.png")
    Image.fromarray(IMAGE).save(path, exif=exif)
    np.testing.assert_array_equal(utils.read_image(path, "RGB"), np.rot90(IMAGE, -1))


def test_size_of_an_image():
    record = {}
    utils.check_image_size(record, IMAGE)
    assert record == {"width": 20, "height": 12}
    utils.check_image_size(record, IMAGE)
    with pytest.raises(utils.SizeMismatchError, match="a.jpg"):
        utils.check_image_size({"width": 12, "height": 20, "file_name": "a.jpg"}, IMAGE)


def _annotation(**more) -> dict:
    return {
        "bbox": [2.0, 3.0, 6.0, 4.0],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": 5,
        "iscrowd": 0,
        **more,
    }


POLYGON = [2.0, 3.0, 8.0, 3.0, 8.0, 7.0, 2.0, 7.0]
MASK = np.zeros((12, 20), np.uint8)
MASK[3:7, 2:8] = 1
RUN_LENGTHS = mask_util.encode(np.asfortranarray(MASK))


@pytest.mark.parametrize("segmentation", [[POLYGON], RUN_LENGTHS])
def test_annotations_move_with_the_image(segmentation):
    transforms = T.TransformList([T.HFlipTransform(20), T.ResizeTransform(12, 20, 24, 40)])
    annotation = utils.transform_instance_annotations(
        _annotation(segmentation=segmentation), transforms, (24, 40)
    )
    np.testing.assert_allclose(annotation["bbox"], [24, 6, 36, 14])
    assert annotation["bbox_mode"] == BoxMode.XYXY_ABS
    instances = utils.annotations_to_instances([annotation], (24, 40), mask_format="bitmask")
    assert isinstance(instances.gt_masks, BitMasks)
    expected = transforms.apply_segmentation(MASK).astype(bool)
    assert np.array_equal(instances.gt_masks.tensor[0].numpy(), expected)
    assert instances.gt_classes.tolist() == [5] and instances.gt_classes.dtype == torch.int64
    np.testing.assert_allclose(instances.gt_boxes.tensor, [[24, 6, 36, 14]])


def test_boxes_are_clipped_to_the_image():
    annotation = _annotation(bbox=[-5.0, 2.0, 40.0, 40.0])
    transformed = utils.transform_instance_annotations(annotation, [T.NoOpTransform()], (12, 20))
    assert transformed["bbox"].tolist() == [0, 2, 20, 12]


def test_instances_of_polygons():
    annotations = [_annotation(segmentation=[POLYGON]), _annotation(segmentation=[POLYGON] * 2)]
    instances = utils.annotations_to_instances(annotations, (12, 20))
    assert isinstance(instances.gt_masks, PolygonMasks)
    assert instances.gt_boxes.tensor[0].tolist() == [2, 3, 8, 7]
    with pytest.raises(ValueError, match="polygon"):
        utils.annotations_to_instances([_annotation(segmentation=RUN_LENGTHS)], (12, 20))


def test_no_instances():
    instances = utils.annotations_to_instances([], (12, 20), mask_format="bitmask")
    assert len(instances) == 0 and instances.gt_boxes.tensor.shape == (0, 4)
    assert len(utils.filter_empty_instances(instances)) == 0


def test_empty_instances_are_left_out():
    empty_mask = _annotation(segmentation=np.zeros((12, 20), np.uint8))
    empty_box = _annotation(segmentation=MASK, bbox=[2.0, 3.0, 0.0, 4.0])
    annotations = [_annotation(segmentation=MASK), empty_mask, empty_box]
    instances = utils.annotations_to_instances(annotations, (12, 20), mask_format="bitmask")
    kept, which = utils.filter_empty_instances(instances, return_mask=True)
    assert which.tolist() == [True, False, False] and len(kept) == 1
    assert len(utils.filter_empty_instances(instances, by_mask=False)) == 2


def test_augmentations_of_a_config():
    cfg = get_cfg()
    kinds = [type(augmentation) for augmentation in utils.build_augmentation(cfg, True)]
    assert kinds == [T.ResizeShortestEdge, T.RandomFlip]
    cfg.INPUT.RANDOM_FLIP = "none"
    assert len(utils.build_augmentation(cfg, True)) == 1
    (resize,) = utils.build_augmentation(cfg, False)
    transform = resize.get_transform(np.zeros((480, 640, 3), np.uint8))
    assert (transform.new_h, transform.new_w) == (800, 1067)


@pytest.mark.parametrize("is_train", [True, False])
def test_default_mapper(image_file, tmp_path, is_train):
    labels = str(tmp_path / "labels.png")
    Image.fromarray(MASK).save(labels)
    cfg = get_cfg()
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (24,), 24
    cfg.INPUT.RANDOM_FLIP = "none"
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.MASK_FORMAT = "bitmask"
    record = {
        "file_name": image_file,
        "sem_seg_file_name": labels,
        "annotations": [
            _annotation(segmentation=[POLYGON]),
            _annotation(segmentation=RUN_LENGTHS, iscrowd=1),
        ],
    }
    sample = DatasetMapper(cfg, is_train)(record)
    assert "annotations" in record and "annotations" not in sample
    assert sample["image"].shape == (3, 24, 40) and sample["image"].dtype == torch.uint8
    assert sample["sem_seg"].shape == (24, 40) and sample["sem_seg"].dtype == torch.int64
    assert (sample["width"], sample["height"]) == (20, 12)
    assert ("instances" in sample) == is_train
    if is_train:
        assert len(sample["instances"]) == 1
        assert sample["instances"].gt_masks.tensor.sum() == 4 * MASK.sum()
