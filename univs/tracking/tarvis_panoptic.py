"""Tasks of TarViS that say something about every pixel: panoptic and semantic segmentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import FrameResult, Segment, Track, VideoResult, encode_masks
from univs.structures.mask_log import MaskLog
from univs.structures.mask_rle import decode_masks
from univs.tracking.compressed_maps import CompressedMaps
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_stitching import SemanticStitcher
from univs.tracking.tarvis_tasks import CategoryTask, EncodedClip, Task

# Mask logits of things among the stuff of a panoptic map.
_NO_STUFF = -1000.0


class PanopticTask(CategoryTask):
    """Video panoptic segmentation: tracks of things, and a stuff class for all other pixels.

    In results class k of K is the id of its stuff plus 1, and track n of the things has the id K +
    n.
    """

    def __init__(self, vocabulary: str, *, thing_classes: Sequence[int], **stitching) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            thing_classes: 0-based classes that are things; all others are stuff.
            stitching: see :class:`~univs.tracking.tarvis_tasks.CategoryTask`; tracks of the result
                have a higher score than its ``score_threshold``.
        """
        super().__init__(vocabulary, **stitching)
        self.thing_classes = sorted(set(thing_classes))
        self.semantic_stitcher = SemanticStitcher(overlap=self.stitcher.overlap)
        self.stuff_maps = CompressedMaps()  # by frame
        self.num_classes = 0

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.add_tracks(clip.frames, prediction.class_logits, prediction.mask_logits)
        self.keep_stuff(self.semantic_stitcher.add(prediction.semantic_logits))

    @property
    def num_final(self) -> int:
        return len(self.stuff_maps)

    def keep_stuff(self, frames: list[Tensor]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of stuff classes."""
        for logits in frames:
            self.num_classes = len(logits)
            logits = logits.clone()
            logits[self.thing_classes] = _NO_STUFF
            self.stuff_maps.append(best_classes(self.frame_size, logits))

    def things(self, ids: Iterable[int] | None = None) -> dict[int, tuple[int, float]]:
        """0-based class and score of the tracks that are things, by id, worst first.

        Args:
            ids: look at these tracks only.
        """
        scores = self.scores()
        ids = list(scores if ids is None else ids)
        if not ids:
            return {}
        best, labels = torch.stack([scores[track_id] for track_id in ids]).max(1)
        categories = labels - 1
        is_thing = torch.isin(categories, torch.tensor(self.thing_classes))
        is_thing &= best > self.stitcher.score_threshold
        rows = best.argsort(stable=True)
        return {ids[row]: (int(categories[row]), float(best[row])) for row in rows[is_thing[rows]]}

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """Tracks of things and of stuff, which together cover every pixel once, and class maps."""
        self.keep(self.stitcher.finish())
        self.keep_stuff(self.semantic_stitcher.finish())
        masks, label_maps = MaskLog(), CompressedMaps()
        classes: dict[int, tuple[int | None, float]] = {}  # and scores, by track
        for frame in range(num_frames):
            result = self.frame_result(frame, size)
            masks.append({segment.track_id: segment.rle for segment in result.segments})
            label_maps.append(result.label_map)
            classes.update((x.track_id, (x.category, x.score)) for x in result.segments)
        tracks = [
            Track(
                id=track_id,
                size=size,
                category=category,
                score=score,
                segmentations=masks.track(track_id),
            )
            for track_id, (category, score) in classes.items()
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks, label_maps=label_maps)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        things, labels = self.things(self.masks[frame]), self.stuff_maps[frame].copy()
        id_map = labels.astype(np.int32) + 1
        rles = [self.masks[frame][track_id] for track_id in things]
        # Better things are painted over worse ones.
        for (track_id, (category, _)), mask in zip(
            things.items(), decode_masks(rles, size), strict=True
        ):
            id_map[mask], labels[mask] = self.num_classes + track_id, category
        present = np.unique(id_map)
        segments = []
        for segment_id, rle in zip(
            present.tolist(), encode_masks(id_map == present[:, None, None]), strict=True
        ):
            category, score = segment_id - 1, 1.0
            if segment_id > self.num_classes:
                category, score = things[segment_id - self.num_classes]
            segments.append(Segment(track_id=segment_id, rle=rle, category=category, score=score))
        return FrameResult(frame_index=frame, size=size, segments=segments, label_map=labels)


class SemanticTask(Task):
    """Video semantic segmentation: the best class of every pixel, things and stuff alike.

    Not published, but class queries of panoptic vocabularies are trained to segment things as well.
    """

    def __init__(self, vocabulary: str, *, overlap: int) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            overlap: frames that successive clips share.
        """
        self.vocabulary = vocabulary
        self.stitcher = SemanticStitcher(overlap=overlap)
        self.frame_size: FrameSize | None = None
        self.label_maps = CompressedMaps()  # by frame

    def begins_at(self) -> int:
        return 0

    @property
    def num_final(self) -> int:
        return len(self.label_maps)

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.keep(self.stitcher.add(prediction.semantic_logits))

    def keep(self, frames: list[Tensor]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of classes."""
        for logits in frames:
            self.label_maps.append(best_classes(self.frame_size, logits))

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        return FrameResult(
            frame_index=frame, size=size, segments=[], label_map=self.label_maps[frame]
        )

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """Class maps only; there are no tracks."""
        self.keep(self.stitcher.finish())
        return VideoResult(num_frames=num_frames, size=size, tracks=[], label_maps=self.label_maps)


def best_classes(size: FrameSize, logits: Tensor) -> np.ndarray:
    """Class logits ``(K, h, w)`` -> 0-based classes ``(H, W)`` int16 at the size of the video."""
    return size.restore(logits).argmax(0).to(torch.int16).cpu().numpy()
