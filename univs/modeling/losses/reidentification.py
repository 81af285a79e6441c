"""Losses that pull embeddings of one target together and push those of others apart (UniVS)."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.losses.precision import at_least_float32

# Differences of similarities are cut here before they are exponentiated.
_MAX_EXPONENT = 10.0
_SHARE_OF_POSITIVE_COLUMNS = 0.75
_MAX_COLUMNS = 20
_POSITIVES_PER_ANCHOR = 3
_INTERCLIP_COLUMNS = 30


@dataclass
class IdentifiedEmbeddings:
    """R embeddings, and whose they are.

    Attributes:
        embeddings: ``(R, C)``.
        identities: int64 ``(R,)``, comparable among embeddings of the same clip of the batch.
        clips: int64 ``(R,)``, which clip of the batch each is from.
    """

    embeddings: Tensor
    identities: Tensor
    clips: Tensor

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, index: Tensor) -> IdentifiedEmbeddings:
        return IdentifiedEmbeddings(
            self.embeddings[index], self.identities[index], self.clips[index]
        )

    @classmethod
    def cat(cls, parts: list[IdentifiedEmbeddings]) -> IdentifiedEmbeddings:
        """All of ``parts``, in order."""
        return cls(
            torch.cat([part.embeddings for part in parts]),
            torch.cat([part.identities for part in parts]),
            torch.cat([part.clips for part in parts]),
        )


def same_target(rows: IdentifiedEmbeddings, columns: IdentifiedEmbeddings) -> Tensor:
    """Whether two embeddings belong to the same target: bool ``(R, M)``."""
    return (rows.identities[:, None] == columns.identities) & (rows.clips[:, None] == columns.clips)


def scaled_similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """Dot products divided by the root of the width: ``(R, C)``, ``(M, C)`` -> ``(R, M)``."""
    return _products(rows, columns) / math.sqrt(rows.shape[-1])


def cosine_similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """Cosines of all pairs: ``(R, C)``, ``(M, C)`` -> ``(R, M)``."""
    rows, columns = at_least_float32(rows), at_least_float32(columns)
    return _products(F.normalize(rows, dim=-1), F.normalize(columns, dim=-1))


def _products(rows: Tensor, columns: Tensor) -> Tensor:
    # They are exponentiated, so half precision is too coarse.
    with torch.autocast(device_type=rows.device.type, enabled=False):
        return at_least_float32(rows) @ at_least_float32(columns).T


def contrastive_loss(similarity: Tensor, same: Tensor) -> Tensor:
    """How much closer other targets are than the same one.

    Every row is compared with two anchors: its first positive, and the mean of its positives. Rows
    without a positive do not count; the negatives are among randomly drawn columns.

    Args:
        similarity: ``(R, M)``.
        same: bool ``(R, M)``, the pairs of one target.

    Returns:
        scalar; 0 if no row has a positive.
    """
    similarity, same = _rows_with_positives(similarity, same)
    if len(same) == 0:
        return similarity.sum()
    first = similarity.gather(1, same.to(torch.uint8).argmax(1, keepdim=True))
    mean = (similarity * same).sum(1, keepdim=True) / same.sum(1, keepdim=True)
    columns = _draw_columns(same)
    anchors = torch.cat((first, mean), dim=1)  # R 2
    return _softplus_of_differences(similarity[:, columns], anchors, ~same[:, columns])


def cosine_loss(cosine: Tensor, same: Tensor) -> Tensor:
    """Smooth L1 distance of cosines from 1 for one target and from at most 0 for different ones.

    Args:
        cosine: ``(R, M)``.
        same: bool ``(R, M)``, the pairs of one target.

    Returns:
        scalar, summed over randomly drawn columns, averaged over rows with a positive; 0 without.
    """
    cosine, same = _rows_with_positives(cosine, same)
    if len(same) == 0:
        return cosine.sum()
    columns = _draw_columns(same)
    return _distance_from_truth(cosine[:, columns], same[:, columns])


def interclip_losses(embeddings: IdentifiedEmbeddings) -> tuple[Tensor, Tensor]:
    """Contrastive and cosine loss between all clips of a long video.

    Args:
        embeddings: of learnable and prompt queries of all clips; identities are those of the video,
            -1 where there is none.

    Returns:
        two scalars; 0 if nothing has an identity.
    """
    if not (embeddings.identities >= 0).any():
        zero = at_least_float32(embeddings.embeddings).sum() * 0
        return zero, zero
    embeddings = embeddings[torch.randperm(len(embeddings), device=embeddings.embeddings.device)]
    anchors = _first_of_each(embeddings.identities)
    similarity = scaled_similarity(embeddings.embeddings[anchors], embeddings.embeddings)
    same = embeddings.identities[anchors, None] == embeddings.identities  # N R
    positives = torch.stack([_draw_positives(row) for row in same])  # N 3
    columns = _draw_any(same)
    contrastive = _softplus_of_differences(
        similarity[:, columns], similarity.gather(1, positives), ~same[:, columns]
    )
    cosine = cosine_similarity(embeddings.embeddings[anchors], embeddings.embeddings)
    columns = _draw_any(same)
    return contrastive, _distance_from_truth(cosine[:, columns], same[:, columns])


def _rows_with_positives(values: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    rows = same.any(1)
    return values[rows], same[rows]


def _draw_columns(same: Tensor) -> Tensor:
    """Columns to compare with: most of them positive for some row."""
    count = min(_MAX_COLUMNS, 3 * len(same))
    num_positive = int(count * _SHARE_OF_POSITIVE_COLUMNS)
    num_negative = int(count * (1 - _SHARE_OF_POSITIVE_COLUMNS))
    is_positive = same.any(0)
    return (
        torch.cat((_draw(is_positive, num_positive), _draw(~is_positive, num_negative)))
        .sort()
        .values
    )


def _draw(candidates: Tensor, count: int) -> Tensor:
    """At most ``count`` random indices at which ``candidates`` is true."""
    index = torch.nonzero(candidates).flatten()
    return index[torch.randperm(len(index), device=index.device)[:count]]


def _softplus_of_differences(similarity: Tensor, anchors: Tensor, different: Tensor) -> Tensor:
    """Mean over rows of log(1 + sum of exp(similarity - anchor)) over columns of other targets.

    Args:
        similarity: ``(R, M)``.
        anchors: ``(R, A)``, similarities of each row with its own target.
        different: bool ``(R, M)``, the columns of other targets.
    """
    exponents = (similarity[:, :, None] - anchors[:, None]).clamp(max=_MAX_EXPONENT)  # R M A
    return (exponents.exp() * different[..., None]).sum((1, 2)).log1p().mean()


def _distance_from_truth(cosine: Tensor, same: Tensor) -> Tensor:
    loss = F.smooth_l1_loss(cosine.clamp(min=0), same.to(cosine.dtype), reduction="sum")
    return loss / len(cosine)


def _first_of_each(identities: Tensor) -> Tensor:
    """Index of the first occurrence of every identity that is not -1, in ascending order of it."""
    values = identities[identities >= 0].unique()  # sorted
    return (identities[None] == values[:, None]).to(torch.uint8).argmax(1)


def _draw_positives(is_positive: Tensor) -> Tensor:
    """Three indices at which ``is_positive`` is true, drawn with replacement."""
    index = torch.nonzero(is_positive).flatten()
    # Python's generator, as published; it is seeded together with torch's.
    drawn = random.choices(range(len(index)), k=_POSITIVES_PER_ANCHOR)
    return index[drawn]


def _draw_any(same: Tensor) -> Tensor:
    num_columns = min(max(3 * len(same), _INTERCLIP_COLUMNS), _INTERCLIP_COLUMNS)
    return torch.randperm(same.shape[1], device=same.device)[:num_columns]
