from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from univs.data.augmentation import Flip, MovingCrop, ResizeShortestEdge
from univs.data.frames import FrameError
from univs.data.mapper import ClipMapper
from univs.data.readers.youtube_vis import read_youtube_vis


def _masks(count, length, size=(24, 32)):
    """Squares, object n at row and column 4 n, absent nowhere."""
    masks = np.zeros((count, length, *size), bool)
    for number in range(count):
        masks[number, :, 4 * number : 4 * number + 4, 4 * number : 4 * number + 4] = True
    return masks


def _mapper(num_frames=2, augmentations=(), **options):
    return ClipMapper(num_frames=num_frames, frame_range=9, augmentations=augmentations, **options)


def test_without_augmentation_a_clip_is_the_video(make_record):
    masks = _masks(2, 2)
    record = make_record(masks, categories=(5, 3))
    sample = _mapper()(record.as_dataset_dict())
    assert sample["frame_indices"] == [0, 1]
    assert sample["video_id"] == "clip"
    assert sample["file_names"] == record.frames.names
    assert (sample["height"], sample["width"], sample["video_len"]) == (24, 32, 2)
    for frame, (image, instances) in enumerate(
        zip(sample["image"], sample["instances"], strict=True)
    ):
        assert image.dtype == torch.uint8
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), record.frames[frame])
        assert instances.image_size == (24, 32)
        assert instances.gt_classes.tolist() == [5, 3]
        assert instances.gt_ids.tolist() == [0, 1]
        np.testing.assert_array_equal(instances.gt_masks.tensor.numpy(), masks[:, frame])
        assert instances.gt_boxes.tensor.tolist() == [[0, 0, 4, 4], [4, 4, 8, 8]]


def test_absent_objects_keep_their_row(make_record):
    masks = _masks(3, 2)
    masks[1, 0] = masks[2] = False
    sample = _mapper()(make_record(masks, categories=(5, 3, 1)).as_dataset_dict())
    first, second = sample["instances"]
    assert first.gt_ids.tolist() == [0, -1]
    assert first.gt_classes.tolist() == [5, -1]
    assert not first.gt_masks.tensor[1].any()
    assert first.gt_boxes.tensor[1].tolist() == [0, 0, 0, 0]
    assert second.gt_ids.tolist() == [0, 1]
    assert second.gt_classes.tolist() == [5, 3]


def test_crowds_are_left_out(make_record):
    sample = _mapper()(make_record(_masks(2, 2), crowds=(0,)).as_dataset_dict())
    assert sample["instances"][0].gt_ids.tolist() == [1]


@pytest.mark.parametrize("crowds", [(), (0,)])
def test_clips_without_objects_are_legal(make_record, crowds):
    record = make_record(_masks(len(crowds), 2), crowds=crowds)
    sample = _mapper(augmentations=[ResizeShortestEdge(shortest=(12,), longest=99)])(
        record.as_dataset_dict()
    )
    for instances in sample["instances"]:
        assert len(instances) == 0
        assert instances.gt_masks.tensor.shape == (0, 12, 16)
        assert instances.gt_boxes.tensor.shape == (0, 4)
    assert sample["image"][0].shape == (3, 12, 16)


def test_frames_with_objects_are_looked_for(make_record):
    """One frame of forty shows the object; a single draw would mostly miss it."""
    masks = _masks(1, 8)
    masks[:, 1:] = False
    entry = make_record(masks).as_dataset_dict()
    torch.manual_seed(0)
    mapper = _mapper(num_frames=1)
    found = sum(len(mapper(entry)["instances"][0]) for _ in range(30))
    assert found >= 18  # of 30: 22 are expected with ten draws, 4 with one


def test_a_crop_that_loses_every_object_is_drawn_again(make_record):
    masks = _masks(6, 2)[5:]  # rows and columns 20 to 23
    entry = make_record(masks).as_dataset_dict()
    mapper = _mapper(augmentations=[MovingCrop(smallest=6, largest=6)])
    torch.manual_seed(0)
    samples = [mapper(entry) for _ in range(30)]
    visible = [any(i.gt_masks.tensor.any() for i in sample["instances"]) for sample in samples]
    assert sum(visible) >= 24  # a single draw shows it in a fifth of the clips


def test_an_object_outside_the_crop_keeps_its_class_but_not_its_id(make_record):
    masks = _masks(2, 1, size=(40, 40))
    masks[:] = False
    masks[0, 0, 12:16, 12:16] = masks[1, 0, 30:, 30:] = True
    mapper = _mapper(num_frames=1, augmentations=[MovingCrop(smallest=16, largest=16)])
    entry = make_record(masks, categories=(5, 3)).as_dataset_dict()
    torch.manual_seed(0)
    seen = set()
    for _ in range(40):
        (instances,) = mapper(entry)["instances"]
        assert instances.gt_classes.tolist() == [5, 3]
        seen.add(tuple(instances.gt_ids.tolist()))
    assert (0, -1) in seen
    assert (-1, 1) in seen


