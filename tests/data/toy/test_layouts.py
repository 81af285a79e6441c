"""Every layout, read back with nothing but the benchmark's own rules, holds the same masks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from univs.data.toy import LAYOUTS, ToyVideo
from univs.data.toy.classes import (
    COCO_STUFF_IDS,
    COCO_THING_IDS,
    PANOPTIC_CLASSES,
    STUFF_CLASSES,
    THING_CLASSES,
)
from univs.data.toy.expressions import describe
from univs.data.toy.layouts.burst import ANNOTATION_STEP
from univs.data.toy.layouts.coco import chosen_frames
from univs.data.toy.video import NO_STUFF

Videos = dict[str, list[ToyVideo]]
SPLITS = ("train", "val")
VALID = {"train": "train", "val": "valid"}


def _load(path: Path) -> dict:
    return json.loads(path.read_text())


def _palette(path: Path) -> np.ndarray:
    image = Image.open(path)
    assert image.mode == "P"
    return np.asarray(image)


def _decode(segmentation: dict) -> np.ndarray:
    """Run lengths, compressed or not, to a bool mask."""
    if isinstance(segmentation["counts"], list):
        segmentation = coco_mask.frPyObjects(segmentation, *segmentation["size"])
    return coco_mask.decode(segmentation).astype(bool)


def _rgb_ids(path: Path) -> np.ndarray:
    rgb = np.asarray(Image.open(path)).astype(int)
    return rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]


def _assert_frames(folder: Path, names: list[str], video: ToyVideo) -> None:
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [(folder / name).read_bytes() for name in names] == video.jpegs
    picture = cv2.cvtColor(cv2.imread(str(folder / names[0])), cv2.COLOR_BGR2RGB)
    difference = np.abs(picture.astype(int) - video.frames[0])
    assert difference.mean() < 8  # JPEG keeps it about the same, channels in order


def _names(video: ToyVideo, extension: str) -> list[str]:
    return [f"{t:05d}{extension}" for t in range(video.num_frames)]


@pytest.mark.parametrize("split", SPLITS)
def test_ytvis(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "ytvis_2021"
    content = _load(folder / f"{VALID[split]}.json")
    assert [c["name"] for c in content["categories"]] == list(THING_CLASSES)
    assert [c["id"] for c in content["categories"]] == list(range(1, len(THING_CLASSES) + 1))
    assert [v["id"] for v in content["videos"]] == [1 + i for i in range(len(toy_videos[split]))]
    ids = [a["id"] for a in content["annotations"]]
    assert len(set(ids)) == len(ids)
    assert 0 not in ids
    for entry, video in zip(content["videos"], toy_videos[split], strict=True):
        assert (entry["height"], entry["width"], entry["length"]) == (*video.size, video.num_frames)
        root = folder / VALID[split] / "JPEGImages"
        assert entry["file_names"] == [f"{video.name}/{n}" for n in _names(video, ".jpg")]
        _assert_frames(root / video.name, _names(video, ".jpg"), video)
        own = [a for a in content["annotations"] if a["video_id"] == entry["id"]]
        assert [a["category_id"] - 1 for a in own] == video.categories.tolist()
        for annotation, masks in zip(own, video.masks, strict=True):
            rows = zip(
                annotation["segmentations"],
                annotation["bboxes"],
                annotation["areas"],
                masks,
                strict=True,
            )
            for segmentation, box, area, mask in rows:
                if not mask.any():
                    assert segmentation is box is area is None
                    continue
                assert isinstance(segmentation["counts"], list)  # as in the download
                np.testing.assert_array_equal(_decode(segmentation), mask)
                assert area == mask.sum()
                rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
                assert box == coco_mask.toBbox(rle).tolist()


@pytest.mark.parametrize("split", SPLITS)
def test_vipseg(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "VIPSeg"
    categories = json.loads((folder / "panoVIPSeg_categories.json").read_text())
    assert [c["name"] for c in categories] == list(PANOPTIC_CLASSES)
    assert [c["id"] for c in categories] == list(range(len(PANOPTIC_CLASSES)))
    names = (folder / f"{split}.txt").read_text().splitlines()
    assert names == [video.name for video in toy_videos[split]]
    truth = _load(folder / f"panoptic_gt_VIPSeg_{split}.json")
    for number, video in enumerate(toy_videos[split]):
        _assert_frames(folder / "imgs" / video.name, _names(video, ".jpg"), video)
        things: dict[int, np.ndarray] = {}
        for t, name in enumerate(_names(video, ".png")):
            ids = cv2.imread(str(folder / "panomasks" / video.name / name), cv2.IMREAD_UNCHANGED)
            assert ids.dtype == np.uint16
            stuff = np.where((ids > 0) & (ids <= 124), ids.astype(int) - 1, NO_STUFF)
            np.testing.assert_array_equal(stuff, video.stuff[t])
            for value in np.unique(ids[ids > 124]):
                things.setdefault(int(value), np.zeros(video.masks.shape[1:], bool))[t] = (
                    ids == value
                )
            colours = _rgb_ids(folder / "panomasksRGB" / video.name / name)
            np.testing.assert_array_equal(colours, ids)
            entry = truth["annotations"][number]["annotations"][t]
            assert entry["file_name"] == name
            listed = {s["id"]: s for s in entry["segments_info"]}
            assert set(listed) == set(np.unique(ids).tolist()) - {0}
            for value, segment in listed.items():
                assert segment["area"] == (ids == value).sum()
                expected = value // 100 if value > 124 else value
                assert segment["category_id"] == expected - 1
                is_thing = categories[segment["category_id"]]["isthing"]
                assert is_thing == (value > 124)
        assert len(things) == video.num_objects
        for category, masks in zip(video.categories, video.masks, strict=True):
            same = [v for v, found in things.items() if np.array_equal(found, masks)]
            assert len(same) == 1
            assert PANOPTIC_CLASSES[same[0] // 100 - 1] == THING_CLASSES[category]


@pytest.mark.parametrize("split", SPLITS)
def test_vspw(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "VSPW_480p"
    text = (folder / f"{split}.txt").read_text()
    assert text.endswith("\n")
    assert text.splitlines() == [video.name for video in toy_videos[split]]
    numbers = _load(folder / "label_num_dic_final.json")
    assert [numbers[name] for name in PANOPTIC_CLASSES] == list(range(1, 11))
    for video in toy_videos[split]:
        _assert_frames(folder / "data" / video.name / "origin", _names(video, ".jpg"), video)
        for t, name in enumerate(_names(video, ".png")):
            labels = cv2.imread(
                str(folder / "data" / video.name / "mask" / name), cv2.IMREAD_UNCHANGED
            )
            assert labels.dtype == np.uint8
            expected = np.full(video.size, 255)
            for index, stuff in enumerate(STUFF_CLASSES):
                expected[video.stuff[t] == index] = numbers[stuff]
            for category, masks in zip(video.categories, video.masks, strict=True):
                expected[masks[t]] = numbers[THING_CLASSES[category]]
            np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("annotations", ["Annotations", "Annotations_unsupervised"])
def test_davis(toy_root: Path, toy_videos: Videos, split: str, annotations: str) -> None:
    folder = toy_root / "DAVIS"
    names = (folder / "ImageSets/2017" / f"{split}.txt").read_text().splitlines()
    assert names == [v.name for v in toy_videos[split] if v.masks[:, 0].any()]
    for video in toy_videos[split]:
        if video.name not in names:
            continue
        _assert_frames(folder / "JPEGImages/480p" / video.name, _names(video, ".jpg"), video)
        shown = video.masks[video.masks[:, 0].any(axis=(1, 2))]
        for t, name in enumerate(_names(video, ".png")):
            ids = _palette(folder / annotations / "480p" / video.name / name)
            for number, masks in enumerate(shown, start=1):
                np.testing.assert_array_equal(ids == number, masks[t])
            np.testing.assert_array_equal(ids == 0, ~shown[:, t].any(axis=0))


@pytest.mark.parametrize("benchmark", ["youtube_vos/2019", "mose"])
def test_video_objects(toy_root: Path, toy_videos: Videos, benchmark: str) -> None:
    for split in SPLITS:
        folder = toy_root / benchmark / VALID[split]
        is_mose = benchmark == "mose"
        path = folder.parent / f"meta_{VALID[split]}.json" if is_mose else folder / "meta.json"
        meta = _load(path)["videos"]
        for video in toy_videos[split]:
            masks, categories = video.masks, video.categories
            if is_mose:
                kept = masks[:, 0].any(axis=(1, 2))
                masks, categories = masks[kept], categories[kept]
            assert list(meta[video.name]["objects"]) == [str(i + 1) for i in range(len(masks))]
            _assert_frames(folder / "JPEGImages" / video.name, _names(video, ".jpg"), video)
            full = "Annotations" if split == "train" else "Annotations_gt"
            for t, name in enumerate(_names(video, ".png")):
                ids = _palette(folder / full / video.name / name)
                for number in range(len(masks)):
                    np.testing.assert_array_equal(ids == number + 1, masks[number, t])
            for number, entry in enumerate(meta[video.name]["objects"].values()):
                assert entry["category"] == THING_CLASSES[categories[number]]
                if not is_mose:
                    present = np.flatnonzero(masks[number].any(axis=(1, 2)))
                    assert entry["frames"] == [f"{t:05d}" for t in present]
            if split == "train":
                continue
            prompts: dict[int, int] = {}  # frame of the prompt by object number
            for prompt in sorted((folder / "Annotations" / video.name).iterdir()):
                ids, t = _palette(prompt), int(prompt.stem)
                for number in np.unique(ids[ids > 0]).tolist():
                    assert number not in prompts  # one prompt per object
                    prompts[number] = t
                    np.testing.assert_array_equal(ids == number, masks[number - 1, t])
            assert prompts == {
                n + 1: int(masks[n].any(axis=(1, 2)).argmax()) for n in range(len(masks))
            }


@pytest.mark.parametrize("split", SPLITS)
def test_viposeg(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "viposeg" / VALID[split]
    classes, meta = _load(folder / "obj_class.json"), _load(folder / "meta.json")["videos"]
    full = "Annotations" if split == "train" else "Annotations_gt"
    for video in toy_videos[split]:
        _assert_frames(folder / "JPEGImages" / video.name, _names(video, ".jpg"), video)
        assert classes[video.name].keys() == meta[video.name]["objects"].keys()
        expected = np.zeros((video.num_frames, *video.size), int)  # class + 1
        expected[video.stuff != NO_STUFF] = video.stuff[video.stuff != NO_STUFF] + 1
        for category, masks in zip(video.categories, video.masks, strict=True):
            expected[masks] = len(STUFF_CLASSES) + category + 1
        for t, name in enumerate(_names(video, ".png")):
            ids = _palette(folder / full / video.name / name)
            labels = {0: 0, **{int(n): c + 1 for n, c in classes[video.name].items()}}
            np.testing.assert_array_equal(np.vectorize(labels.get)(ids), expected[t])
            shown = [n for n, o in meta[video.name]["objects"].items() if name[:-4] in o["frames"]]
            assert sorted(np.unique(ids[ids > 0]).tolist()) == sorted(map(int, shown))
        prompts = sorted((folder / "Annotations" / video.name).iterdir())
        given = [number for path in prompts for number in np.unique(_palette(path)) if number]
        if split == "val":
            assert sorted(map(str, given)) == sorted(classes[video.name])


@pytest.mark.parametrize("split", SPLITS)
def test_ref_youtube_vos(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "ref_youtube_vos" / "meta_expressions"
    meta = _load(folder / VALID[split] / "meta_expressions.json")["videos"]
    assert _load(folder / "test" / "meta_expressions.json") == {"videos": {}}
    videos = {video.name: video for video in toy_videos[split]}
    assert set(meta) <= set(videos)
    assert meta
    objects = _load(toy_root / "youtube_vos/2019" / VALID[split] / "meta.json")["videos"]
    for name, entry in meta.items():
        assert entry["frames"] == [f"{t:05d}" for t in range(videos[name].num_frames)]
        found = describe(videos[name], static=False)
        for item in entry["expressions"].values():
            index = int(item["obj_id"]) - 1
            assert item["exp"] in {e.text for e in found[index]}
            assert objects[name]["objects"][item["obj_id"]]["category"] in item["exp"]


def test_ref_davis(toy_root: Path, toy_videos: Videos) -> None:
    folder = toy_root / "ref_davis"
    videos = {video.name: video for split in SPLITS for video in toy_videos[split]}
    listed = {
        split: (folder / "ImageSets/2017" / f"{split}.txt").read_text().splitlines()
        for split in SPLITS
    }
    assert listed["train"] or listed["val"]
    paths = sorted((folder / "davis_text_annotations").iterdir())
    assert [path.name for path in paths] == [
        "Davis17_annot1.txt",
        "Davis17_annot1_full_video.txt",
        "Davis17_annot2.txt",
        "Davis17_annot2_full_video.txt",
    ]
    for path in paths:
        seen: dict[str, list[int]] = {}
        for line in path.read_text(encoding="latin-1").splitlines():
            name, number, text = re.fullmatch(r'(\S+) (\d+) "(.+)"', line).groups()
            seen.setdefault(name, []).append(int(number))
            shown = np.flatnonzero(videos[name].masks[:, 0].any(axis=(1, 2)))
            index = shown[int(number) - 1]
            expressions = describe(videos[name], static="full" not in path.name)[index]
            assert text in {e.text for e in expressions}
        assert set(seen) == {*listed["train"], *listed["val"]}
        for name, numbers in seen.items():  # every object once, in order
            count = int(videos[name].masks[:, 0].any(axis=(1, 2)).sum())
            assert numbers == list(range(1, count + 1))


@pytest.mark.parametrize("split", SPLITS)
def test_burst(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder = toy_root / "burst"
    tracks = _load(folder / "annotations" / split / "all_classes.json")
    prompts = _load(folder / "annotations" / split / "first_frame_annotations.json")
    assert tracks["split"] == split
    assert [c["name"] for c in tracks["categories"]] == list(THING_CLASSES)
    rows = zip(tracks["sequences"], prompts["sequences"], toy_videos[split], strict=True)
    for full, first, video in rows:
        names = [f"frame{t + 1:04d}.jpg" for t in range(video.num_frames)]
        frames = folder / "frames" / split / full["dataset"] / full["seq_name"]
        _assert_frames(frames, names, video)
        assert full["all_image_paths"] == names
        assert full["annotated_image_paths"] == names[:: ANNOTATION_STEP[split]]
        masks = video.masks[:, :: ANNOTATION_STEP[split]]
        size = list(video.size)
        for at, segments in enumerate(full["segmentations"]):
            expected = [str(i + 1) for i in np.flatnonzero(masks[:, at].any(axis=(1, 2)))]
            assert list(segments) == expected
            for key, segment in segments.items():
                decoded = _decode({"counts": segment["rle"], "size": size})
                np.testing.assert_array_equal(decoded, masks[int(key) - 1, at])
        prompted = []
        for at, segments in enumerate(first["segmentations"]):
            for key, segment in segments.items():
                prompted.append(key)
                own = masks[int(key) - 1]
                assert own.any(axis=(1, 2)).argmax() == at
                x, y = segment["point"]
                assert own[at, y, x]  # the point lies on the visible part
                decoded = _decode({"counts": segment["rle"], "size": size})
                np.testing.assert_array_equal(decoded, own[at])
        assert sorted(prompted) == sorted(full["track_category_ids"])
        for key, category in full["track_category_ids"].items():
            assert category - 1 == video.categories[int(key) - 1]
        absent = set(range(1, 7)) - set(full["track_category_ids"].values())
        assert full["neg_category_ids"] == sorted(absent)


@pytest.mark.parametrize("split", SPLITS)
def test_coco(toy_root: Path, toy_videos: Videos, split: str) -> None:
    folder, year = toy_root / "coco", f"{split}2017"
    instances = COCO(folder / "annotations" / f"instances_{year}.json")
    panoptic = _load(folder / "annotations" / f"panoptic_{year}.json")
    names = {c["id"]: c["name"] for c in panoptic["categories"]}
    assert tuple(names) == COCO_THING_IDS + COCO_STUFF_IDS
    assert tuple(names.values()) == THING_CLASSES + STUFF_CLASSES
    shown = [(v, t) for v in toy_videos[split] for t in chosen_frames(v.num_frames)]
    rows = zip(instances.dataset["images"], panoptic["annotations"], shown, strict=True)
    for image, segments, (video, t) in rows:
        assert (folder / year / image["file_name"]).read_bytes() == video.jpegs[t]
        masks = [
            (c, m[t]) for c, m in zip(video.categories, video.masks, strict=True) if m[t].any()
        ]
        annotations = instances.imgToAnns[image["id"]]
        for annotation, (category, mask) in zip(annotations, masks, strict=True):
            np.testing.assert_array_equal(instances.annToMask(annotation).astype(bool), mask)
            assert COCO_THING_IDS[category] == annotation["category_id"]
        assert segments["image_id"] == image["id"]
        ids = _rgb_ids(folder / f"panoptic_{year}" / segments["file_name"])
        assert set(np.unique(ids)) - {0} == {s["id"] for s in segments["segments_info"]}
        things = []
        for segment in segments["segments_info"]:
            here = ids == segment["id"]
            assert here.sum() == segment["area"]
            if segment["category_id"] in COCO_THING_IDS:
                things.append((segment["category_id"], here))
            else:
                index = COCO_STUFF_IDS.index(segment["category_id"])
                np.testing.assert_array_equal(here, video.stuff[t] == index)
        for (category_id, here), (category, mask) in zip(things, masks, strict=True):
            assert category_id == COCO_THING_IDS[category]
            np.testing.assert_array_equal(here, mask)


@pytest.mark.parametrize("name", LAYOUTS)
def test_video_without_objects(name: str, tmp_path: Path) -> None:
    video = ToyVideo(
        name="empty",
        frames=np.zeros((3, 32, 48, 3), np.uint8),
        masks=np.zeros((0, 3, 32, 48), bool),
        categories=np.zeros(0, np.int64),
        paints=(),
        textures=(),
        centres=np.zeros((0, 3, 2)),
        stuff=np.zeros((3, 32, 48), np.uint8),
    )
    layout = LAYOUTS[name](tmp_path)
    for split in SPLITS:
        layout.add(split, video)
    layout.finish()
    assert any(tmp_path.rglob("*.json")) or any(tmp_path.rglob("*.txt"))
