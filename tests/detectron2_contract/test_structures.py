"""Boxes, masks, instances, batches of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    ImageList,
    Instances,
    PolygonMasks,
    pairwise_iou,
    polygons_to_bitmask,
)


def test_boxes_as_measured(contract):
    fact = contract["boxes"]
    a, b = Boxes(torch.tensor(fact["a"])), Boxes(torch.tensor(fact["b"]))
    assert pairwise_iou(a, b).tolist() == fact["pairwise_iou"]
    xywh = BoxMode.convert(a.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    assert xywh.tolist() == fact["xywh_of_a"]
    assert a.tensor.tolist() == fact["a"]  # left as it was


def test_polygons_and_bitmasks_as_measured(contract):
    fact = contract["bitmasks"]
    polygons = PolygonMasks(
        [[np.array(polygon) for polygon in instance] for instance in fact["polygons"]]
    )
    masks = BitMasks.from_polygon_masks(polygons, fact["height"], fact["width"])
    assert masks.tensor.sum((1, 2)).tolist() == fact["areas"]
    assert masks.get_bounding_boxes().tensor.tolist() == fact["bounding_boxes"]
    np.testing.assert_allclose(polygons.area(), fact["polygon_areas"], rtol=1e-12)


def test_image_list_as_measured(contract):
    fact = contract["image_list"]
    images = [torch.ones(shape) for shape in fact["inputs"]]
    batch = ImageList.from_tensors(images, fact["size_divisibility"], fact["pad_value"])
    assert list(batch.tensor.shape) == fact["tensor_shape"]
    assert [list(size) for size in batch.image_sizes] == fact["image_sizes"]
    assert batch.tensor.sum().item() == fact["sum"]
    for index, image in enumerate(images):
        assert torch.equal(batch[index], image)
    assert len(batch) == len(images)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_conversion_of_boxes_keeps_the_type(kind):
    numbers = [1.0, 2.0, 3.0, 4.0]
    box = kind(numbers) if kind in (list, tuple) else kind([numbers])
    converted = BoxMode.convert(box, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert type(converted) is type(box)
    assert np.asarray(converted).ravel().tolist() == [1, 2, 4, 6]
    assert BoxMode.convert(box, BoxMode.XYWH_ABS, BoxMode.XYWH_ABS) is box


def test_conversion_of_boxes_around_rotated_ones():
    upright = BoxMode.convert([5.0, 5.0, 4.0, 2.0, 90.0], BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS)
    np.testing.assert_allclose(upright, [4, 3, 6, 7])
    with pytest.raises((NotImplementedError, AssertionError)):
        BoxMode.convert([0.0, 0.0, 1.0, 1.0], BoxMode.XYXY_REL, BoxMode.XYXY_ABS)


def test_values_of_box_modes_are_those_stored_in_data_sets():
    assert [mode.value for mode in BoxMode] == [0, 1, 2, 3, 4]
    assert BoxMode.XYWH_ABS == 1


def test_boxes():
    boxes = Boxes([[0, 0, 10, 10], [-5, 2, 30, 4], [3, 3, 3, 8]])
    assert len(boxes) == 3 and boxes.tensor.dtype == torch.float32
    assert boxes.area().tolist() == [100, 70, 0]
    assert boxes.nonempty().tolist() == [True, True, False]
    assert boxes.get_centers()[1].tolist() == [12.5, 3]
    assert boxes.inside_box((20, 20)).tolist() == [True, False, True]
    assert boxes[1].tensor.shape == (1, 4)
    assert boxes[torch.tensor([True, False, True])].tensor[1].tolist() == [3, 3, 3, 8]
    assert len(boxes[1:]) == 2
    clipped = boxes.clone()
    clipped.clip((8, 20))
    assert clipped.tensor[:2].tolist() == [[0, 0, 10, 8], [0, 2, 20, 4]]
    clipped.scale(2, 0.5)
    assert clipped.tensor[0].tolist() == [0, 0, 20, 4]
    assert boxes.tensor[0].tolist() == [0, 0, 10, 10]
    assert len(Boxes.cat([boxes, boxes[:1]])) == 4
    assert [box.shape for box in boxes] == [(4,)] * 3
    with pytest.raises(AssertionError):
        Boxes(torch.zeros(2, 5))


def test_boxes_without_boxes():
    empty = Boxes(torch.zeros(0))
    assert empty.tensor.shape == (0, 4)
    assert empty.area().shape == (0,)
    assert pairwise_iou(empty, Boxes(torch.ones(3, 4))).shape == (0, 3)
    assert len(Boxes.cat([])) == 0


corners = st.lists(st.integers(0, 12), min_size=4, max_size=4).map(
    lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(corners, max_size=4), st.lists(corners, max_size=4))
def test_iou_counts_pixels(first, second):
    def painted(box):
        image = np.zeros((12, 12), bool)
        image[box[1] : box[3], box[0] : box[2]] = True
        return image

    iou = pairwise_iou(Boxes(torch.tensor(first)), Boxes(torch.tensor(second)))
    assert iou.shape == (len(first), len(second))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            union = (painted(a) | painted(b)).sum()
            expected = (painted(a) & painted(b)).sum() / union if union else 0.0
            assert iou[i, j].item() == pytest.approx(expected, abs=1e-6)


def test_bitmasks():
    tensor = torch.zeros(3, 4, 6)
    tensor[0, 1:3, 2:5] = 1
    tensor[2, 3, 5] = 1
    masks = BitMasks(tensor)
    assert masks.tensor.dtype == torch.bool and masks.image_size == (4, 6)
    assert masks.nonempty().tolist() == [True, False, True]
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 1, 5, 3], [0, 0, 0, 0], [5, 3, 6, 4]]
    assert masks[0].tensor.shape == (1, 4, 6)
    assert len(masks[torch.tensor([2, 0])]) == 2
    assert torch.equal(masks[masks.nonempty()].tensor[1], masks.tensor[2])
    assert len(BitMasks.cat([masks, masks])) == 6
    assert [mask.shape for mask in masks] == [(4, 6)] * 3
    assert len(BitMasks(np.zeros((0, 4, 6)))) == 0
    assert BitMasks(torch.zeros(0, 4, 6)).get_bounding_boxes().tensor.shape == (0, 4)
    assert len(BitMasks.from_polygon_masks([], 4, 6)) == 0
    with pytest.raises(AssertionError):
        BitMasks(torch.zeros(4, 6))


def test_polygons():
    square = [0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0]
    masks = PolygonMasks([[np.array(square)], [], [np.array(square) + 2, np.array(square) + 10]])
    assert masks.nonempty().tolist() == [True, False, True]
    assert masks.area().tolist() == [16, 0, 32]
    assert masks.get_bounding_boxes().tensor[[0, 2]].tolist() == [[0, 0, 4, 4], [2, 2, 14, 14]]
    for item in ([2, 0], torch.tensor([2, 0]), slice(None, None, -2)):
        assert [len(polygons) for polygons in masks[item]] == [2, 1]
    assert [len(polygons) for polygons in masks[masks.nonempty()]] == [1, 2]
    assert len(masks[1]) == 1
    assert len(PolygonMasks.cat([masks, masks])) == 6
    assert polygons_to_bitmask([np.array(square)], 5, 6).sum() == 16
    assert not polygons_to_bitmask([], 5, 6).any()
    with pytest.raises((ValueError, AssertionError)):
        PolygonMasks([[np.array([0.0, 0.0, 1.0, 1.0])]])
    with pytest.raises(ValueError):
        PolygonMasks(np.zeros((1, 1, 6)))


def test_instances():
    instances = Instances((4, 6), gt_classes=torch.tensor([3, 5]))
    instances.gt_boxes = Boxes(torch.arange(8.0).view(2, 4))
    instances.names = ["a", "b"]
    assert instances.image_size == (4, 6) and len(instances) == 2
    assert instances.has("names") and not instances.has("gt_masks")
    assert instances[-1].names == ["b"]
    joined = Instances.cat([instances, instances[:1]])
    assert joined.names == ["a", "b", "a"]
    assert joined.gt_classes.tolist() == [3, 5, 3]
    assert len(joined.gt_boxes) == 3
    assert instances.to("cpu").names == ["a", "b"]
    instances.remove("names")
    kept = instances[torch.tensor([False, True])]
    assert kept.gt_boxes.tensor.tolist() == [[4, 5, 6, 7]]
    assert set(kept.get_fields()) == {"gt_classes", "gt_boxes"}
    with pytest.raises(AttributeError, match="gt_masks"):
        _ = instances.gt_masks
    with pytest.raises(AssertionError, match="length 3"):
        instances.scores = torch.zeros(3)
    with pytest.raises(IndexError):
        instances[2]
    with pytest.raises(NotImplementedError):
        len(Instances((4, 6)))
    with pytest.raises(NotImplementedError):
        iter(instances)
    assert "num_instances=2" in str(instances)


@pytest.mark.parametrize("shapes", [[(3, 5, 7)], [(5, 7), (8, 2)], [(2, 3, 4, 4), (2, 3, 6, 2)]])
def test_image_list_of_other_shapes(shapes):
    images = [torch.rand(shape) for shape in shapes]
    batch = ImageList.from_tensors(images, size_divisibility=4)
    assert batch.tensor.shape[-2] % 4 == 0 and batch.tensor.shape[-1] % 4 == 0
    assert all(torch.equal(batch[i], image) for i, image in enumerate(images))
    assert batch.tensor.sum().item() == pytest.approx(sum(i.sum().item() for i in images), rel=1e-5)
    square = ImageList.from_tensors(images, padding_constraints={"square_size": 16})
    assert square.tensor.shape[-2:] == (16, 16)
