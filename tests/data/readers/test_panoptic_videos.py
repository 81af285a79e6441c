"""KITTI-STEP, Cityscapes-VPS, VIPOSeg."""

from __future__ import annotations

import numpy as np
import pytest
from data.readers.miniatures import SIZE, box_mask, write_frame, write_ids, write_json

from univs.data.readers.cityscapes_vps import read_cityscapes_vps
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.kitti_step import read_kitti_step
from univs.data.readers.viposeg import read_viposeg
from univs.data.record import PromptKind


def _step(road: np.ndarray, cars: dict[int, np.ndarray]) -> np.ndarray:
    """Red: class; green and blue: instance. 255 is void."""
    image = np.zeros((*SIZE, 3), int)
    image[..., 0] = 255
    image[road] = 0
    for instance, mask in cars.items():
        image[mask] = (13, instance // 256, instance % 256)
    return image


def test_kitti_step(tmp_path):
    road, car, group = box_mask(4, 0, 6, 8), box_mask(0, 0, 2, 2), box_mask(0, 6, 2, 8)
    for frame in range(2):
        write_frame(tmp_path / "images" / "0002" / f"{frame:06d}.png")
    masks = tmp_path / "masks" / "0002"
    write_ids(masks / "000000.png", _step(road, {300: car, 0: group}))
    write_ids(masks / "000001.png", _step(road, {}))
    write_frame(tmp_path / "images" / "0009" / "000000.png")  # of another split
    (record,) = read_kitti_step(
        tmp_path / "images",
        tmp_path / "masks",
        dataset="d",
        domain="k",
        things=[11, 13],
        num_classes=19,
    )
    assert (record.video_id, len(record), record.size) == ("0002", 2, SIZE)
    described = [(o.category, o.is_thing, o.is_crowd, o.frames) for o in record.objects]
    assert described == [
        (0, False, False, (0, 1)),  # class 0 is a class, not the background
        (13, True, True, (0,)),
        (13, True, False, (0,)),
    ]
    np.testing.assert_array_equal(record.objects[0].masks.decode(1), road)
    np.testing.assert_array_equal(record.objects[2].masks.decode(0), car)
    assert record.objects_in((0,)) == [record.objects[0], record.objects[2]]


def test_kitti_step_without_truth_and_with_a_wrong_class(tmp_path):
    write_frame(tmp_path / "images" / "0000" / "000000.png")
    options = {"dataset": "d", "domain": "k", "things": [11, 13], "num_classes": 19}
    (record,) = read_kitti_step(tmp_path / "images", None, **options)
    assert record.objects == ()
    image = np.full((*SIZE, 3), 40)
    write_ids(tmp_path / "masks" / "0000" / "000000.png", image)
    with pytest.raises(AnnotationError, match=r"of class 40 \(from 0\); d has 19 classes"):
        read_kitti_step(tmp_path / "images", tmp_path / "masks", **options)


@pytest.fixture
def cityscapes_vps(tmp_path):
    """Two videos; of three frames of the first the second has truth."""
    images = [
        {"id": number, "file_name": f"{number}.png", "height": SIZE[0], "width": SIZE[1]}
        for number in (20001, 10003, 10001, 10002)
    ]
    for image in images:
        write_frame(tmp_path / "img_all" / image["file_name"])
    pixels = np.zeros((*SIZE, 3), int)
    pixels[box_mask(0, 0, 3, 3)] = (7, 1, 0)  # 7 + 256
    write_ids(tmp_path / "masks" / "10002.png", pixels)
    segments = [{"id": 263, "category_id": 13, "iscrowd": 0}]
    annotation = {"image_id": 10002, "file_name": "10002.png", "segments_info": segments}
    everything = write_json(tmp_path / "all.json", {"images": images})
    truth = {"images": [images[3]], "annotations": [annotation]}
    path = write_json(tmp_path / "truth.json", truth)

    def read(truth_file=path, **options):
        return read_cityscapes_vps(
            truth_file,
            tmp_path / "img_all",
            tmp_path / "masks",
            dataset="d",
            domain="c",
            categories={number: number for number in range(19)},
            things=range(11, 19),
            frame_file=everything,
            **options,
        )

    return read, truth, tmp_path


def test_cityscapes_vps(cityscapes_vps):
    read, _, _ = cityscapes_vps
    first, second = read()
    assert (first.video_id, second.video_id) == ("0001", "0002")
    assert first.frames.file_names == ("10001.png", "10002.png", "10003.png")
    assert first.annotated == (1,)
    (car,) = first.objects
    assert (car.official_id, car.category, car.is_thing, car.frames) == (263, 13, True, (1,))
    np.testing.assert_array_equal(car.masks.decode(1), box_mask(0, 0, 3, 3))
    assert not car.masks.decode(0).any()
    assert second.objects == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["annotations"][0].update(image_id=7), "image 7 has annotations but is not"),
        (
            lambda t: t["annotations"][0]["segments_info"][0].update(category_id=99),
            "video 1, frame 1: segment 263 has category 99, which d does not have",
        ),
    ],
)
def test_contradictions_in_cityscapes_vps_are_named(cityscapes_vps, change, message):
    read, truth, folder = cityscapes_vps
    change(truth)
    with pytest.raises(AnnotationError, match=message):
        read(write_json(folder / "wrong.json", truth))


