"""Which miniatures there are, and what datasets each makes ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from univs.data.miniatures import dense, instances, prompted, tarvis
from univs.data.miniatures.content import Videos
from univs.data.toy.difficulty import PRESETS
from univs.data.toy.video import SPLITS, make_video


@dataclass(frozen=True)
class Family:
    """Datasets that are downloaded together.

    Attributes:
        write: writes their files below a root.
        datasets: names in the catalogue that can be read then.
    """

    write: Callable[[Path, Videos], None]
    datasets: tuple[str, ...]


def _names(stem: str, *splits: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{split}" for split in splits)


_SPLITS = ("train", "val", "test")

#: By name.
FAMILIES: dict[str, Family] = {
    "youtube_vis": Family(
        instances.write_youtube_vis,
        (
            *_names("ytvis19", *_SPLITS),
            *_names("ytvis21", *_SPLITS, "dev"),
            "ytvis22_val_long",
        ),
    ),
    "ovis": Family(instances.write_ovis, _names("ovis", *_SPLITS, "dev")),
    "coco": Family(
        instances.write_coco,
        (
            *_names("coco_instance", "train", "val"),
            *_names("coco_panoptic", "train", "val"),
            *(n for d in ("ytvis19", "ytvis21", "ovis") for n in _names(f"coco_as_{d}", *SPLITS)),
        ),
    ),
    "lvis": Family(instances.write_lvis, _names("lvis_v1", "train", "val")),
    "objects365": Family(instances.write_objects365, _names("objects365", "train", "val")),
    "entityseg": Family(
        instances.write_entityseg,
        (*_names("entityseg_instance", *SPLITS), *_names("entityseg_panoptic", *SPLITS)),
    ),
    "segment_anything": Family(
        instances.write_segment_anything, ("sa1b_250k_1", "sa1b_250k_2", "sa1b_train")
    ),
    "ade20k": Family(
        dense.write_ade20k,
        (*_names("ade20k_semantic", *SPLITS), *_names("ade20k_panoptic", *SPLITS)),
    ),
    "cityscapes": Family(dense.write_cityscapes, _names("cityscapes_semantic", *SPLITS)),
    "mapillary": Family(dense.write_mapillary, _names("mapillary", *SPLITS)),
    "vipseg": Family(dense.write_vipseg, _names("vipseg", *_SPLITS, "dev", "dev0.01")),
    "vspw": Family(dense.write_vspw, _names("vspw", *_SPLITS, "dev")),
    "kitti_step": Family(dense.write_kitti_step, _names("kitti_step", *_SPLITS)),
    "cityscapes_vps": Family(dense.write_cityscapes_vps, _names("cityscapes_vps", *_SPLITS)),
    "viposeg": Family(prompted.write_viposeg, _names("viposeg", "train", "val", "dev", "dev0.25")),
    "davis": Family(
        prompted.write_davis,
        (
            *_names("davis16", *SPLITS),
            *_names("davis17", *SPLITS, "test_dev"),
            *_names("davis17_unsupervised", *SPLITS),
        ),
    ),
    "youtube_vos": Family(
        prompted.write_youtube_vos,
        (*_names("youtubevos18", *SPLITS), *_names("youtubevos19", *SPLITS)),
    ),
    "mose": Family(prompted.write_mose, _names("mose", *_SPLITS, "dev")),
    "burst": Family(
        prompted.write_burst,
        (
            "burst_train",
            *_names("burst_val", "mask", "point", "class"),
            *_names("burst_test", "mask", "point", "class"),
        ),
    ),
    "ref_youtube_vos": Family(prompted.write_ref_youtube_vos, _names("refytvos", *SPLITS)),
    "ref_davis": Family(prompted.write_ref_davis, _names("refdavis_val", *"0123")),
    "mevis": Family(prompted.write_mevis, _names("mevis", "train", "val_u", "val")),
    "refcoco": Family(
        prompted.write_refcoco,
        (
            *_names("refcoco", "train", "val", "testA", "testB"),
            *_names("refcocoplus", "train", "val", "testA", "testB"),
            *_names("refcocog", *_SPLITS),
            "refcoco_mixed_train",
        ),
    ),
    "flickr30k": Family(prompted.write_flickr30k, _names("flickr30k_entities", *SPLITS)),
    "raw": Family(
        prompted.write_raw,
        (
            *("custom_images", "custom_videos", "custom_videos_text"),
            *("custom_videos_text_internvid", "msr-vtt-test"),
        ),
    ),
    "tarvis": Family(
        tarvis.write_tarvis,
        (
            *("coco_panoptic_train", "cityscapes_panoptic_train", "mapillary_train"),
            *("kitti_step_train", "cityscapes_vps_train", "vipseg_train", "davis17_train"),
            *("ytvis21_train", "ytvis21_val", "ovis_train", "ovis_val"),
            *("burst_train", "burst_val_mask", "burst_val_point"),
        ),
    ),
}


def write_miniatures(
    root: str | Path,
    families: Iterable[str] | None = None,
    *,
    num_videos: int = 2,
    num_frames: int = 4,
    size: tuple[int, int] = (64, 96),
    seed: int = 0,
) -> None:
    """Write miniatures.

    Args:
        root: becomes the root of all datasets; files of families may not be there yet.
        families: names in :data:`FAMILIES`; None: all but ``tarvis``, whose datasets are those of
            others in another layout.
        num_videos: of each split.
        num_frames: of each video.
        size: height and width of the frames.
        seed: of the videos.

    Raises:
        ValueError: a family is not known.
        FileExistsError: the root is not empty.
    """
    root = Path(root)
    chosen = [name for name in FAMILIES if name != "tarvis"] if families is None else list(families)
    unknown = sorted(set(chosen) - FAMILIES.keys())
    if unknown:
        raise ValueError(f"There is no family {unknown[0]!r}; known are {', '.join(FAMILIES)}.")
    if root.exists() and any(root.iterdir()):
        raise FileExistsError(f"{root} is not empty; miniatures are written into a new folder.")
    videos = {
        split: [
            make_video(
                seed=seed,
                split=split,
                index=index,
                size=size,
                num_frames=num_frames,
                difficulty=PRESETS["default"],
            )
            for index in range(num_videos)
        ]
        for split in SPLITS
    }
    for name in chosen:
        FAMILIES[name].write(root, videos)
