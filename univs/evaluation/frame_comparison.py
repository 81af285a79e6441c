"""Truth and result of single frames, to look at where a result is worst."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from detectron2.data import Metadata
from univs.evaluation import benchmark_truth, video_instance
from univs.evaluation.label_map_files import folder_reader, read_label_map
from univs.evaluation.metadata import required
from univs.evaluation.metrics.davis import VOID as OBJECT_VOID
from univs.evaluation.metrics.pair_counts import PairCounts, count_pairs, sum_pairs
from univs.evaluation.metrics.panoptic_ids import VOID_ID
from univs.evaluation.metrics.semantic import VOID_LABEL, vspw_labels
from univs.evaluation.metrics.tubes import Tube
from univs.evaluation.metrics.youtube_vis import read_predictions
from univs.evaluation.offline_scorers import result_file, video_folder
from univs.evaluation.result_files import read_json_list
from univs.evaluation.video_statistics import overlaps_of_pairs
from univs.structures import compose_id_map

FrameReader = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class VideoComparison:
    """The label maps of one video, read when they are asked for.

    Attributes:
        frame_names: stems of the frames that are compared; None if they are those of the video.
        num_frames: how many there are.
        truth: gives the true labels of a frame, integer [H, W].
        prediction: gives the predicted labels of the same size.
        background: labels of either side that are no object.
        void: labels of the truth whose pixels do not count.
        has_same_labels: a label means the same on both sides; otherwise labels are identities, and
            the identity that shares most pixels with an object in all frames belongs to it.
    """

    num_frames: int
    truth: FrameReader = field(repr=False)
    prediction: FrameReader = field(repr=False)
    frame_names: Sequence[str] | None = None
    background: tuple[int, ...] = ()
    void: tuple[int, ...] = ()
    has_same_labels: bool = False

    @cached_property
    def partners(self) -> dict[int, int]:
        """Label of the result that belongs to each label of the truth that has one."""
        no_object = (*self.background, *self.void)
        joined = sum_pairs(*(np.concatenate(parts) for parts in zip(*self._pairs, strict=True)))
        partners: dict[int, int] = {}
        # From the fewest common pixels to the most, so that the most remain.
        for index in np.argsort(joined.counts, kind="stable"):
            true, predicted = int(joined.first[index]), int(joined.second[index])
            if true in no_object or predicted in self.background:
                continue
            partners[true] = true if self.has_same_labels else predicted
        return partners

    def frame_scores(self) -> np.ndarray:
        """Mean IoU over the objects of each frame: [T] float64, NaN where there is none.

        An object whose identity has switched, or which is lost for a while, scores low in these
        frames.
        """
        scores = np.full(self.num_frames, np.nan)
        for frame, pairs in enumerate(self._pairs):
            truths = np.setdiff1d(pairs.first, self.background)
            tracks = np.setdiff1d(pairs.second, self.background)
            overlaps = overlaps_of_pairs(pairs, truths, tracks)
            ious = [
                overlaps.ious[row, overlaps.tracks == self.partners.get(label)].sum()
                for row, label in enumerate(overlaps.truths.tolist())
            ]
            if ious:
                scores[frame] = np.mean(ious)
        return scores

    @cached_property
    def _pairs(self) -> list[PairCounts]:
        """Common pixels of the labels of every frame, without void."""
        frames = []
        for frame in range(self.num_frames):
            pairs = count_pairs(self.truth(frame), self.prediction(frame))
            frames.append(PairCounts(*(v[~np.isin(pairs.first, self.void)] for v in pairs)))
        return frames


def compare_video(metadata: Metadata, results: Path, video: Hashable) -> VideoComparison:
    """Truth and result of a video.

    Args:
        metadata: of a registered data set, whose kind is one of `COMPARABLE`.
        results: see `univs.evaluation.offline.score_results`; an unpacked archive.
        video: a key of ``Report.per_video``.
    """
    return COMPARABLE[benchmark_truth.benchmark_kind(metadata)](metadata, results, video)


def _youtube_vis(metadata: Metadata, results: Path, video: Hashable) -> VideoComparison:
    truth = video_instance.read_truth(required(metadata, "json_file"))
    path = result_file(results, "results.json")
    records = (record for record in read_json_list(path) if record["video_id"] == video)
    tracks = [
        track
        for track in read_predictions(records, truth).get(video, [])
        if track.score >= video_instance.STABLE_SCORE
    ]
    sizes = [s for item in (*truth.tracks[video], *tracks) for s in item.tube.sizes if s]
    if not sizes:
        raise ValueError(f"Video {video!r} has no mask in the truth and none in the results.")

    def drawn(tubes: Sequence[Tube], scores: Sequence[float]) -> FrameReader:
        """Later tubes have higher numbers; the higher score lies on top."""

        def read(frame: int) -> np.ndarray:
            visible = [
                i for i, tube in enumerate(tubes) if frame < len(tube) and tube.counts[frame]
            ]
            return compose_id_map(
                [{"size": list(sizes[0]), "counts": tubes[i].counts[frame]} for i in visible],
                [i + 1 for i in visible],
                [scores[i] for i in visible],
                sizes[0],
            )

        return read

    truths = truth.tracks[video]
    return VideoComparison(
        num_frames=truth.video_lengths[video],
        truth=drawn([item.tube for item in truths], [1.0] * len(truths)),
        prediction=drawn([item.tube for item in tracks], [item.score for item in tracks]),
        background=(0,),
    )


def _video_panoptic(metadata: Metadata, results: Path, video: Hashable) -> VideoComparison:
    truth = benchmark_truth.panoptic_video_truth(metadata)
    names = truth.frame_names(video)
    return VideoComparison(
        num_frames=len(names),
        frame_names=names,
        truth=lambda frame: truth.id_map(video, names[frame]),
        prediction=lambda frame: truth.result_id_map(results, video, names[frame]),
        background=(VOID_ID,),
        void=(VOID_ID,),
    )


def _step(metadata: Metadata, results: Path, video: str) -> VideoComparison:
    truth = benchmark_truth.step_truth(metadata)
    names = truth.frame_names(video)
    void = truth.protocol.ignore_label << truth.protocol.label_bit_shift
    return VideoComparison(
        num_frames=len(names),
        frame_names=names,
        truth=lambda frame: truth.labels(video, names[frame]),
        prediction=lambda frame: truth.result_labels(video_folder(results), video, names[frame]),
        background=(void,),
        void=(void,),
    )


def _video_semantic(metadata: Metadata, results: Path, video: str) -> VideoComparison:
    masks = sorted((Path(required(metadata, "image_root")) / video / "mask").glob("*.png"))
    names = [path.stem for path in masks]
    return VideoComparison(
        num_frames=len(names),
        frame_names=names,
        truth=lambda frame: vspw_labels(read_label_map(masks[frame])),
        prediction=lambda frame: read_label_map(results / video / masks[frame].name),
        background=(VOID_LABEL,),
        void=(VOID_LABEL,),
        has_same_labels=True,
    )


def _video_object(metadata: Metadata, results: Path, video: str) -> VideoComparison:
    annotator, _, name = video.rpartition("/")
    folder = results / annotator if annotator else video_folder(results)
    protocol = benchmark_truth.video_object_protocol(metadata, results=folder)
    names = protocol.frame_names(name)
    read_truth = folder_reader(protocol.truth_dir / name)
    read_result = folder_reader(folder / name)

    def prediction(frame: int) -> np.ndarray:
        labels = read_result(names[frame])
        return np.zeros_like(read_truth(names[frame])) if labels is None else labels

    return VideoComparison(
        num_frames=len(names),
        frame_names=names,
        truth=lambda frame: read_truth(names[frame]),
        prediction=prediction,
        background=(0,),
        void=(OBJECT_VOID,),
        has_same_labels=protocol.keeps_labels,
    )


# Indexed by the kind of benchmark.
COMPARABLE: dict[str, Callable[[Metadata, Path, Hashable], VideoComparison]] = {
    "youtube_vis": _youtube_vis,
    "video_panoptic": _video_panoptic,
    "step": _step,
    "video_semantic": _video_semantic,
    "video_object": _video_object,
}
