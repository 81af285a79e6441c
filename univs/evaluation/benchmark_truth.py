"""From the metadata of a registered data set to what its results are compared with.

Metadata says where files lie; which of them hold the truth, and whether it is public at all, is a
matter of the benchmark and is decided here, for evaluators and for scoring files alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from detectron2.data import DatasetCatalog, Metadata
from univs.evaluation.label_map_files import read_label_map
from univs.evaluation.metadata import class_names, required
from univs.evaluation.metrics.segmentation_tracking import StqProtocol
from univs.evaluation.panoptic_video_truth import (
    FRAMES_PER_VIDEO,
    CityscapesVpsTruth,
    PanopticVideoTruth,
)
from univs.evaluation.referring import ReferringTruth
from univs.evaluation.step import StepTruth
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
    "burst_class": "burst_class",
    "coco": "image_instance",
    "lvis": "image_instance",
    "coco_panoptic_seg": "image_panoptic",
    "sem_seg": "image_semantic",
}
_DAVIS_RESOLUTIONS = ("480p", "Full-Resolution")
_KINDS_OF_LAYOUTS = {
    ("vos", "refytvos"): "referring",
    ("vos", "mevis"): "referring",
    ("vos", "burst"): "burst",
    ("video_panoptic_seg", "kitti_step"): "step",
}


def benchmark_kind(metadata: Metadata) -> str:
    """What kind of benchmark a data set is, such as ``youtube_vis`` or ``video_object``.

    Raises:
        ValueError: there is no evaluator for it.
    """
    kind = metadata.get("evaluator_type", "")
    layout = metadata.get("layout")
    if kind not in _KINDS:
        raise ValueError(
            f"Dataset {metadata.name} has the evaluator type {kind!r}, for which there is no "
            f"evaluator; known are {', '.join(sorted(_KINDS))}."
        )
    return _KINDS_OF_LAYOUTS.get((kind, layout), _KINDS[kind])


def listed_videos(metadata: Metadata) -> list[str] | None:
    """Videos of the split by its text file, or of the part of it; None if there is no such file."""
    if metadata.get("part"):
        return [entry["video_id"] for entry in DatasetCatalog.get(metadata.name)]
    path = metadata.get("split_txt")
    if path is None:
        return None
    return [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]


def panoptic_video_truth(metadata: Metadata) -> PanopticVideoTruth | None:
    """Segments and colour-coded maps of a panoptic video data set; None if they are not public.

    VIPSeg's evaluation reads files that its own conversion script makes: ``panomasksRGB`` beside
    the 16-bit ``panomasks``, and ``panoptic_gt_VIPSeg_<split>.json``.

    Raises:
        FileNotFoundError: they are missing; the message says how to make them.
        ValueError: the files are broken.
    """
    is_test = metadata.name.endswith("_test")
    if is_test and metadata.get("panoptic_root") is None:
        return None
    if metadata.get("layout") == "cityscapes_vps":
        required(metadata, "panoptic_root")
        return CityscapesVpsTruth(required(metadata, "panoptic_json"), metadata.panoptic_root)
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
    if missing and is_test:
        return None
    if missing:
        raise FileNotFoundError(
            f"Results on {metadata.name} cannot be scored without {' and '.join(missing)}. Make "
            "them with change2_720p.py and create_panoptic_video_labels.py of the VIPSeg download."
        )
    truth = PanopticVideoTruth(json_file, colors)
    if metadata.get("part"):
        truth.videos = {name: truth.videos[name] for name in listed_videos(metadata)}
    return truth


def cityscapes_vps_images(metadata: Metadata) -> dict[str, int] | None:
    """Numbers of the images of Cityscapes-VPS that are scored, by their names without ending.

    These are every fifth of the 30 frames of a video, which count from 1. None for other layouts.
    """
    if metadata.get("layout") != "cityscapes_vps":
        return None
    images = json.loads(Path(required(metadata, "json_file")).read_text())["images"]
    return {
        Path(image["file_name"]).stem: image["id"]
        for image in images
        if image["id"] % FRAMES_PER_VIDEO % 5 == 0
    }


def step_things(metadata: Metadata) -> list[int]:
    """Classes of a data set in the layout of KITTI-STEP whose instances are tracked."""
    return sorted(metadata.get("thing_dataset_id_to_contiguous_id", {}).values())


def step_truth(metadata: Metadata) -> StepTruth | None:
    """Maps of class and instance; None if they are not public.

    Raises:
        FileNotFoundError: they are missing.
    """
    if metadata.get("panoptic_root") is None:
        return None
    protocol = StqProtocol(len(class_names(metadata)), tuple(step_things(metadata)))
    return StepTruth(metadata.panoptic_root, protocol)


def not_public(metadata: Metadata) -> str:
    """What to tell who wants to score results on a data set without public truth."""
    return (
        f"The truth of {metadata.name} is not public, or not complete here. Hand the results in to "
        "the server of the benchmark."
    )


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
    if metadata.get("layout") == "mevis":
        masks = metadata.get("mask_root")
        is_public = masks is not None and Path(masks).is_file() and _all_have("anno_id", videos)
        return ReferringTruth(path, mask_file=masks if is_public else None)
    # The published validation file also lists the videos of the test file.
    test_file = path.parent.parent / "test" / path.name
    if path.parent.name == "valid" and test_file.is_file():
        hidden = json.loads(test_file.read_text(encoding="utf-8"))["videos"]
        videos = {name: video for name, video in videos.items() if name not in hidden}
    mask_dir = metadata.get("truth", metadata.get("mask_root"))
    is_public = _all_have("obj_id", videos)
    return ReferringTruth(path, mask_dir=mask_dir if is_public else None, videos=sorted(videos))


def _all_have(key: str, videos: Mapping[str, Mapping]) -> bool:
    return all(key in item for video in videos.values() for item in video["expressions"].values())


def video_object_protocol(
    metadata: Metadata, *, allow_missing: bool = False, results: Path | None = None
) -> VideoObjectProtocol | None:
    """The protocol of a data set of object masks; None if its truth is not public.

    Ref-DAVIS17 uses the unsupervised protocol, but keeps the ids of results.

    Args:
        metadata: of a registered data set.
        allow_missing: see `VideoObjectProtocol`.
        results: folder of results, whose size says which of the annotations of DAVIS are meant,
            480p or full resolution; None takes those that the data set is registered with.

    Raises:
        FileNotFoundError: files are missing.
        ValueError: the files contradict one another.
    """
    options = {"allow_missing": allow_missing}
    layout = metadata.get("layout")
    if metadata.evaluator_type == "davis":
        mask_root = Path(required(metadata, "mask_root"))
        if results is not None:
            mask_root = _masks_of_size(mask_root, results)
        options["videos"] = listed_videos(metadata)
        if layout == "refdavis":
            protocol = DavisProtocol(mask_root, task="unsupervised", **options)
            protocol.max_objects = None  # the expressions say which object a mask is
            return protocol
        if layout == "davis_unsupervised":
            return DavisProtocol(mask_root, task="unsupervised", **options)
        return DavisProtocol(mask_root, is_binary=layout == "davis_binary", **options)
    truth = _public_masks(metadata)
    if truth is None:
        return None
    if metadata.get("part"):
        options["videos"] = listed_videos(metadata)
    if layout == "youtube_vos":
        meta_file = Path(required(metadata, "json_file"))
        return YouTubeVosProtocol(
            truth, meta_file=meta_file, seen_categories=_seen_categories(meta_file), **options
        )
    if layout == "viposeg" and metadata.get("domain") == "vipseg":
        return VipoSegProtocol(
            truth,
            reference_dir=required(metadata, "mask_root"),
            classes_file=truth.parent / "obj_class.json",
            **options,
        )
    if layout == "mose":
        return MoseProtocol(truth, **options)
    return VosProtocol(truth, **options)


def _masks_of_size(mask_root: Path, results: Path) -> Path:
    """The folder beside ``mask_root`` whose masks are as large as the results, or itself."""
    for path in sorted(results.glob("*/*.png"))[:1]:
        size = read_label_map(path).shape
        for folder in (mask_root, *(mask_root.with_name(name) for name in _DAVIS_RESOLUTIONS)):
            truth = folder / path.parent.name / path.name
            if truth.is_file() and read_label_map(truth).shape == size:
                return folder
    return mask_root


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
