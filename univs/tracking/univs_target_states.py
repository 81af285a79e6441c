"""What is known of targets in the latest frames of a video."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from univs.tracking.univs_frames import UnivsClip


class TargetStates:
    """Masks and queries of N targets in the latest frames; older ones are forgotten.

    Attributes:
        ids: of the targets.
        frames: F frames of the video, the last ones are those of the latest clip.
        mask_logits: ``(N, F, H, W)`` at the size of the network's padded input; 0 where there is
            no prediction.
        queries: ``(N, V, C)`` of the last V frames; 0 where there is none.
    """

    def __init__(self, clip: UnivsClip, num_remembered: int) -> None:
        """
        Args:
            clip: the first one.
            num_remembered: most frames V whose queries are kept, at least those of a clip.
        """
        num_remembered = max(num_remembered, len(clip.frames))
        features = clip.memory.features[-1]
        self._num_remembered = num_remembered
        self.ids: list[int] = []
        self.frames = clip.frames
        self.mask_logits = torch.zeros(
            0, len(clip.frames), *clip.padded_size, device=features.device
        )
        # As if the video had been followed from its beginning.
        past = min(num_remembered, clip.frames.stop)
        self.queries = torch.zeros(0, past, features.shape[2], device=features.device)

    def append(self, ids: Sequence[int]) -> None:
        """Add targets of which nothing is known."""
        self.ids = [*self.ids, *ids]
        for name in ("mask_logits", "queries"):
            stored = getattr(self, name)
            blank = stored.new_zeros(len(ids), *stored.shape[1:])
            setattr(self, name, torch.cat((stored, blank)))

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all targets but those of the given rows."""
        self.ids = [self.ids[row] for row in rows]
        self.mask_logits = self.mask_logits[list(rows)]
        self.queries = self.queries[list(rows)]

    def advance(self, clip: UnivsClip) -> None:
        """Make room for the new frames of the next clip.

        Kept are the frames of the clip and as many before as are new. The queries of new frames are
        the mean of the latest ones.
        """
        first = max(clip.frames.start - clip.num_new, self.frames.start)
        kept = self.mask_logits[:, first - self.frames.start :]
        blank = kept.new_zeros(len(self.ids), clip.num_new, *kept.shape[2:])
        self.mask_logits = torch.cat((kept, blank), dim=1)
        self.frames = range(first, clip.frames.stop)
        latest = self.queries[:, -clip.num_new :].mean(1, keepdim=True)
        queries = torch.cat((self.queries, latest.expand(-1, clip.num_new, -1)), dim=1)
        self.queries = queries[:, -self._num_remembered :].clone()

    def average_queries(self, rows: Sequence[int], queries: Tensor) -> None:
        """Average queries ``(N', T, C)`` of the latest clip with those that its frames have."""
        rows, frames = list(rows), queries.shape[1]
        stored = self.queries[rows, -frames:]
        has_query = (stored != 0).any(-1, keepdim=True)
        self.queries[rows, -frames:] = torch.where(has_query, (stored + queries) / 2, queries)

    def of_clip(self, clip: UnivsClip) -> Tensor:
        """Mask logits ``(N, T, H, W)`` of the frames of the latest clip, a view."""
        return self.mask_logits[:, -len(clip.frames) :]

    def of_frame(self, frame: int) -> Tensor:
        """Mask logits ``(N, H, W)`` of one of the frames, a view."""
        return self.mask_logits[:, frame - self.frames.start]

    def masks_before(self, clip: UnivsClip) -> dict[int, Tensor]:
        """Masks ``(N, H, W)`` of the frames that were in earlier clips, by frame."""
        covered = range(self.frames.start, clip.frames.stop - clip.num_new)
        return {frame: self.of_frame(frame) > 0 for frame in covered}
