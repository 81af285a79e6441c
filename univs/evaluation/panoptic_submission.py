"""Results on panoptic videos whose truth is not public, written for a benchmark's server."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from detectron2.utils import comm
from univs.evaluation.panoptic_files import write_id_map
from univs.evaluation.per_video import PerVideoEvaluator
from univs.evaluation.result_files import atomic_text_file
from univs.structures import VideoResult

logger = logging.getLogger(__name__)


class PanopticSubmissionEvaluator(PerVideoEvaluator):
    """Writes ``pred.json`` and maps in ``pan_pred``, and scores nothing.

    VIPSeg's files have a folder and an entry per video, those of Cityscapes-VPS a map and an entry
    per image that is scored, with the image's number for a name.
    """

    def __init__(
        self,
        num_classes: int,
        output_dir: str | os.PathLike,
        image_ids: Mapping[str, int] | None = None,
    ) -> None:
        """Begin.

        Args:
            num_classes: of the data set; results and files count them from 0.
            output_dir: where files go.
            image_ids: of Cityscapes-VPS, the numbers of the images that are scored by their names
                without ending; None for the files of VIPSeg, with all frames.
        """
        super().__init__()
        self._category_ids = {category: category for category in range(num_classes)}
        self._output_dir = Path(output_dir)
        self._image_ids = image_ids

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Write the maps of videos.

        Args:
            inputs: per video ``video_id``, and ``file_names``, the paths of its frames.
            outputs: one result per video, with contiguous categories.

        Raises:
            ValueError: a video has another number of frames, or a category is unknown.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for sample, result in zip(inputs, outputs, strict=True):
            video, names = sample["video_id"], [Path(name).stem for name in sample["file_names"]]
            if len(names) != result.num_frames:
                raise ValueError(
                    f"Video {video!r} has {len(names)} frames, but the prediction has "
                    f"{result.num_frames}."
                )
            listed = []
            frames = result.to_panoptic(self._category_ids)
            for name, (ids, segments) in zip(names, frames, strict=True):
                if self._image_ids is not None and name not in self._image_ids:
                    continue
                write_id_map(self._output_dir / "pan_pred" / self._map(video, name), ids)
                listed.append((name, segments))
            self.keep(video, listed)

    def evaluate(self) -> OrderedDict | None:
        """Write ``pred.json``; there are no numbers. None on all but the main process."""
        records = self.gather_records()
        if not comm.is_main_process():
            return None
        if self._image_ids is None:
            annotations = [
                {
                    "video_id": video,
                    "annotations": [
                        {"file_name": f"{name}.png", "segments_info": segments}
                        for name, segments in listed
                    ],
                }
                for video, listed in records.items()
            ]
        else:
            annotations = [
                {"image_id": self._image_ids[name], "segments_info": segments}
                for listed in records.values()
                for name, segments in listed
            ]
        with atomic_text_file(self._output_dir / "pred.json") as file:
            json.dump({"annotations": annotations}, file)
        logger.info(
            "Results of %d videos are in %s; there is no truth to score them with.",
            len(records),
            self._output_dir,
        )
        return OrderedDict()

    def _map(self, video: object, name: str) -> Path:
        if self._image_ids is None:
            return Path(str(video), f"{name}.png")
        return Path(f"{self._image_ids[name]}.png")
