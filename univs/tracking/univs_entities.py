"""What is known of the entities of one video: classes, queries and masks, clip after clip.

Letters: N entities, K classes, T frames of a clip of h x w cells at a quarter of the padded input,
C channels. Everything is bounded by the length of a clip and of the memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.mask_statistics import mask_quality
from univs.tracking.univs_frames import UnivsClip

_LOOK_BACK = 3  # clips that the query of an entity is averaged over at least


@dataclass
class Detections:
    """What M learnable queries found in one clip.

    Attributes:
        scores: ``(M, K)``, probabilities of the classes times quality.
        quality: ``(M,)``, see :func:`~univs.tracking.univs_masks.mask_quality`.
        mask_logits: ``(M, T, h, w)``.
        queries: ``(M, T, C)``.
    """

    scores: Tensor
    quality: Tensor
    mask_logits: Tensor
    queries: Tensor

    @classmethod
    def of(cls, class_logits: Tensor, mask_logits: Tensor, queries: Tensor) -> Detections:
        """Those of class logits ``(M, K)``."""
        quality = mask_quality(mask_logits)
        scores = class_logits.float().sigmoid() * quality[:, None]
        return cls(scores, quality, mask_logits.float(), queries.float())

    @property
    def best_scores(self) -> Tensor:
        """The score of the best class of each, ``(M,)``."""
        return self.scores.amax(1)

    def select(self, rows: Tensor) -> Detections:
        """Those of some rows, bool ``(M,)`` or int64 ``(M',)``."""
        return Detections(
            self.scores[rows], self.quality[rows], self.mask_logits[rows], self.queries[rows]
        )


class EntityMasks:
    """Mask logits of entities, summed over clips, of the frames that are still needed.

    Attributes:
        sums: by frame ``(N, h, w)``.
        has_mask: by frame bool ``(N,)``, whether the sum is one of any masks; it is 0 otherwise.
    """

    def __init__(self) -> None:
        self.sums: dict[int, Tensor] = {}
        self.has_mask: dict[int, Tensor] = {}

    def begin(self, frames: Iterable[int], num_entities: int, like: Tensor) -> None:
        """Add blank frames of the size and device of ``like``, ``(*, h, w)``."""
        for frame in frames:
            self.sums[frame] = like.new_zeros(num_entities, *like.shape[-2:], dtype=torch.float32)
            self.has_mask[frame] = torch.zeros(num_entities, dtype=torch.bool, device=like.device)

    def add(self, frames: range, rows: Tensor, mask_logits: Tensor) -> None:
        """Add the masks ``(P, T, h, w)`` of the entities of the given rows."""
        for frame, logits in zip(frames, mask_logits.unbind(1), strict=True):
            self.sums[frame][rows] += logits
            self.has_mask[frame][rows] = True

    def append(self, frames: range, mask_logits: Tensor) -> None:
        """Add entities with masks ``(P, T, h, w)`` in the given frames."""
        logits = dict(zip(frames, mask_logits.unbind(1), strict=True))
        for frame, known in self.sums.items():
            new = logits.get(frame, known.new_zeros(len(mask_logits), *known.shape[1:]))
            self.sums[frame] = torch.cat((known, new))
            flags = self.has_mask[frame]
            has_mask = flags.new_full((len(mask_logits),), frame in logits)
            self.has_mask[frame] = torch.cat((flags, has_mask))

    def of(self, frames: Iterable[int]) -> Tensor:
        """The sums in some frames, ``(N, T, h, w)``."""
        return torch.stack([self.sums[frame] for frame in frames], dim=1)

    def keep(self, rows: Tensor) -> None:
        """Forget all entities but those of the given rows."""
        for stored in (self.sums, self.has_mask):
            for frame, values in stored.items():
                stored[frame] = values[rows]

    def forget(self, before: int) -> None:
        """Forget the frames before one."""
        for frame in [frame for frame in self.sums if frame < before]:
            del self.sums[frame], self.has_mask[frame]


@dataclass
class _Retired:
    """Entities that are no longer followed: what is left of R of them, on the CPU."""

    ids: list[int]
    earlier_scores: Tensor  # R K
    latest_scores: Tensor  # R K
    quality: Tensor  # R
    num_clips: int  # of the video at that time


class Entities:
    """The entities of one video.

    Those that are followed are N rows. Once retired they are no rows any more, but still entities
    of the video, whose scores are as if they had been lost for good.

    Attributes:
        num_clips: so far, that of now included.
        ids: of the rows; entities are numbered 0, 1, ... in the order in which they are found.
        last_frames: int64 ``(N,)``, the last frame of the latest clip in which each had a mask.
        queries: ``(N, V, C)``, the average queries of the last V clips, zero before the entity
            appeared.
        quality: ``(N,)``, sum of the quality of all masks that were added.
        masks: of the frames that are still needed.
    """

    def __init__(self, *, num_remembered: int) -> None:
        """
        Args:
            num_remembered: clips whose queries are kept.
        """
        self.num_remembered = max(num_remembered, _LOOK_BACK)
        self.masks = EntityMasks()
        self.num_clips = 0
        self.ids: list[int] = []
        self.last_frames = torch.zeros(0, dtype=torch.int64)
        self.queries: Tensor | None = None
        self.quality: Tensor | None = None
        self._earlier_scores: Tensor | None = None  # N K, sum over the clips before this
        self._scores: Tensor | None = None  # N K, in this clip
        self._retired: list[_Retired] = []
        self._num_ever = 0

    def __len__(self) -> int:
        """The number of entities that are followed."""
        return len(self.ids)

    @property
    def num_ever(self) -> int:
        """The number of entities of the video so far."""
        return self._num_ever

    @property
    def scores(self) -> Tensor:
        """Class scores ``(N, K)``, averaged over all clips of the video.

        Clips before an entity appeared count as 0, so that short-lived ones rank lower (as
        published).
        """
        return (self._earlier_scores + self._scores) / self.num_clips

    def of_all(self) -> tuple[Tensor, Tensor]:
        """Scores ``(E, K)`` and quality ``(E,)`` of all entities of the video, by id, on the CPU.

        There must be one.
        """
        scores = torch.zeros(self._num_ever, self._scores.shape[1])
        quality = torch.zeros(self._num_ever)
        scores[self.ids], quality[self.ids] = self.scores.cpu(), self.quality.cpu()
        for retired in self._retired:
            # They would have kept their latest scores in all clips since.
            count = self.num_clips - retired.num_clips + 1
            total = retired.earlier_scores + count * retired.latest_scores
            scores[retired.ids] = total / self.num_clips
            quality[retired.ids] = retired.quality
        return scores, quality

    @property
    def recent_queries(self) -> Tensor:
        """Queries of this clip and the two before it, ``(N, V', C)``; those before are blank."""
        return self.queries[:, -_LOOK_BACK:]

    def begin_clip(self, clip: UnivsClip) -> None:
        """Go on to a clip: until more is known, entities are as they were."""
        self.num_clips += 1
        self.masks.begin(clip.new_frames, len(self), clip.mask_features)
        if self.queries is not None:
            self._earlier_scores = self._earlier_scores + self._scores
            guess = self.recent_queries.mean(1, keepdim=True)
            self.queries = torch.cat((self.queries, guess), dim=1)[:, -self.num_remembered :]

    def add_masks(self, frames: range, rows: Tensor, mask_logits: Tensor, quality: Tensor) -> None:
        """Add masks ``(P, T, h, w)`` of quality ``(P,)`` to the entities of the given rows."""
        self.masks.add(frames, rows, mask_logits)
        self.quality[rows] += quality
        self.last_frames[rows.cpu()] = frames.stop - 1

    def update_queries(self, rows: Tensor, queries: Tensor) -> None:
        """Take in queries ``(P, T, C)`` of this clip."""
        current, latest = queries.mean(1), self.queries[rows, -1]
        is_known = (latest != 0).any(-1, keepdim=True)
        self.queries[rows, -1] = torch.where(is_known, (latest + current) / 2, current)

    def update_scores(self, rows: Tensor, scores: Tensor) -> None:
        """Take in class scores ``(P, K)`` of this clip."""
        self._scores[rows] = (self._scores[rows] + scores) / 2

    def append(self, frames: range, found: Detections) -> None:
        """Add entities, found in a clip of the given frames."""
        count = len(found.quality)
        self.masks.append(frames, found.mask_logits)
        self.ids += range(self._num_ever, self._num_ever + count)
        self._num_ever += count
        self.last_frames = torch.cat((self.last_frames, torch.full((count,), frames.stop - 1)))
        queries = found.queries.mean(1, keepdim=True)
        depth = min(self.num_clips, self.num_remembered)
        queries = F.pad(queries, (0, 0, depth - 1, 0))
        new = (queries, found.quality, torch.zeros_like(found.scores), found.scores)
        names = ("queries", "quality", "_earlier_scores", "_scores")
        for name, values in zip(names, new, strict=True):
            known = getattr(self, name)
            setattr(self, name, values.clone() if known is None else torch.cat((known, values)))

    def retire(self, rows: Tensor) -> Tensor:
        """Follow the entities of some rows, bool ``(N,)`` on the CPU, no longer.

        Returns:
            the rows that are left, int64.
        """
        gone, left = rows.nonzero().flatten(), (~rows).nonzero().flatten()
        self._retired.append(
            _Retired(
                ids=[self.ids[row] for row in gone.tolist()],
                earlier_scores=self._earlier_scores[gone].cpu(),
                latest_scores=self._scores[gone].cpu(),
                quality=self.quality[gone].cpu(),
                num_clips=self.num_clips,
            )
        )
        self.masks.keep(left)
        self.ids = [self.ids[row] for row in left.tolist()]
        for name in ("last_frames", "queries", "quality", "_earlier_scores", "_scores"):
            setattr(self, name, getattr(self, name)[left])
        return left
