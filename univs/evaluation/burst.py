"""Evaluator of BURST: writes the result file of the benchmark and scores it video by video."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from univs.evaluation.metrics import burst
from univs.evaluation.metrics.burst_sequence import sequence_name
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import ResultParts
from univs.structures import VideoResult


class BurstEvaluator(PerVideoEvaluator):
    """Evaluator for the exemplar-guided, class-guided and open-world tasks of BURST.

    Args:
        truth_files: path of the truth file by name; ``all`` is needed, the open-world task also
            scores ``common`` and ``uncommon`` where given.
        task: ``exemplar_guided``, ``class_guided`` or ``open_world``. In the exemplar-guided task
            the target id of a track is the id of the truth track that was given.
        category_ids: id in BURST by contiguous category of the model, for the class-guided task.
        output_dir: where to write ``results.json``; None to score only.
        allow_missing: videos that were not processed count as empty.
        options: further arguments of :func:`univs.evaluation.metrics.burst.score_sequence`.
    """

    def __init__(
        self,
        truth_files: Mapping[str, str | Path],
        *,
        task: burst.Task,
        category_ids: Mapping[int, int] | None = None,
        output_dir: str | Path | None = None,
        allow_missing: bool = False,
        **options: Any,
    ) -> None:
        if task == "class_guided" and category_ids is None:
            raise ValueError("The class-guided task needs the BURST ids of the model's categories.")
        super().__init__()
        if task != "open_world":
            truth_files = {"all": truth_files["all"]}
        files = {name: json.loads(Path(path).read_text()) for name, path in truth_files.items()}
        self._truths = {
            name: {sequence_name(sequence): sequence for sequence in file["sequences"]}
            for name, file in files.items()
        }
        # Some files number their sequences, and data sets call a video by that number.
        self._name_of_id = {
            sequence["id"]: name
            for name, sequence in self._truths["all"].items()
            if "id" in sequence
        }
        self._header = {key: files["all"][key] for key in ("split", "categories")}
        self._task = task
        self._category_ids = category_ids
        self._parts = None if output_dir is None else ResultParts(Path(output_dir, "results.json"))
        self._allow_missing = allow_missing
        self._options = options

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[VideoResult]) -> None:
        """Write and score a batch.

        Args:
            inputs: per video ``video_id``, ``<dataset>/<sequence>`` or its id in the truth file,
                and ``file_names``, the paths of its frames; only annotated ones are kept.
            outputs: one result per video.

        Raises:
            ValueError: an unknown or repeated video, or a result that cannot be scored.
        """
        for sample, result in zip(inputs, outputs, strict=True):
            name = self._name_of_id.get(sample["video_id"], str(sample["video_id"]))
            if name not in self._truths["all"]:
                raise ValueError(f"Video {name!r} is not part of the truth file.")
            prediction = self._sequence(name, sample["file_names"], result)
            if self._parts is not None:
                self._parts.write(name, [prediction])
            self.keep(name, self._score(name, prediction))

    def _score(self, name: str, prediction: Mapping | None) -> dict[str, burst.SequenceScores]:
        """Scores against each truth file, by name of the file."""
        return {
            group: burst.score_sequence(
                sequences[name], prediction, task=self._task, **self._options
            )
            for group, sequences in self._truths.items()
            if name in sequences
        }

    def _sequence(self, name: str, file_names: Sequence[str], result: VideoResult) -> dict:
        """The result in the layout of the benchmark."""
        truth = self._truths["all"][name]
        if len(file_names) != result.num_frames:
            raise ValueError(
                f"Video {name!r}: {len(file_names)} file names for {result.num_frames} frames."
            )
        index = {Path(path).name: i for i, path in enumerate(file_names)}
        frames = [index.get(Path(path).name) for path in truth["annotated_image_paths"]]
        if None in frames and not self._allow_missing:
            path = truth["annotated_image_paths"][frames.index(None)]
            raise ValueError(f"Video {name!r}, frame {path}: no prediction.")
        tracks, classes = {}, {}
        for track in result.tracks:
            track_id = track.id
            if self._task == "exemplar_guided":
                track_id = track.target_id
                if str(track_id) not in truth["track_category_ids"]:
                    raise ValueError(f"Video {name!r}: there is no truth track {track_id}.")
                category = truth["track_category_ids"][str(track_id)]
            elif self._task == "class_guided":
                if track.category not in self._category_ids:
                    raise ValueError(
                        f"Video {name!r}: category {track.category} of track {track_id} has no "
                        "BURST id."
                    )
                category = self._category_ids[track.category]
            else:
                category = 1
            if str(track_id) in tracks:
                raise ValueError(f"Video {name!r}: there are two tracks {track_id}.")
            tracks[str(track_id)] = track
            classes[str(track_id)] = int(category)
        segmentations: list[dict] = [{} for _ in frames]
        for track_id, track in tracks.items():
            for items, frame in zip(segmentations, frames, strict=True):
                rle = None if frame is None else track.segmentations[frame]
                if rle is not None:
                    items[track_id] = {"rle": rle["counts"], "score": track.score}
        keys = ("id", "dataset", "seq_name", "annotated_image_paths")
        return {
            **{key: truth[key] for key in keys if key in truth},
            "width": result.size[1],
            "height": result.size[0],
            "neg_category_ids": truth.get("neg_category_ids", []),
            "not_exhaustive_category_ids": truth.get("not_exhaustive_category_ids", []),
            "track_category_ids": classes,
            "segmentations": segmentations,
        }

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """``{"burst_<task>": {"HOTA all": ...}}`` in per cent, on the main process.

        Raises:
            ValueError: a video was not processed, or processed by two processes.
        """
        scores = self.gather_records()
        if scores is None:
            return None
        missing = check_no_video_missing(sorted(self._truths["all"]), scores, self._allow_missing)
        if self._parts is not None:
            self._parts.join(sorted(scores), self._header, "sequences")
        for name in missing:
            scores[name] = self._score(name, None)
        by_group = {
            group: [scores[name][group] for name in sorted(scores) if group in scores[name]]
            for group in self._truths
        }
        if self._task == "open_world":
            result = burst.summarize_open_world(by_group)
        else:
            names = {category["id"]: category["name"] for category in self._header["categories"]}
            result = burst.summarize_burst(by_group["all"], names)
            del result["per_class"]
        numbers = {
            f"{key} {group}": value
            for key, groups in result.items()
            for group, value in groups.items()
        }
        return {f"burst_{self._task}": numbers}
