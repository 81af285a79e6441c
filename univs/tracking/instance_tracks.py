"""Masks of object queries through a video, and the tracks they make up."""

from __future__ import annotations

import torch
from torch import Tensor

from univs.modeling.postprocessing import mask_confidence
from univs.structures import FrameResult, Rle, Segment, Track, VideoResult, encode_masks
from univs.structures.mask_log import MaskLog
from univs.tracking.frame_size import FrameSize

_MASKS_AT_ONCE = 16  # resized to the original size; bounds the memory that many queries take


class InstanceTracks:
    """What is known of the Q queries of a video, each of which stands for one object throughout.

    Its masks are in a log, so that memory does not grow with the video.
    """

    def __init__(self, frame_size: FrameSize, num_queries: int) -> None:
        """
        Args:
            frame_size: sizes that frames go through.
            num_queries: Q.
        """
        self._frame_size = frame_size
        self._masks = MaskLog()  # by query
        # Probabilities inside of the masks of each query, summed over the video, and their areas.
        self._inside = torch.zeros(num_queries, dtype=torch.float64)
        self._area = torch.zeros(num_queries, dtype=torch.float64)

    @property
    def num_frames(self) -> int:
        """Frames so far."""
        return len(self._masks)

    @property
    def mask_scores(self) -> Tensor:
        """How sure the model is of the masks of each query: float64 ``(Q,)``.

        The mean probability of all pixels inside of its masks, in [0.5, 1]; 0 if all are empty.
        """
        return self._inside / (self._area + 1e-6)

    def add_frame(self, queries: Tensor, mask_logits: Tensor) -> None:
        """Add the masks of the next frame.

        Args:
            queries: int64 ``(M,)``, the queries that have a mask in it.
            mask_logits: their mask logits ``(M, h', w')`` at stride 4 of the padded input.
        """
        masks: dict[int, Rle] = {}
        for chosen, logits in zip(
            queries.split(_MASKS_AT_ONCE), mask_logits.split(_MASKS_AT_ONCE), strict=True
        ):
            chosen = chosen.cpu()
            at_input_size = self._frame_size.upsample(logits.float())
            inside, area = mask_confidence(at_input_size)
            self._inside[chosen] += inside.cpu()
            self._area[chosen] += area.cpu()
            is_inside = self._frame_size.to_original(at_input_size) > 0
            rles = encode_masks(is_inside.cpu().numpy())
            masks.update(zip(chosen.tolist(), rles, strict=True))
        self._masks.append(masks)

    def frame_result(self, index: int, class_scores: Tensor) -> FrameResult:
        """The result of one frame; the id of a track is that of its query plus 1.

        Args:
            index: of the frame.
            class_scores: ``(Q, K)``, probabilities of the classes of each query.
        """
        best, categories = class_scores.cpu().max(1)
        scores = (best * self.mask_scores).tolist()
        segments = [
            Segment(
                track_id=query + 1, rle=rle, category=int(categories[query]), score=scores[query]
            )
            for query, rle in self._masks[index].items()
        ]
        return FrameResult(frame_index=index, size=self._frame_size.original, segments=segments)

    def video_result(
        self, class_scores: Tensor, *, max_tracks: int, one_category_per_track: bool
    ) -> VideoResult:
        """The tracks of the whole video, best first.

        Args:
            class_scores: ``(Q, K)``, probabilities of the classes of each query.
            max_tracks: number of tracks; those of the most probable classes are kept.
            one_category_per_track: see :func:`best_pairs`.
        """
        mask_scores, tracks = self.mask_scores.tolist(), []
        pairs = best_pairs(class_scores, max_tracks, one_category_per_track=one_category_per_track)
        for query, category, score in pairs:
            tracks.append(
                Track(
                    id=query + 1 if one_category_per_track else len(tracks) + 1,
                    size=self._frame_size.original,
                    category=category,
                    score=score * mask_scores[query],
                    segmentations=self._masks.track(query),
                )
            )
        tracks.sort(key=lambda track: -track.score)
        return VideoResult(
            num_frames=self.num_frames, size=self._frame_size.original, tracks=tracks
        )


def best_pairs(
    class_scores: Tensor, most: int, *, one_category_per_track: bool
) -> list[tuple[int, int, float]]:
    """The most probable (query, category, probability), best first.

    Args:
        class_scores: ``(Q, K)``.
        most: number of pairs.
        one_category_per_track: give every query its best category; otherwise a query may appear
            once for every category, as average precision rewards.
    """
    num_classes = class_scores.shape[1]
    if one_category_per_track:
        best, categories = class_scores.max(1)
        best, queries = best.topk(min(most, len(best)))
        categories = categories[queries]
    else:
        best, pairs = class_scores.flatten().topk(min(most, class_scores.numel()))
        queries, categories = pairs // num_classes, pairs % num_classes
    return list(zip(queries.tolist(), categories.tolist(), best.tolist(), strict=True))
