from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    ImageList,
    Instances,
    PolygonMasks,
    pairwise_iou,
)


def test_images_are_padded_to_a_common_multiple(contract):
    facts = contract["image_list"]
    tensors = [torch.arange(np.prod(shape)).view(shape).float() % 7 for shape in facts["inputs"]]
    images = ImageList.from_tensors(tensors, facts["size_divisibility"], facts["pad_value"])
    assert list(images.tensor.shape) == facts["tensor_shape"]
    assert [list(size) for size in images.image_sizes] == facts["image_sizes"]
    assert torch.equal(images[1], tensors[1])
    assert (images.tensor[1, :, facts["inputs"][1][1] :] == facts["pad_value"]).all()


def test_polygons_are_drawn_and_measured_as_measured(contract):
    facts = contract["bitmasks"]
    polygons = PolygonMasks([[np.array(p) for p in polygons] for polygons in facts["polygons"]])
    masks = BitMasks.from_polygon_masks(polygons, facts["height"], facts["width"])
    assert masks.tensor.flatten(1).sum(1).tolist() == facts["areas"]
    assert masks.get_bounding_boxes().tensor.tolist() == facts["bounding_boxes"]
    assert polygons.area().tolist() == pytest.approx(facts["polygon_areas"])


def test_empty_masks():
    masks = BitMasks(torch.zeros(2, 4, 5, dtype=torch.bool))
    assert masks.nonempty().tolist() == [False, False]
    assert not masks.get_bounding_boxes().tensor.any()
    assert len(masks[torch.tensor([], dtype=torch.long)]) == 0


def test_boxes_overlap_and_convert_as_measured(contract):
    facts = contract["boxes"]
    a, b = Boxes(torch.tensor(facts["a"])), Boxes(torch.tensor(facts["b"]))
    torch.testing.assert_close(pairwise_iou(a, b), torch.tensor(facts["pairwise_iou"]))
    converted = BoxMode.convert(a.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    assert converted.tolist() == facts["xywh_of_a"]
    assert BoxMode.convert([1, 2, 3, 4], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) == [1, 2, 4, 6]


def test_boxes_are_cut_to_the_image():
    boxes = Boxes(torch.tensor([[-1.0, 2.0, 30.0, 40.0], [5.0, 5.0, 5.0, 9.0]]))
    boxes.clip((20, 10))
    assert boxes.tensor[0].tolist() == [0, 2, 10, 20]
    assert boxes.nonempty().tolist() == [True, False]
    assert len(Boxes(torch.empty(0))) == 0


def test_instances_select_all_fields_alike():
    instances = Instances((4, 6), gt_classes=torch.tensor([3, 1, 2]), names=["a", "b", "c"])
    assert len(instances) == 3 and instances.image_size == (4, 6) and instances.has("names")
    assert instances[1].gt_classes.tolist() == [1]
    assert instances[-1].names == ["c"]
    assert instances[:2].names == ["a", "b"]
    joined = Instances.cat([instances[:1], instances[2:]])
    assert joined.gt_classes.tolist() == [3, 2] and joined.names == ["a", "c"]


def test_instances_refuse_fields_of_another_length():
    instances = Instances((4, 6), gt_classes=torch.tensor([3, 1]))
    with pytest.raises(AssertionError, match="length 3"):
        instances.scores = torch.zeros(3)
    with pytest.raises(AttributeError, match="pred_masks"):
        _ = instances.pred_masks
