"""Toy datasets of every layout, registered; and hand-written records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from detectron2.data import MetadataCatalog
from univs.config import load_config
from univs.data import register_datasets
from univs.data.frames import ImageFrames
from univs.data.mask_source import RleMasks
from univs.data.record import ObjectRecord, VideoRecord
from univs.data.toy import LAYOUTS, PRESETS, ToyVideo, generate, make_video

SETTINGS = {"seed": 5, "size": (48, 80), "num_frames": 4}
COUNTS = {"train": 4, "val": 2}


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of all datasets; below it the files of the toy datasets."""
    root = tmp_path_factory.mktemp("datasets")
    generate(
        root / "toy",
        num_train_videos=COUNTS["train"],
        num_val_videos=COUNTS["val"],
        layouts=tuple(LAYOUTS),
        progress=False,
        **SETTINGS,
    )
    return root


@pytest.fixture
def toy_datasets(toy_files: Path) -> Path:
    """The same root, registered: tests of other folders may have registered theirs since."""
    place = MetadataCatalog.get("toy_ytvis_train").get("image_root", "")
    if not place.startswith(f"{toy_files}/"):
        register_datasets(toy_files)
    return toy_files


@pytest.fixture(scope="session")
def videos_in_memory() -> dict[str, list[ToyVideo]]:
    """The videos of the toy datasets, by split."""
    return {
        split: [
            make_video(split=split, index=index, difficulty=PRESETS["default"], **SETTINGS)
            for index in range(count)
        ]
        for split, count in COUNTS.items()
    }


def rle_masks(masks: np.ndarray) -> RleMasks:
    """Run lengths of ``[T, H, W]`` bool, for the frames in which the mask is not empty."""
    frames = tuple(np.flatnonzero(masks.any(axis=(1, 2))).tolist())
    encoded = [coco_mask.encode(np.asfortranarray(masks[t], np.uint8))["counts"] for t in frames]
    return RleMasks(size=masks.shape[1:], frames=frames, segments=tuple(encoded))


@pytest.fixture
def make_record(tmp_path: Path) -> Callable[..., VideoRecord]:
    """Writes a random video and describes it: ``make_record(masks, categories, crowds)``.

    ``masks`` are ``[N, T, H, W]`` bool.
    """

    def make(
        masks: np.ndarray, categories: tuple[int, ...] = (), crowds: tuple[int, ...] = ()
    ) -> VideoRecord:
        random = np.random.default_rng(0)
        count, length, height, width = masks.shape
        names = []
        for frame in range(length):
            names.append(f"{frame:05d}.png")
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / names[-1])
        sources = [rle_masks(masks[number]) for number in range(count)]
        return VideoRecord(
            dataset="handmade",
            domain="ytvis19",
            video_id="clip",
            official_id="clip",
            frames=ImageFrames(tmp_path, names),
            size=(height, width),
            objects=tuple(
                ObjectRecord(
                    id=number,
                    official_id=100 + number,
                    category=categories[number] if categories else number,
                    masks=source,
                    frames=source.frames,
                    is_crowd=number in crowds,
                )
                for number, source in enumerate(sources)
            ),
        )

    return make


@pytest.fixture
def toy_config():
    """The config of the toy video model, not frozen."""
    path = Path(__file__).resolve().parents[2] / "configs" / "toy" / "mask2former_video.yaml"
    return load_config(path, [])
