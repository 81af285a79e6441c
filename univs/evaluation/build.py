"""Chooses the evaluator of a dataset by the ``evaluator_type`` of its metadata."""

from __future__ import annotations

import os
from collections.abc import Callable

from detectron2.data import Metadata, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator

from univs.evaluation.video_instance import YoutubeVISEvaluator


def _youtube_vis(metadata: Metadata, output_dir: str) -> DatasetEvaluator:
    return YoutubeVISEvaluator(metadata.name, output_dir)


# Indexed by evaluator type; called with the metadata and the folder for result files.
_EVALUATORS: dict[str, Callable[[Metadata, str], DatasetEvaluator]] = {"ytvis": _youtube_vis}


def build_evaluator(dataset_name: str, output_dir: str | os.PathLike) -> DatasetEvaluator:
    """The evaluator of a registered dataset.

    Args:
        dataset_name: registered name.
        output_dir: where result files are written.

    Raises:
        ValueError: the dataset has no evaluator.
    """
    metadata = MetadataCatalog.get(dataset_name)
    kind = metadata.get("evaluator_type", "")
    if kind not in _EVALUATORS:
        raise ValueError(
            f"Dataset {dataset_name} has the evaluator type {kind!r}, for which there is no "
            f"evaluator; known are {', '.join(sorted(_EVALUATORS))}."
        )
    return _EVALUATORS[kind](metadata, os.fspath(output_dir))
