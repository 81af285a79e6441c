"""How alike the queries of successive clips are (UniVS, section 3.5).

Letters: N known objects with V queries each, one per past clip, oldest first; M queries of a clip
of T frames; C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

_LEAST_NORM = 1e-3
_RECENCY = 5.0  # how much more the latest query of an object counts than its first


def recency_weights(past: Tensor) -> Tensor:
    """Weights of the past queries ``(N, V, C)`` of each object, the latest most: ``(N, V)``.

    They sum to 1 unless all queries are blank (zero), which do not count.
    """
    count = past.shape[1]
    steps = torch.arange(1, count + 1, device=past.device, dtype=torch.float32)
    weights = torch.softmax(_RECENCY * steps / count, dim=0) * (past != 0).any(-1)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-3)


def consistency(past: Tensor, current: Tensor) -> Tensor:
    """How alike each object and the query that follows it are: cosine similarity ``(N,)``.

    Args:
        past: ``(N, V, C)``.
        current: ``(N, T, C)``, row k for object k.
    """
    cosines = torch.einsum("nvc,ntc->nvt", _unit(past), _unit(current)).mean(-1)  # N V
    return (cosines * recency_weights(past)).sum(1)


def cosine_similarity(past: Tensor, current: Tensor) -> Tensor:
    """How alike objects ``(N, V, C)`` and queries ``(M, T, C)`` are: ``(N, M)``."""
    weighted = (_unit(past) * recency_weights(past)[..., None]).sum(1)  # N C
    return weighted @ _unit(current).mean(1).T


def mutual_similarity(past: Tensor, current: Tensor) -> Tensor:
    """How much objects ``(N, V, C)`` and queries ``(M, T, C)`` prefer each other: ``(N, M)``.

    The mean of the softmax of their products over queries and over objects.
    """
    products = torch.einsum("nvc,mtc->nmvt", past.float(), current.float()).flatten(2)
    return ((products.softmax(1) + products.softmax(0)) / 2).mean(-1)


def match(similarity: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Pair rows and columns one to one so that the sum of similarities is largest.

    Args:
        similarity: ``(N, M)``; values below the threshold count as 0.
        threshold: pairs that are not more similar are left out.

    Returns:
        rows and columns of the pairs, int64 ``(P,)`` each.
    """
    kept = similarity.float() * (similarity >= threshold)
    rows, columns = linear_sum_assignment(1 - kept.cpu().numpy())
    rows, columns = (torch.as_tensor(x, device=kept.device) for x in (rows, columns))
    is_pair = kept[rows, columns] > threshold
    return rows[is_pair], columns[is_pair]


def _unit(queries: Tensor) -> Tensor:
    return F.normalize(queries.float(), dim=-1, eps=_LEAST_NORM)
