"""Evaluation of video models: every benchmark video goes through a session, like any other."""

from __future__ import annotations

from torch import nn

from univs.structures import VideoResult
from univs.tracking import Segmenter


class VideoInference:
    """Called with the samples of a test loader, as a model would be."""

    def __init__(self, model: nn.Module, cfg) -> None:
        self.segmenter = Segmenter(model, cfg, class_names=())

    def __call__(self, samples: list[dict]) -> list[VideoResult]:
        """
        Args:
            samples: per video ``record``, whose ``frames`` decode when they are read.

        Returns:
            the result of each video, with as many (track, category) pairs as the config allows.
        """
        return [self.segment(sample) for sample in samples]

    def segment(self, sample: dict) -> VideoResult:
        """Segment one video, one frame in memory at a time."""
        with self.segmenter.session(one_category_per_track=False) as session:
            for frame in sample["record"].frames:
                session.push(frame)
            return session.finish()
