"""From the metadata of a registered data set to what its results are compared with.

Metadata says where files lie; which of them hold the truth, and whether it is public at all, is a
matter of the benchmark and is decided here, for evaluators and for scoring files alike.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from detectron2.data import Metadata
from univs.evaluation.referring import ReferringTruth
from univs.evaluation.video_object_protocols import (
    DavisProtocol,
    MoseProtocol,
    VideoObjectProtocol,
    VipoSegProtocol,
    VosProtocol,
    YouTubeVosProtocol,
)

# Kind of benchmark by evaluator type, and by layout where one type serves several.
_KINDS = {
    "ytvis": "youtube_vis",
    "video_panoptic_seg": "video_panoptic",
    "video_semantic_seg": "video_semantic",
    "davis": "video_object",
    "vos": "video_object",
    "pvos": "video_object",
    "burst_point": "burst",
    "coco": "image_instance",
    "coco_panoptic_seg": "image_panoptic",
    "sem_seg": "image_semantic",
}
# Layouts whose results no evaluator of this project reads.
_UNSCORED_LAYOUTS = ("kitti_step", "cityscapes_vps", "mevis")
_KINDS_OF_LAYOUTS = {("vos", "refytvos"): "referring", ("vos", "burst"): "burst"}


def benchmark_kind(metadata: Metadata) -> str:
    """What kind of benchmark a data set is, such as ``youtube_vis`` or ``video_object``.

    Raises:
        ValueError: there is no evaluator for it.
    """
    kind = metadata.get("evaluator_type", "")
    layout = metadata.get("layout")
    if layout in _UNSCORED_LAYOUTS:
        raise ValueError(
            f"Results on {metadata.name} cannot be scored: there is no evaluator for files in the "
            f"layout {layout!r}."
        )
    if kind not in _KINDS:
        raise ValueError(
            f"Dataset {metadata.name} has the evaluator type {kind!r}, for which there is no "
            f"evaluator; known are {', '.join(sorted(_KINDS))}."
        )
    return _KINDS_OF_LAYOUTS.get((kind, layout), _KINDS[kind])


def required(metadata: Metadata, key: str) -> str:
    """An entry of the metadata.

    Raises:
        ValueError: it is missing.
    """
    if not hasattr(metadata, key):
        raise ValueError(
            f"The metadata of the data set {metadata.name!r} has no {key!r}; set it where the data "
            "set is registered."
        )
    return getattr(metadata, key)


def class_names(metadata: Metadata) -> list[str]:
    """Names of the classes in the order in which results count them.

    Raises:
        ValueError: the metadata does not say.
    """
    if not hasattr(metadata, "class_names") and not metadata.get("thing_classes"):
        return list(required(metadata, "stuff_classes"))
    return list(required(metadata, "class_names"))


def dataset_ids(metadata: Metadata) -> dict[int, int]:
    """Category id of the data set by contiguous category, things and stuff."""
    tables = [
        metadata.get(f"{kind}_dataset_id_to_contiguous_id", {}) for kind in ("thing", "stuff")
    ]
    return {contiguous: official for table in tables for official, contiguous in table.items()}


def listed_videos(metadata: Metadata) -> list[str] | None:
    """Videos of the split by its text file; None if there is no such file."""
    path = metadata.get("split_txt")
    if path is None:
        return None
    return [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]


def panoptic_files(metadata: Metadata) -> tuple[Path, Path]:
    """JSON file and folder of colour-coded maps of a panoptic video data set.

    VIPSeg's evaluation reads files that its own conversion script makes: ``panomasksRGB`` beside
    the 16-bit ``panomasks``, and ``panoptic_gt_VIPSeg_<split>.json``.

    Raises:
        FileNotFoundError: they are missing; the message says how to make them.
    """
    masks = Path(required(metadata, "panoptic_root"))
    colors = masks.with_name("panomasksRGB")
    if metadata.get("panoptic_json"):
        json_file = Path(metadata.panoptic_json)
    else:
        name = f"panoptic_gt_VIPSeg_{Path(required(metadata, 'split_txt')).stem}.json"
        candidates = (masks.parent / name, masks.parent.parent / name)
        json_file = next((path for path in candidates if path.exists()), candidates[0])
    colors = colors if masks.name == "panomasks" else masks
    missing = [str(path) for path in (json_file, colors) if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"Results on {metadata.name} cannot be scored without {' and '.join(missing)}. Make "
            "them with change2_720p.py and create_panoptic_video_labels.py of the VIPSeg download."
        )
    return json_file, colors


def burst_truth_file(metadata: Metadata) -> Path:
    """The BURST file with the tracks of all frames.

    Raises:
        FileNotFoundError: it is missing.
    """
    beside = Path(required(metadata, "json_file")).with_name("all_classes.json")
    path = Path(metadata.get("truth", beside))
    if not path.is_file():
        raise FileNotFoundError(f"The truth of {metadata.name} is missing: {path}.")
    return path


def referring_truth(metadata: Metadata) -> ReferringTruth:
    """Expressions, and masks if the expressions say which object they mean."""
    path = Path(required(metadata, "json_file"))
    videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
    # The published validation file also lists the videos of the test file.
    test_file = path.parent.parent / "test" / path.name
    if path.parent.name == "valid" and test_file.is_file():
        hidden = json.loads(test_file.read_text(encoding="utf-8"))["videos"]
        videos = {name: video for name, video in videos.items() if name not in hidden}
    is_public = all(
        "obj_id" in item for video in videos.values() for item in video["expressions"].values()
    )
    mask_dir = metadata.get("truth", metadata.get("mask_root")) if is_public else None
    return ReferringTruth(path, mask_dir=mask_dir, videos=sorted(videos))


def video_object_protocol(
    metadata: Metadata, *, allow_missing: bool = False
) -> VideoObjectProtocol | None:
    """The protocol of a data set of object masks; None if its truth is not public.

    Ref-DAVIS17 uses the unsupervised protocol, but keeps the ids of results.

    Raises:
        FileNotFoundError: files are missing.
        ValueError: the files contradict one another.
    """
    options = {"allow_missing": allow_missing}
    layout = metadata.get("layout")
    if metadata.evaluator_type == "davis":
        mask_root = required(metadata, "mask_root")
        options["videos"] = listed_videos(metadata)
        if layout == "refdavis":
            protocol = DavisProtocol(mask_root, task="unsupervised", **options)
            protocol.max_objects = None  # the expressions say which object a mask is
            return protocol
        return DavisProtocol(mask_root, is_binary=layout == "davis_binary", **options)
    truth = _public_masks(metadata)
    if truth is None:
        return None
    if layout == "youtube_vos":
        meta_file = Path(required(metadata, "json_file"))
        return YouTubeVosProtocol(
            truth, meta_file=meta_file, seen_categories=_seen_categories(meta_file), **options
        )
    if layout == "viposeg":
        return VipoSegProtocol(
            truth,
            reference_dir=required(metadata, "mask_root"),
            classes_file=truth.parent / "obj_class.json",
            **options,
        )
    if layout == "mose":
        return MoseProtocol(truth, **options)
    return VosProtocol(truth, **options)


def _public_masks(metadata: Metadata) -> Path | None:
    """Folder of the masks of all frames; None if there are only those of first frames."""
    truth = metadata.get("truth")
    if truth is not None:
        return Path(truth) if Path(truth).is_dir() else None
    masks, images = (Path(required(metadata, key)) for key in ("mask_root", "image_root"))
    if not masks.is_dir():
        return None
    for folder in sorted(path for path in masks.iterdir() if path.is_dir()):
        num_frames = len(_files(images / folder.name))
        if num_frames > 1:
            return masks if len(_files(folder)) == num_frames else None
    return None


def _files(folder: Path) -> Sequence[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _seen_categories(meta_file: Path) -> set[str]:
    """Categories of the training split, whose ``meta.json`` lies in the folder ``train`` beside.

    Raises:
        FileNotFoundError: it is missing.
    """
    path = meta_file.parent.parent / "train" / "meta.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; it tells the seen categories from the unseen ones."
        )
    videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
    return {item["category"] for video in videos.values() for item in video["objects"].values()}
