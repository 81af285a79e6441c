"""Transforms and augmentations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from detectron2.data import transforms as T

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 5, (40, 60), dtype=np.uint8)


def _seed(value: int = 0) -> None:
    np.random.seed(value)  # noqa: NPY002 - what augmentations draw from


def test_shortest_edge_as_measured(contract):
    for fact in contract["resize_shortest_edge"]:
        image = np.zeros((fact["h"], fact["w"], 3), np.uint8)
        augmentation = T.ResizeShortestEdge([fact["short"]], fact["max"], "choice")
        transform = augmentation.get_transform(image)
        assert (transform.new_h, transform.new_w) == (fact["new_h"], fact["new_w"])
        assert (transform.h, transform.w) == (fact["h"], fact["w"])


def test_random_crop_as_measured(contract):
    for fact in contract["random_crop"]:
        _seed(fact["numpy_seed"])
        image = np.zeros((*fact["image"], 3), np.uint8)
        crop = T.RandomCrop(fact["type"], tuple(fact["size"])).get_transform(image)
        assert {key: getattr(crop, key) for key in ("x0", "y0", "w", "h")} == {
            key: fact[key] for key in ("x0", "y0", "w", "h")
        }


@pytest.mark.parametrize("style", ["range", "choice"])
def test_lengths_of_the_shortest_edge(style):
    augmentation = T.ResizeShortestEdge((20, 23), 1000, style)
    _seed()
    heights = {augmentation.get_transform(IMAGE).new_h for _ in range(60)}
    assert heights == ({20, 21, 22, 23} if style == "range" else {20, 23})
    assert isinstance(T.ResizeShortestEdge([0], 9, "choice").get_transform(IMAGE), T.NoOpTransform)


def test_resize_of_bytes_is_that_of_pillow():
    transform = T.ResizeTransform(40, 60, 13, 25)
    expected = np.asarray(Image.fromarray(IMAGE).resize((25, 13), Image.BILINEAR))
    np.testing.assert_array_equal(transform.apply_image(IMAGE), expected)
    expected = np.asarray(Image.fromarray(LABELS).resize((25, 13), Image.NEAREST))
    np.testing.assert_array_equal(transform.apply_segmentation(LABELS), expected)
    assert transform.apply_image(IMAGE[:, :, :1]).shape == (13, 25, 1)
    assert transform.apply_image(IMAGE[:, ::-1]).shape == (13, 25, 3)  # negative strides
    np.testing.assert_allclose(transform.apply_coords(np.array([[60.0, 40.0]])), [[25, 13]])
    assert transform.inverse().apply_image(expected).shape == (40, 60)
    with pytest.raises(AssertionError):
        transform.apply_image(IMAGE[1:])


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 1), (40, 60, 2), (40, 60, 1, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resize_of_floating_point_keeps_type_and_constants(shape, dtype):
    resized = T.ResizeTransform(40, 60, 80, 30).apply_image(np.full(shape, 0.25, dtype))
    assert resized.shape == (80, 30, *shape[2:]) and resized.dtype == dtype
    np.testing.assert_allclose(resized, 0.25)


def test_input_is_transformed_as_a_whole():
    boxes = np.array([[10.0, 5.0, 20.0, 25.0]])
    augmented = T.AugInput(IMAGE, boxes=boxes, sem_seg=LABELS)
    transforms = T.AugmentationList([T.Resize((20, 30)), T.RandomFlip(prob=1.0)])(augmented)
    assert augmented.image.shape == (20, 30, 3) and augmented.sem_seg.shape == (20, 30)
    np.testing.assert_allclose(augmented.boxes, [[20, 2.5, 25, 12.5]])
    np.testing.assert_array_equal(transforms.apply_image(IMAGE), augmented.image)
    np.testing.assert_array_equal(transforms.apply_segmentation(LABELS), augmented.sem_seg)
    np.testing.assert_allclose(transforms.apply_box(boxes), augmented.boxes)


def test_augmentations_see_what_the_ones_before_have_made():
    image, transforms = T.apply_augmentations(
        [T.Resize(32), T.RandomCrop("relative", (0.5, 0.5))], IMAGE
    )
    assert image.shape == (16, 16, 3)
    assert isinstance(transforms, T.TransformList) and len(transforms) == 2
    given = T.AugInput(IMAGE)
    returned, _ = T.apply_augmentations([T.HFlipTransform(60)], given)
    assert returned is given
    np.testing.assert_array_equal(given.image, IMAGE[:, ::-1])


def test_augmentation_asks_for_attributes_by_name():
    class Brighten(T.Augmentation):
        def get_transform(self, image, amount):
            return T.ColorTransform(lambda pixels: np.clip(pixels + amount, 0, 255))

    augmented = T.AugInput(np.zeros((2, 2), np.float32))
    with pytest.raises(AttributeError, match="amount"):
        Brighten()(augmented)
    augmented.amount = 3.0
    Brighten()(augmented)
    assert augmented.image.tolist() == [[3, 3], [3, 3]]


def test_images_of_another_type_are_refused():
    for image in (np.zeros((4, 4), np.int64), np.zeros(4, np.uint8)):
        with pytest.raises(AssertionError):
            T.AugInput(image)


def test_flips():
    _seed()
    flips = [type(T.RandomFlip(0.5).get_transform(IMAGE)) for _ in range(40)]
    assert set(flips) == {T.HFlipTransform, T.NoOpTransform}
    flip = T.RandomFlip(1.0, horizontal=False, vertical=True).get_transform(IMAGE)
    np.testing.assert_array_equal(flip.apply_image(IMAGE), IMAGE[::-1])
    for both in (True, False):
        with pytest.raises(ValueError):
            T.RandomFlip(horizontal=both, vertical=both)


def test_applying_at_random():
    never, always = (T.RandomApply(T.HFlipTransform(60), prob) for prob in (0.0, 1.0))
    for augmentation, expected in ((never, IMAGE), (always, IMAGE[:, ::-1])):
        image, _ = T.apply_augmentations([augmentation], IMAGE)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("size", [(64, 64), (16, 20), (50, 30)])
def test_large_scale_jitter_has_a_fixed_size(size):
    _seed()
    augmentations = [
        T.ResizeScale(0.1, 2.0, *size),
        T.FixedSizeCrop(size, pad_value=7, seg_pad_value=9),
    ]
    for _ in range(5):
        augmented = T.AugInput(IMAGE, sem_seg=LABELS)
        transforms = augmented.apply_augmentations(augmentations)
        assert augmented.image.shape[:2] == augmented.sem_seg.shape == size
        padding = augmented.sem_seg == 9
        assert (augmented.image[padding] == 7).all()
        resize = transforms[0]
        assert resize.new_h / 40 == pytest.approx(resize.new_w / 60, rel=0.3)


def test_fixed_size_crop_without_padding():
    image, _ = T.apply_augmentations([T.FixedSizeCrop((50, 20), pad=False)], IMAGE)
    assert image.shape == (40, 20, 3)


def test_crop_that_no_label_fills():
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 30:] = 1
    augmentation = T.RandomCrop_CategoryAreaConstraint("absolute", (10, 10), 0.75, 255)
    shares = []
    for seed in range(20):
        _seed(seed)
        augmented = T.AugInput(IMAGE, sem_seg=labels)
        augmentation(augmented)
        share = augmented.sem_seg.mean()
        shares.append(max(share, 1 - share))
    assert np.median(shares) < 0.75
    _seed(0)
    free = T.RandomCrop_CategoryAreaConstraint("absolute", (10, 10), 1.0)
    assert free.get_transform(IMAGE, labels).w == 10


@pytest.mark.parametrize("expand", [True, False])
def test_rotation_moves_points_with_pixels(expand):
    image = np.zeros((41, 61), np.uint8)
    image[8:11, 12:15] = 255
    transform = T.RotationTransform(41, 61, 30, expand=expand)
    rotated = transform.apply_image(image)
    rows, columns = np.nonzero(rotated > 100)
    expected = transform.apply_coords(np.array([[13.5, 9.5]]))[0]
    centre = (columns.mean() + 0.5, rows.mean() + 0.5)
    np.testing.assert_allclose(centre, expected, atol=0.35)
    assert (rotated.shape == image.shape) != expand


def test_quarter_turn():
    transform = T.RotationTransform(4, 6, 90, interp=cv2.INTER_NEAREST)
    image = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
    np.testing.assert_array_equal(transform.apply_image(image), np.rot90(image))
    np.testing.assert_allclose(transform.apply_coords(np.array([[6.0, 0.0]])), [[0, 0]], atol=1e-9)
    back = transform.inverse()
    np.testing.assert_array_equal(back.apply_image(transform.apply_image(image)), image)


def test_random_rotation():
    _seed()
    transform = T.RandomRotation([-20, 20], False, [(0.4, 0.4), (0.6, 0.6)]).get_transform(IMAGE)
    assert -20 <= transform.angle <= 20
    assert 24 <= transform.center[0] <= 36 and 16 <= transform.center[1] <= 24
    angles = {
        T.RandomRotation([5, 50], sample_style="choice").get_transform(IMAGE).angle
        for _ in range(20)
    }
    assert angles == {5, 50}
    assert isinstance(T.RandomRotation(360).get_transform(IMAGE), T.NoOpTransform)


def test_extent():
    transform = T.ExtentTransform((10, 5, 40, 35), (30, 30))
    np.testing.assert_array_equal(transform.apply_image(IMAGE), IMAGE[5:35, 10:40])
    np.testing.assert_array_equal(transform.apply_segmentation(LABELS), LABELS[5:35, 10:40])
    np.testing.assert_allclose(transform.apply_coords(np.array([[10.0, 35.0]])), [[0, 30]])
    drawn = T.RandomExtent((0.5, 0.5), (0, 0)).get_transform(IMAGE)
    assert drawn.output_size == (20, 30) and tuple(drawn.src_rect) == (15, 10, 45, 30)


@pytest.mark.parametrize(
    "augmentation",
    [
        T.RandomBrightness(1, 1),
        T.RandomContrast(1, 1),
        T.RandomSaturation(1, 1),
        T.RandomLighting(0),
    ],
)
def test_intensity_one_changes_nothing(augmentation):
    image, transforms = T.apply_augmentations([augmentation], IMAGE)
    np.testing.assert_array_equal(image, IMAGE)
    assert transforms.apply_segmentation(LABELS) is LABELS


def test_intensity_zero_leaves_what_is_blended_in():
    flat = np.full((2, 2, 3), [10, 20, 30], np.uint8)
    for augmentation, expected in (
        (T.RandomBrightness(0, 0), [0, 0, 0]),
        (T.RandomContrast(0, 0), [20, 20, 20]),
        (T.RandomSaturation(0, 0), [18, 18, 18]),
    ):
        image, _ = T.apply_augmentations([augmentation], flat)
        assert image[0, 0].tolist() == expected


def test_colour_functions():
    np.testing.assert_array_equal(
        T.ColorTransform(lambda x: 255 - x).apply_image(IMAGE), 255 - IMAGE
    )
    swapped = T.PILColorTransform(lambda image: Image.merge("RGB", image.split()[::-1]))
    np.testing.assert_array_equal(swapped.apply_image(IMAGE), IMAGE[:, :, ::-1])
    with pytest.raises(ValueError):
        T.ColorTransform(3)