@pytest.fixture
def viposeg(tmp_path):
    for frame in ("a", "b", "c"):
        write_frame(tmp_path / "JPEGImages" / "v" / f"{frame}.jpg")
    ids = 3 * box_mask(0, 0, 3, 3) + 5 * box_mask(3, 3, 6, 6)
    write_ids(tmp_path / "Annotations" / "v" / "a.png", 3 * box_mask(0, 0, 3, 3))
    write_ids(tmp_path / "Annotations" / "v" / "b.png", ids)
    write_json(tmp_path / "obj_class.json", {"v": {"3": 0, "5": 61}})
    objects = {"3": {"frames": ["a", "b"]}, "5": {"frames": ["b", "c"]}}
    write_json(tmp_path / "meta.json", {"videos": {"v": {"objects": objects}}})

    def read(**options):
        return read_viposeg(
            tmp_path / "obj_class.json",
            tmp_path / "JPEGImages",
            tmp_path / "Annotations",
            dataset="d",
            domain="vipseg",
            things=[61],
            num_classes=124,
            **options,
        )

    return read, tmp_path


def test_viposeg_validation(viposeg):
    read, folder = viposeg
    (record,) = read(meta_file=folder / "meta.json")
    wall, cat = record.objects
    assert (wall.official_id, wall.category, wall.is_thing, wall.frames) == (3, 0, False, (0, 1))
    assert (cat.official_id, cat.category, cat.is_thing, cat.frames) == (5, 61, True, (1, 2))
    assert [(p.object_id, p.frame, p.kind) for p in record.prompts] == [
        (0, 0, PromptKind.MASK),
        (1, 1, PromptKind.MASK),
    ]
    np.testing.assert_array_equal(cat.masks.decode(1), box_mask(3, 3, 6, 6))


def test_viposeg_training_finds_frames_in_the_masks(viposeg):
    read, _ = viposeg
    (record,) = read()
    assert [o.frames for o in record.objects] == [(0, 1), (1,)]


def test_objects_of_viposeg_need_a_class(viposeg):
    read, folder = viposeg
    write_json(folder / "obj_class.json", {"v": {"3": 0}})
    with pytest.raises(AnnotationError, match=r"obj_class.json: video 'v' has no key '5'"):
        read()
    write_json(folder / "obj_class.json", {"v": {"3": 0, "5": 124}})
    with pytest.raises(AnnotationError, match="object 5 has class 124; classes go from 0 to 123"):
        read()
