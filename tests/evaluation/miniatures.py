"""Data sets of two short videos in the layouts that the toy generator does not write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from univs.evaluation.panoptic_files import write_id_map
from univs.structures import encode_mask

SIZE = (24, 40)  # height, width
NUM_FRAMES = 5


def box(left: int, top: int = 8) -> np.ndarray:
    """A square of ten pixels: bool [H, W]."""
    mask = np.zeros(SIZE, dtype=bool)
    mask[top : top + 10, left : left + 10] = True
    return mask


def write_image(path: Path, pixels: np.ndarray | None = None) -> None:
    """``pixels``, or a grey frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*SIZE, 3), 90, dtype=np.uint8) if pixels is None else pixels
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def kitti_step(root: Path) -> None:
    """Road below, two cars that move to the right, a crowd of persons, void in a corner."""
    for sequence in ("0002", "0006"):
        for frame in range(NUM_FRAMES):
            classes, instances = np.zeros(SIZE, dtype=int), np.zeros(SIZE, dtype=int)
            classes[:4, :4] = 255
            classes[:4, 20:] = 11
            for left, instance in ((frame, 300), (20 + frame, 7)):
                classes[box(left)], instances[box(left)] = 13, instance
            rgb = np.stack([classes, instances // 256, instances % 256], axis=-1)
            name = f"{sequence}/{frame:06d}.png"
            write_image(root / "kitti_step/panoptic_maps/val" / name, rgb)
            write_image(root / "kitti_step/image_02/training" / name)


def cityscapes_vps(root: Path) -> None:
    """Road and two cars; frames 0, 2 and 4 of the five are annotated."""
    images, listed, annotations = [], [], []
    for video in (1, 2):
        for frame in range(NUM_FRAMES):
            stem = f"{video:04d}_{frame:04d}_city"
            entry = {
                "id": video * 10000 + frame,
                "file_name": f"{stem}_newImg8bit.png",
                "height": SIZE[0],
                "width": SIZE[1],
            }
            listed.append(entry)
            write_image(root / "cityscapes_vps/val/img_all" / entry["file_name"])
            if frame % 2:
                continue
            images.append(entry)
            ids = np.full(SIZE, 5000)
            ids[box(frame)], ids[box(20 + frame)] = 26000, 26001
            ids[:2] = 0
            mask = f"{stem}_final_mask.png"
            write_id_map(root / "cityscapes_vps/val/panoptic_video" / mask, ids)
            segments = [
                {"id": i, "category_id": c, "iscrowd": 0, "area": int((ids == i).sum())}
                for i, c in ((5000, 0), (26000, 13), (26001, 13))
            ]
            annotations.append(
                {"image_id": entry["id"], "file_name": mask, "segments_info": segments}
            )
    categories = [{"id": i, "name": f"c{i}", "isthing": int(i >= 11)} for i in range(19)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    write_json(root / "cityscapes_vps/panoptic_gt_val_city_vps.json", truth)
    write_json(root / "cityscapes_vps/im_all_info_val_city_vps.json", {"images": listed})


def mevis(root: Path) -> None:
    """Two objects; one expression names the first, another one both."""
    names, videos, masks = [f"{t:05d}" for t in range(NUM_FRAMES)], {}, {}
    for index, video in enumerate(("dogs", "cats")):
        for number, left in enumerate((0, 20)):
            # The second object leaves after three frames.
            visible = NUM_FRAMES if number == 0 else 3
            rles = [dict(encode_mask(box(left + t))) for t in range(visible)]
            masks[str(2 * index + number)] = rles + [None] * (NUM_FRAMES - visible)
        anno = [2 * index, 2 * index + 1]
        expressions = {
            "0": {"exp": "the left one", "anno_id": anno[:1], "obj_id": [0]},
            "1": {"exp": "both", "anno_id": anno, "obj_id": [0, 1]},
        }
        videos[video] = {"frames": names, "expressions": expressions}
        for name in names:
            write_image(root / "mevis/valid_u/JPEGImages" / video / f"{name}.jpg")
    write_json(root / "mevis/valid_u/meta_expressions.json", {"videos": videos})
    write_json(root / "mevis/valid_u/mask_dict.json", masks)


def viposeg(root: Path) -> None:
    """Object 1 from the first frame on, object 2 is introduced in the third."""
    folder, meta = root / "viposeg/valid", {}
    for video in ("a", "b"):
        for frame in range(NUM_FRAMES):
            labels = np.where(box(frame), 1, 0)
            if frame >= 2:
                labels[box(20 + frame)] = 2
            write_image(folder / "JPEGImages" / video / f"{frame:05d}.jpg")
            write_image(folder / "Annotations_gt" / video / f"{frame:05d}.png", labels)
            if frame in (0, 2):
                write_image(folder / "Annotations" / video / f"{frame:05d}.png", labels)
        frames = [f"{t:05d}" for t in range(NUM_FRAMES)]
        objects = {
            str(i): {"category": "x", "frames": frames[start:]} for i, start in ((1, 0), (2, 2))
        }
        meta[video] = {"objects": objects}
    write_json(folder / "meta.json", {"videos": meta})
    write_json(folder / "obj_class.json", {video: {"1": 46, "2": 61} for video in meta})


def lvis(root: Path) -> None:
    """Two images with two objects each."""
    images, annotations = [], []
    for image_id in (3, 8):
        images.append(
            {
                "id": image_id,
                "coco_url": f"http://images.cocodataset.org/val2017/{image_id:012d}.jpg",
                "height": SIZE[0],
                "width": SIZE[1],
                "neg_category_ids": [12],
                "not_exhaustive_category_ids": [],
            }
        )
        write_image(root / f"coco/val2017/{image_id:012d}.jpg")
        for category_id, left in ((5, 2), (9, 25)):
            right = left + 10
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "area": 100.0,
                    "bbox": [left, 8, 10, 10],
                    "segmentation": [[left, 8, right, 8, right, 18, left, 18]],
                }
            )
    categories = [
        {"id": i, "name": f"c{i}", "frequency": f} for i, f in ((5, "f"), (9, "r"), (12, "c"))
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(root / "lvis/lvis_v1_val.json", content)


def ade20k(root: Path) -> None:
    """Two images with three of the 150 classes and a void row."""
    for index in range(2):
        labels = np.full(SIZE, 1)
        labels[box(index)], labels[box(20)], labels[:2] = 4, 150, 0
        name = f"ADE_val_{index:08d}"
        write_image(root / f"ADEChallengeData2016/images/validation/{name}.jpg")
        write_image(root / f"ADEChallengeData2016/annotations/validation/{name}.png", labels)


# Name of the registered data set -> what writes it below the root of all data sets.
MINIATURES = {
    "kitti_step_val": kitti_step,
    "cityscapes_vps_val": cityscapes_vps,
    "mevis_val_u": mevis,
    "viposeg_val": viposeg,
    "lvis_v1_val": lvis,
    "ade20k_semantic_val": ade20k,
}
