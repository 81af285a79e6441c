"""Data of one's own in every form: described, registered, listed, checked and trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools import mask as coco_mask

import univs  # noqa: F401
from detectron2.data import DatasetCatalog, MetadataCatalog
from reference.models import CONFIGS
from univs.app.command_line import main
from univs.config import load_config
from univs.data import register_datasets
from univs.data.mapper import build_mapper
from univs.data.toy.layouts.encoding import encode_palette_png, encode_png, rgb_ids

SIZE = (48, 64)  # height, width
FRAMES = ("00000.jpg", "00001.jpg", "00002.jpg")
BOX = (10, 8, 40, 32)  # left, top, right, bottom
CATEGORIES = [{"id": 3, "name": "cat", "isthing": 1}, {"id": 4, "name": "sky", "isthing": 0}]


def truth() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    return mask


def rle() -> dict:
    encoded = coco_mask.encode(np.asfortranarray(truth(), np.uint8))
    return {"size": list(SIZE), "counts": encoded["counts"].decode()}


def write_frames(folder: Path) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in FRAMES:
        pixels = random.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def coco(folder: Path) -> dict:
    write_frames(folder / "frames")
    size = {"height": SIZE[0], "width": SIZE[1]}
    content = {
        "images": [{"id": i, "file_name": name, **size} for i, name in enumerate(FRAMES, 1)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 3, "segmentation": rle()} for i in (1, 2, 3)
        ],
        "categories": CATEGORIES[:1],
    }
    (folder / "mine.json").write_text(json.dumps(content))
    return {"annotations": "mine.json"}


def youtube_vis(folder: Path) -> dict:
    write_frames(folder / "frames" / "clip")
    names = [f"clip/{name}" for name in FRAMES]
    content = {
        "videos": [{"id": 1, "height": SIZE[0], "width": SIZE[1], "file_names": names}],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 3, "segmentations": [rle(), rle(), rle()]}
        ],
        "categories": CATEGORIES[:1],
    }
    (folder / "mine.json").write_text(json.dumps(content))
    return {"annotations": "mine.json"}


def davis(folder: Path) -> dict:
    write_frames(folder / "frames" / "clip")
    (folder / "masks" / "clip").mkdir(parents=True)
    for name in FRAMES:
        target = folder / "masks" / "clip" / name.replace("jpg", "png")
        target.write_bytes(encode_palette_png(truth().astype(np.uint8)))
    return {"masks": "masks"}


def panoptic(folder: Path) -> dict:
    described = coco(folder)
    content = json.loads((folder / "mine.json").read_text())
    ids = np.where(truth(), 700, 300)
    (folder / "masks").mkdir()
    for name in FRAMES:
        (folder / "masks" / name.replace("jpg", "png")).write_bytes(encode_png(rgb_ids(ids)))
    segments = [{"id": 700, "category_id": 3}, {"id": 300, "category_id": 4}]
    content["annotations"] = [
        {"image_id": i, "file_name": name.replace("jpg", "png"), "segments_info": segments}
        for i, name in enumerate(FRAMES, 1)
    ]
    content["categories"] = CATEGORIES
    (folder / "mine.json").write_text(json.dumps(content))
    return {**described, "masks": "masks"}


_LABELS = (
    "<meta><task><name>clip</name><labels><label><name>cat</name></label></labels></task></meta>"
)
_POINTS = f"{BOX[0]},{BOX[1]};{BOX[2]},{BOX[1]};{BOX[2]},{BOX[3]};{BOX[0]},{BOX[3]}"


def cvat_images(folder: Path) -> dict:
    write_frames(folder / "frames")
    left, top, right, bottom = BOX
    shapes = (
        f'<polygon label="cat" points="{_POINTS}"/>',
        f'<mask label="cat" left="{left}" top="{top}" width="{right - left}" '
        f'height="{bottom - top}" rle="0, {(right - left) * (bottom - top)}"/>',
        f'<box label="cat" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"/>',
    )
    images = "".join(
        f'<image id="{i}" name="{name}" width="{SIZE[1]}" height="{SIZE[0]}">{shape}</image>'
        for i, (name, shape) in enumerate(zip(FRAMES, shapes, strict=True))
    )
    text = f"<annotations><version>1.1</version>{_LABELS}{images}</annotations>"
    (folder / "annotations.xml").write_text(text)
    return {"annotations": "annotations.xml"}


def cvat_video(folder: Path) -> dict:
    write_frames(folder / "frames")
    shapes = "".join(
        f'<polygon frame="{frame}" outside="{int(frame == 2)}" points="{_POINTS}"/>'
        for frame in range(3)
    )
    track = f'<track id="0" label="cat">{shapes}</track>'
    (folder / "annotations.xml").write_text(f"<annotations>{_LABELS}{track}</annotations>")
    return {"annotations": "annotations.xml"}


def label_studio(folder: Path) -> dict:
    write_frames(folder / "frames")
    height, width = SIZE
    left, top, right, bottom = BOX
    share = np.array([100 / width, 100 / height])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) * share
    values = (
        {"type": "polygonlabels", "value": {"points": corners.tolist()}},
        {
            "type": "rectanglelabels",
            "value": dict(
                zip(
                    ("x", "y", "width", "height"),
                    [*corners[0].tolist(), *(corners[2] - corners[0]).tolist()],
                    strict=True,
                )
            ),
        },
        {"type": "brushlabels", "value": {"format": "rle", "rle": packed_brush(truth())}},
    )
    tasks = []
    for number, (name, region) in enumerate(zip(FRAMES, values, strict=True), 1):
        region["value"][region["type"]] = ["cat"]
        region |= {"id": f"r{number}", "original_width": width, "original_height": height}
        tasks.append(
            {
                "id": number,
                "data": {"image": f"/data/upload/1/3f2a-{name}"},
                "annotations": [{"was_cancelled": False, "result": [region]}],
            }
        )
    (folder / "mine.json").write_text(json.dumps(tasks))
    return {"annotations": "mine.json"}


def packed_brush(mask: np.ndarray) -> list[int]:
    """An RGBA image whose alpha is ``mask``, as Label Studio packs it, every word by itself."""
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask] = 255
    values = pixels.reshape(-1)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    start = 0
    while start < len(values):
        end = start + 1
        while end < len(values) and values[end] == values[start] and end - start < 65536:
            end += 1
        bits += f"1{3:02b}{end - start - 1:016b}{values[start]:08b}"
        start = end
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


FORMS = {
    "coco": (coco, "coco"),
    "youtube_vis": (youtube_vis, "youtube_vis"),
    "davis": (davis, "davis"),
    "panoptic": (panoptic, "panoptic"),
    "cvat_images": (cvat_images, "cvat"),
    "cvat_video": (cvat_video, "cvat"),
    "label_studio": (label_studio, "label_studio"),
}


@pytest.fixture
def root(tmp_path):
    """An empty root of all datasets; what was registered before comes back afterwards."""
    before = None
    if "toy_ytvis_train" in DatasetCatalog.list():
        before = MetadataCatalog.get("toy_ytvis_train").image_root.split("/toy/")[0]
    yield tmp_path / "root"
    if "mine_train" in DatasetCatalog.list():
        DatasetCatalog.remove("mine_train")
        MetadataCatalog.remove("mine_train")
    if before is not None:
        register_datasets(before)


@pytest.mark.parametrize("form", FORMS)
def test_data_of_ones_own_can_be_trained_on_without_python(
    form, root, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("UNIVS_DATASETS", str(root))
    write, kind = FORMS[form]
    folder = tmp_path / "mine"
    folder.mkdir()
    described = {"name": "mine_train", "format": kind, "images": "frames", **write(folder)}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(described))

    assert main(["data", "register", str(path)]) == 0, capsys.readouterr().err
    assert "mine_train: " in capsys.readouterr().out
    assert main(["data", "list", "mine"]) == 0
    assert "1 ready" in capsys.readouterr().out
    assert main(["data", "check", "mine_train", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "3 frames" in capsys.readouterr().out
    assert (tmp_path / "sheet.png").is_file()

    register_datasets(root)
    cfg = load_config(CONFIGS / "toy" / "mask2former_video.yaml", ["INPUT.RANDOM_FLIP", "none"])
    cfg.DATASETS.TRAIN = ("mine_train",)
    cfg.INPUT.MIN_SIZE_TRAIN = (0,)  # keeps the size, so that masks can be compared
    cfg.INPUT.PSEUDO.MIN_SIZE_TRAIN = (0,)
    cfg.INPUT.PSEUDO.AUGMENTATIONS = []
    mapper = build_mapper(cfg, is_train=True, dataset_name="mine_train")
    for entry in DatasetCatalog.get("mine_train"):
        sample = mapper(entry)
        assert len(sample["image"]) == 2
        for instances in sample["instances"]:
            for mask, number in zip(instances.gt_masks.tensor, instances.gt_ids, strict=True):
                if number == 0:
                    np.testing.assert_array_equal(mask.numpy(), truth())
        assert any((frame.gt_ids == 0).any() for frame in sample["instances"])
    if kind != "davis":
        assert MetadataCatalog.get("mine_train").thing_classes == ["cat"]
