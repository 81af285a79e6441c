"""Evaluation of video models: every benchmark video goes through a session, like any other.

Still images, which some video models segment as well, go to the model itself.
"""

from __future__ import annotations

from torch import nn

from detectron2.data import Metadata, MetadataCatalog
from univs.engine.frame_selection import at_positions, frames_to_segment, spread
from univs.engine.record_targets import targets_of, task_of
from univs.structures import VideoResult
from univs.tracking import Segmenter
from univs.tracking.session import CATEGORY_TASKS, Session


class VideoInference:
    """Called with the samples of a test loader, as a model would be."""

    def __init__(self, model: nn.Module, cfg) -> None:
        self.segmenter = Segmenter(model, cfg, class_names=())
        self._frames = cfg.TEST.FRAMES

    def __call__(self, samples: list[dict]) -> list[VideoResult | dict]:
        """
        Args:
            samples: per video ``record``, whose ``frames`` decode when they are read; or per still
                image also ``image``.

        Returns:
            the result of each video, with as many (track, category) pairs as the config allows; of
            a still image what the model says of it.
        """
        return [
            self.segmenter.model([sample])[0] if "image" in sample else self.segment(sample)
            for sample in samples
        ]

    def segment(self, sample: dict) -> VideoResult:
        """Segment one video, one frame in memory at a time, with the targets its dataset gives.

        Raises:
            ValueError: the model cannot do what the dataset asks for.
        """
        record = sample["record"]
        metadata = MetadataCatalog.get(record.dataset)
        task = task_of(metadata.get("evaluator_type", ""), record)
        if task not in self.segmenter.tasks:
            raise ValueError(
                f"{record.dataset} asks for the task {task}, but the model does only "
                f"{', '.join(self.segmenter.tasks)}: change DATASETS.TEST or the model"
            )
        with self.segmenter.session(
            task, vocabulary=record.domain, one_category_per_track=False
        ) as session:
            if task in CATEGORY_TASKS:
                _check_classes(metadata, record.domain, session)
            frames = frames_to_segment(record, self._frames)
            for target in at_positions(targets_of(task, record), frames):
                session.add(target)
            for frame in frames:
                session.push(record.frames[frame])
            return spread(session.finish(), frames, len(record))


def _check_classes(metadata: Metadata, domain: str | None, session: Session) -> None:
    known, asked_for = session.class_names, metadata.get("class_names")
    if known and asked_for and len(known) != len(asked_for):
        raise ValueError(
            f"{metadata.name} has {len(asked_for)} classes, but the class list {domain!r} of the "
            f"model has {len(known)}, so categories would be numbered otherwise. The published "
            "table of UniVS has the classes of LVIS for BURST; tools/extract_concept_embeddings.py "
            "makes a table with the classes of a data set."
        )
