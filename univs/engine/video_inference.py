"""Evaluation of video models: every benchmark video goes through a session, like any other.

Still images, which some video models segment as well, go to the model itself.
"""

from __future__ import annotations

from torch import nn

from detectron2.data import MetadataCatalog
from univs.engine.frame_selection import at_positions, frames_to_segment, spread
from univs.engine.record_targets import targets_of, task_of
from univs.structures import VideoResult
from univs.tracking import Segmenter


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
        evaluator_type = MetadataCatalog.get(record.dataset).get("evaluator_type", "")
        task = task_of(evaluator_type, record)
        if task not in self.segmenter.tasks:
            raise ValueError(
                f"{record.dataset} asks for the task {task}, but the model does only "
                f"{', '.join(self.segmenter.tasks)}: change DATASETS.TEST or the model"
            )
        with self.segmenter.session(
            task, vocabulary=record.domain, one_category_per_track=False
        ) as session:
            frames = frames_to_segment(record, self._frames)
            for target in at_positions(targets_of(task, record), frames):
                session.add(target)
            for frame in frames:
                session.push(record.frames[frame])
            return spread(session.finish(), frames, len(record))
