"""How much memory is held."""

from __future__ import annotations

import gc
import sys
import warnings
from types import FunctionType, ModuleType

import torch
from torch import nn


def tensor_bytes() -> int:
    """Memory of all tensors that are alive; shared memory counts once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking odd objects for their class
        tensors = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
    return sum(
        {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values()
    )


def held_bytes(root: object) -> int:
    """Memory of an object and of all that it refers to, except for networks and code.

    Storages of tensors count once.
    """
    seen: set[int] = set()
    storages: dict[int, int] = {}
    waiting, total = [root], 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, (type, ModuleType, FunctionType, nn.Module)):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        if isinstance(item, torch.Tensor):
            storages[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
        waiting += gc.get_referents(item)
    return total + sum(storages.values())
