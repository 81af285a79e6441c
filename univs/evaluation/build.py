"""Chooses the evaluator of a dataset by the ``evaluator_type`` of its metadata."""

from __future__ import annotations

import os
from collections.abc import Callable

from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from univs.evaluation import benchmark_truth as truth
from univs.evaluation.burst import BurstEvaluator
from univs.evaluation.image_instance import ImageInstanceEvaluator
from univs.evaluation.image_panoptic import ImagePanopticEvaluator
from univs.evaluation.image_semantic import ImageSemanticEvaluator
from univs.evaluation.label_map_files import voc_palette, youtube_vos_palette
from univs.evaluation.metadata import class_names, dataset_ids, required
from univs.evaluation.panoptic_submission import PanopticSubmissionEvaluator
from univs.evaluation.referring import ReferringEvaluator
from univs.evaluation.step import StepEvaluator
from univs.evaluation.video_instance import YoutubeVISEvaluator
from univs.evaluation.video_object import VideoObjectEvaluator
from univs.evaluation.video_panoptic import VideoPanopticEvaluator
from univs.evaluation.video_semantic import VideoSemanticEvaluator


def _youtube_vis(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return YoutubeVISEvaluator(metadata.name, output_dir)


def _video_panoptic(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    annotations = truth.panoptic_video_truth(metadata)
    if annotations is None:
        image_ids = truth.cityscapes_vps_images(metadata)
        return PanopticSubmissionEvaluator(len(class_names(metadata)), output_dir, image_ids)
    return VideoPanopticEvaluator(annotations, output_dir)


def _step(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return StepEvaluator(truth.step_truth(metadata), truth.step_things(metadata), output_dir)


def _video_semantic(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return VideoSemanticEvaluator(
        class_names(metadata), output_dir, video_ids=truth.listed_videos(metadata)
    )


def _video_object(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    is_youtube = metadata.get("layout") == "youtube_vos"
    return VideoObjectEvaluator(
        truth.video_object_protocol(metadata),
        output_dir=output_dir,
        palette=youtube_vos_palette() if is_youtube else voc_palette(),
    )


def _referring(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return ReferringEvaluator(truth.referring_truth(metadata), output_dir=output_dir)


def _burst(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return BurstEvaluator(
        {"all": truth.burst_truth_file(metadata)}, task="exemplar_guided", output_dir=output_dir
    )


def _burst_class(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return BurstEvaluator(
        {"all": truth.burst_truth_file(metadata)},
        task="class_guided",
        category_ids=dataset_ids(metadata),
        output_dir=output_dir,
    )


def _image_instance(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return ImageInstanceEvaluator(metadata.name, output_dir)


def _image_panoptic(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return ImagePanopticEvaluator(
        required(metadata, "panoptic_json"),
        required(metadata, "panoptic_root"),
        dataset_ids(metadata),
        output_dir,
    )


def _image_semantic(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return ImageSemanticEvaluator(
        class_names(metadata),
        output_dir,
        class_ids=metadata.get("class_ids"),
        image_ids=[entry["video_id"] for entry in DatasetCatalog.get(metadata.name)],
    )


# Indexed by the kind of benchmark; called with the metadata and the folder for result files.
EVALUATORS: dict[str, Callable[[Metadata, str], DatasetEvaluator]] = {
    "youtube_vis": _youtube_vis,
    "video_panoptic": _video_panoptic,
    "step": _step,
    "video_semantic": _video_semantic,
    "video_object": _video_object,
    "referring": _referring,
    "burst": _burst,
    "burst_class": _burst_class,
    "image_instance": _image_instance,
    "image_panoptic": _image_panoptic,
    "image_semantic": _image_semantic,
}


def build_evaluator(dataset_name: str, output_dir: str | os.PathLike) -> DatasetEvaluator:
    """The evaluator of a registered dataset.

    Where the truth is not public, the evaluator only writes the files of a submission.

    Args:
        dataset_name: registered name.
        output_dir: where result files are written.

    Raises:
        ValueError: the dataset has no evaluator, or its metadata lacks an entry.
        FileNotFoundError: files of the truth are missing.
    """
    metadata = MetadataCatalog.get(dataset_name)
    return EVALUATORS[truth.benchmark_kind(metadata)](metadata, os.fspath(output_dir))