@pytest.mark.parametrize("seed", range(4))
def test_images_and_masks_move_together(make_record, seed):
    """The object is painted into the frames: wherever the mask goes, its colour goes."""
    masks = _masks(2, 3)[1:]
    record = make_record(masks)
    for frame in range(3):
        picture = np.where(masks[0, frame][..., None], [255, 255, 255], [0, 0, 0])
        Image.fromarray(picture.astype(np.uint8)).save(record.frames.name(frame))
    mapper = _mapper(
        num_frames=3,
        augmentations=[
            ResizeShortestEdge(shortest=(48,), longest=999),
            MovingCrop(smallest=30, largest=48),
            Flip(probability=0.5),
        ],
    )
    torch.manual_seed(seed)
    sample = mapper(record.as_dataset_dict())
    for image, instances in zip(sample["image"], sample["instances"], strict=True):
        bright = image[0] > 127
        differs = (bright != instances.gt_masks.tensor[0]).sum()
        assert differs <= 0.15 * max(bright.sum(), 1)


def test_clips_follow_from_the_seed_of_torch(make_record):
    entry = make_record(_masks(2, 8)).as_dataset_dict()
    mapper = _mapper(augmentations=[ResizeShortestEdge(shortest=range(8, 30), longest=99), Flip()])

    def draw(seed):
        torch.manual_seed(seed)
        return [mapper(entry) for _ in range(3)]

    for one, two in zip(draw(1), draw(1), strict=True):
        assert one["frame_indices"] == two["frame_indices"]
        torch.testing.assert_close(one["image"], two["image"])
    assert [s["image"][0].shape for s in draw(1)] != [s["image"][0].shape for s in draw(2)]


def test_frames_without_truth_are_not_drawn(make_record):
    from dataclasses import replace

    record = replace(make_record(_masks(1, 8)), annotated=(1, 6))
    mapper = _mapper(num_frames=3)
    for _ in range(10):
        assert set(mapper(record.as_dataset_dict())["frame_indices"]) <= {1, 6}


def test_damaged_missing_and_misfit_frames_are_named(make_record):
    record = make_record(_masks(1, 1))
    path = record.frames.name(0)
    Image.new("RGB", (5, 7)).save(path)
    with pytest.raises(FrameError, match=r"00000.png is 7x5 .* annotations of handmade say 24x32"):
        _mapper()(record.as_dataset_dict())
    with open(path, "wb") as file:
        file.write(b"damaged")
    with pytest.raises(FrameError, match=r"Frame 0 of 1: .*00000.png cannot be decoded"):
        _mapper()(record.as_dataset_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["INPUT.RANDOM_FLIP", "diagonal"], "INPUT.RANDOM_FLIP is 'diagonal'"),
        (["INPUT.MIN_SIZE_TRAIN_SAMPLING", "any"], "INPUT.MIN_SIZE_TRAIN_SAMPLING is 'any'"),
        (
            ["INPUT.CROP.ENABLED", True, "INPUT.PSEUDO.CROP.TYPE", "relative"],
            "'absolute_range', not 'relative'",
        ),
        (["INPUT.AUGMENTATIONS", ["blur"]], "Unknown colour augmentation .*blur"),
        (["INPUT.SAMPLING_FRAME_NUM", 0], "at least one frame, not 0"),
    ],
)
def test_unknown_values_of_keys_are_named(toy_config, changes, message):
    toy_config.merge_from_list(changes)
    with pytest.raises(ValueError, match=message):
        ClipMapper(toy_config)


def test_every_augmentation_can_be_switched_on(toy_config, make_record):
    toy_config.merge_from_list(
        [
            "INPUT.AUGMENTATIONS",
            ["brightness", "contrast", "saturation", "rotation"],
            "INPUT.CROP.ENABLED",
            True,
            "INPUT.PSEUDO.CROP.SIZE",
            [16, 24],
        ]
    )
    mapper = ClipMapper(toy_config)
    entry = make_record(_masks(2, 4)).as_dataset_dict()
    for _ in range(6):
        sample = mapper(entry)
        for image, instances in zip(sample["image"], sample["instances"], strict=True):
            assert instances.gt_masks.tensor.shape[1:] == image.shape[1:]


@pytest.mark.golden("vita", "mapper_ytvis")
def test_clips_are_those_of_vita(case, tmp_path):
    images = case.arrays["images"]
    for frame, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"frame{frame}.png")
    (record,) = read_youtube_vis(
        case.folder / "annotations.json", tmp_path, dataset="d", domain="ytvis19"
    )
    mapper = ClipMapper(
        num_frames=len(images),
        frame_range=20,
        augmentations=[_resize_of(case)],
    )
    sample = mapper(record.as_dataset_dict())
    assert sample["frame_indices"] == case.meta["frame_idx"]
    official = {item.id: item.official_id for item in record.objects}
    case.check("out_images", torch.stack(sample["image"]))
    for frame, instances in enumerate(sample["instances"]):
        # The order of objects is free; crowds have no row here and an empty one there.
        ids = [official.get(number, -1) for number in instances.gt_ids.tolist()]
        expected = case.arrays[f"frame{frame}_gt_ids"].tolist()
        assert sorted(i for i in ids if i >= 0) == sorted(i for i in expected if i >= 0)
        for number in (i for i in expected if i >= 0):
            row, reference = ids.index(number), expected.index(number)
            classes = case.arrays[f"frame{frame}_gt_classes"]
            masks = case.arrays[f"frame{frame}_gt_masks"]
            assert instances.gt_classes[row] == classes[reference]
            np.testing.assert_array_equal(
                instances.gt_masks.tensor[row].numpy(), masks[reference].astype(bool)
            )


def _resize_of(case) -> Callable:
    overrides = case.meta["config"]["overrides"]
    sizes = overrides[overrides.index("INPUT.MIN_SIZE_TRAIN") + 1]
    return ResizeShortestEdge(shortest=sizes, longest=768)
