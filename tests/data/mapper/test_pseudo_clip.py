from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from univs.config import load_config
from univs.data.augmentation import MovingCrop, ResizeShortestEdge, Rotation
from univs.data.catalog import class_table, find_entry
from univs.data.mapper import PseudoClipMapper
from univs.data.readers.coco import read_coco_instances


def _mapper(num_frames=3, augmentations=(), **options):
    return PseudoClipMapper(
        num_frames=num_frames, frame_range=20, augmentations=augmentations, **options
    )


def _one_object(size=(40, 60)):
    masks = np.zeros((1, 1, *size), bool)
    masks[0, 0, 15:25, 20:40] = True
    return masks


def test_without_augmentation_all_frames_are_the_image(make_record):
    record = make_record(_one_object(), categories=(7,))
    sample = _mapper()(record.as_dataset_dict())
    assert len(sample["image"]) == len(sample["instances"]) == 3
    for image, instances in zip(sample["image"], sample["instances"], strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), record.frames[0])
        assert instances.gt_ids.tolist() == [0]
        assert instances.gt_classes.tolist() == [7]
        assert instances.gt_masks.tensor.sum() == 200
    assert sample["file_names"] == [record.frames.name(0)] * 3


def test_frames_are_numbered_as_those_of_an_imaginary_video(make_record):
    entry = make_record(_one_object()).as_dataset_dict()
    torch.manual_seed(0)
    samples = [_mapper(num_frames=5)(entry) for _ in range(40)]
    lengths = {sample["video_len"] for sample in samples}
    assert len(lengths) > 10
    assert min(lengths) >= 16
    assert max(lengths) <= 48
    for sample in samples:
        indices = sample["frame_indices"]
        assert indices == sorted(indices)
        assert 0 <= indices[0] <= indices[-1] < sample["video_len"]
    assert len({tuple(sample["frame_indices"]) for sample in samples}) > 20


def test_the_copies_move_as_if_a_camera_swung(make_record):
    """The object is painted into the image: wherever its mask goes, its colour goes."""
    masks = _one_object()
    record = make_record(masks)
    picture = np.where(masks[0, 0][..., None], [255, 255, 255], [0, 0, 0]).astype(np.uint8)
    Image.fromarray(picture).save(record.frames.name(0))
    mapper = _mapper(
        num_frames=4,
        augmentations=[
            ResizeShortestEdge(shortest=(80,), longest=999),
            MovingCrop(smallest=60, largest=70),
            Rotation(is_swing=True),
        ],
    )
    torch.manual_seed(3)
    sample = mapper(record.as_dataset_dict())
    shapes = {tuple(image.shape) for image in sample["image"]}
    assert len(shapes) == 1
    assert not torch.equal(sample["image"][0], sample["image"][-1])
    for image, instances in zip(sample["image"], sample["instances"], strict=True):
        bright = image[0] > 127
        assert (bright != instances.gt_masks.tensor[0]).sum() <= 0.15 * bright.sum()


def test_videos_are_refused(make_record):
    record = make_record(np.ones((1, 2, 8, 8), bool))
    with pytest.raises(ValueError, match="'clip' of handmade has 2 frames; pseudo clips"):
        _mapper()(record.as_dataset_dict())


def test_keys_of_pseudo_clips_are_read(toy_config):
    toy_config.merge_from_list(
        [
            *("INPUT.SAMPLING_FRAME_NUM", 4),
            *("INPUT.PSEUDO.MIN_SIZE_TRAIN", [64, 80]),
            *("INPUT.PSEUDO.CROP.ENABLED", True),
            *("INPUT.PSEUDO.AUGMENTATIONS", ["rotation", "contrast"]),
        ]
    )
    mapper = PseudoClipMapper(toy_config)
    assert mapper.num_frames == 4
    kinds = [type(item).__name__ for item in mapper.augmentations]
    assert kinds == ["Occasionally", "ResizeShortestEdge", "Flip", "Rotation"]
    assert mapper.augmentations[1].shortest == (64, 80)
    assert mapper.color_jitter.kinds == ("contrast",)
    toy_config.INPUT.PSEUDO.MIN_SIZE_TRAIN_SAMPLING = "any"
    with pytest.raises(ValueError, match="INPUT.PSEUDO.MIN_SIZE_TRAIN_SAMPLING is 'any'"):
        PseudoClipMapper(toy_config)


@pytest.mark.golden("vita", "mapper_coco_pseudo")
def test_pseudo_clips_are_those_of_vita(case, tmp_path):
    size = case.arrays["image"].shape[1:]
    Image.fromarray(case.arrays["image"].transpose(1, 2, 0)).save(tmp_path / "image.png")
    given = case.json("annotations.json")["annotations"]
    # The case has positions among COCO's classes where COCO's own file has ids.
    coco_ids = class_table("coco").ids
    annotations = [
        {**item, "image_id": 1, "category_id": coco_ids[item["category_id"]]} for item in given
    ]
    path = tmp_path / "instances.json"
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 1, "file_name": "image.png", "height": size[0], "width": size[1]}
                ],
                "annotations": annotations,
                "categories": [{"id": number, "name": str(number)} for number in coco_ids],
            }
        )
    )
    target = find_entry(re.search(r"coco2\w+?_train", " ".join(case.meta["calls"])).group())
    (record,) = read_coco_instances(
        path, tmp_path, dataset="d", domain=target.domain, categories=target.category_map
    )
    options = case.meta["config"]["overrides"]
    cfg = load_config("configs/vita/ytvis/2019/r50.yaml", [*map(_as_option, options)])
    cfg.defrost()
    cfg.INPUT.RANDOM_FLIP = "none"  # as it came out
    sample = PseudoClipMapper(cfg)(record.as_dataset_dict())
    case.check("out_images", torch.stack(sample["image"])[:1])
    # Here unmapped classes have no row; there they have one, with the id -1. An object with an
    # empty polygon has an empty mask in both and is not trained on.
    kept = [item["id"] for item in given if not item["iscrowd"]]
    ids, classes = case.arrays["gt_ids"], case.arrays["gt_classes"]
    masks = case.arrays["gt_masks"].astype(bool)
    rows = {o.official_id: row for row, o in enumerate(record.objects_in((0,)))}
    assert set(rows) == {kept[i] for i in range(len(kept)) if ids[i] >= 0}
    for instances in sample["instances"]:
        for position, official in enumerate(kept):
            if ids[position] < 0:
                continue
            row = rows[official]
            assert instances.gt_classes[row] == classes[position]
            np.testing.assert_array_equal(instances.gt_masks.tensor[row].numpy(), masks[position])
            visible = masks[position].any()
            assert (instances.gt_ids[row] >= 0) == visible


def _as_option(value):
    return value if isinstance(value, str) else repr(value)
