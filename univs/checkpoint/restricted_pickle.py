"""A pickle reader that knows arrays, tensors and containers, and refuses everything else.

A pickle is a program: it can import any function and call it. Here the only names that it can get
hold of are those of a fixed table, and each of them only builds data.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import io
import pickle
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import torch


class UnsafePickleError(pickle.UnpicklingError):
    """A file asks for something that is not data.

    Attributes:
        asked_for: the dotted name it asks for.
    """

    def __init__(self, asked_for: str) -> None:
        super().__init__(asked_for)
        self.asked_for = asked_for


def load(file: BinaryIO) -> object:
    """Read one pickle of plain data, NumPy arrays and tensors.

    Text of Python 2 pickles is read as Latin-1, as their arrays need it.

    Raises:
        UnsafePickleError: the pickle asks for anything else.
        Exception: the pickle is damaged; nearly anything may be raised then.
    """
    return _Unpickler(file, encoding="latin1").load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise UnsafePickleError(f"{module}.{name}") from None

    def persistent_load(self, identifier: object) -> object:
        raise pickle.UnpicklingError("it refers to data outside the file")


def _encode(text: str, encoding: str = "utf-8", errors: str = "strict") -> bytes:
    """Stand for ``_codecs.encode``, with which old protocols write bytes, without its codecs."""
    if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise UnsafePickleError(f"the codec {encoding}")
    return text.encode(encoding, errors)


def _load_storage(data: bytes) -> object:
    """Stand for the function by which pickled tensors load their storage, which trusts its data."""
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafePickleError(unsupported_global(error) or "a damaged tensor") from error


def _rebuild_tensor(
    storage: object, offset: int, size: tuple, stride: tuple, *_unused: object
) -> torch.Tensor:
    """Build a tensor as pickles of tensors ask for it; gradients and hooks are left out."""
    return torch._utils._rebuild_tensor(storage, offset, size, stride)


def _rebuild_parameter(data: torch.Tensor, *_unused: object) -> torch.Tensor:
    return data


def _numpy_functions() -> dict[str, Callable]:
    """What pickles of arrays call, under today's names and those before NumPy 2."""
    reconstruct = np.empty(1).__reduce__()[0]
    scalar = np.float32(1).__reduce__()[0]
    from_buffer = np.empty(1).__reduce_ex__(5)[0]
    functions = {}
    for package in ("numpy._core", "numpy.core"):
        functions[f"{package}.multiarray._reconstruct"] = reconstruct
        functions[f"{package}.multiarray.scalar"] = scalar
        functions[f"{package}.numeric._frombuffer"] = from_buffer
    return functions


_CONTAINERS = ("set", "frozenset", "bytearray", "complex", "slice")
_ALLOWED: dict[str, object] = {
    "collections.OrderedDict": collections.OrderedDict,
    "_codecs.encode": _encode,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    **_numpy_functions(),
    **{
        f"{module}.{name}": getattr(builtins, name)
        for module in ("builtins", "__builtin__")
        for name in _CONTAINERS
    },
    "torch.Size": torch.Size,
    "torch.storage._load_from_bytes": _load_storage,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}


@contextlib.contextmanager
def numpy_allowed() -> Iterator[None]:
    """Let ``torch.load(weights_only=True)`` read NumPy arrays too."""
    functions = {name: value for name, value in _ALLOWED.items() if name.startswith("numpy.")}
    functions["_codecs.encode"] = _encode
    named = [_under_name(value, name) for name, value in functions.items()]
    with _safe_globals([*named, *(type(np.dtype(code)) for code in "efdbhilqB?")]):
        yield


def _under_name(value: Callable, name: str) -> Callable:
    """A class as it is; a function as one that says it is called ``name``: torch looks there."""
    if isinstance(value, type):
        return value

    def call(*arguments: object) -> object:
        return value(*arguments)

    call.__module__, _, call.__name__ = name.rpartition(".")
    call.__qualname__ = call.__name__
    return call


@contextlib.contextmanager
def _safe_globals(values: list[Callable]) -> Iterator[None]:
    """``torch.serialization.safe_globals``, which torch 2.4 does not have."""
    before = list(torch.serialization.get_safe_globals())
    torch.serialization.add_safe_globals(values)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def unsupported_global(error: pickle.UnpicklingError) -> str | None:
    """The name that ``torch.load(weights_only=True)`` refused, if this is why it failed."""
    refusal = r"(?:Unsupported (?:global|class)[^\n]*?|GLOBAL )(\w+(?:\.\w+)+)"
    match = re.search(refusal, str(error))
    return match.group(1) if match else None
