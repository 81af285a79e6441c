"""Reading ``.pkl`` and ``.pth`` files without running anything that they contain."""

from __future__ import annotations

import collections
import pickle
from typing import Any

import numpy as np
import torch

try:
    from numpy._core import multiarray
except ImportError:  # numpy < 2
    from numpy.core import multiarray


def _encode(text: str, encoding: str) -> bytes:
    # How Python 3 writes bytes in the pickle protocols of Python 2.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
}
for _package in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_package}.multiarray", "_reconstruct"] = multiarray._reconstruct
    _ALLOWED[f"{_package}.multiarray", "scalar"] = multiarray.scalar
    _ALLOWED[f"{_package}.numeric", "_frombuffer"] = lambda buffer, dtype, shape, order: (
        np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)
    )


class _ArrayUnpickler(pickle.Unpickler):
    """Builds containers, numbers, strings and numpy arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"an object of type {module}.{name}") from None


def load_pickle(path: str) -> Any:
    """Read a pickle of containers and numpy arrays, from Python 2 or 3.

    Raises:
        ValueError: the file holds anything else, or is no pickle.
    """
    with open(path, "rb") as file:
        try:
            return _ArrayUnpickler(file, encoding="latin1").load()
        except Exception as error:  # damaged pickles raise nearly any exception
            raise ValueError(
                f"{path} was not loaded: it is damaged, or holds more than numpy arrays and plain "
                f"containers ({error}). Pickles can run code when they are read, so such files are "
                "refused. Convert it to arrays on a machine where you trust it."
            ) from error


def load_torch(path: str) -> Any:
    """Read a file of ``torch.save`` that holds tensors and plain containers, on the CPU.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} was not loaded: it is damaged, or holds more than tensors and plain "
            f"containers ({error}). Such files can run code when they are read, so they are "
            "refused. Save its state dict alone on a machine where you trust it."
        ) from error
