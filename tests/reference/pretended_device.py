"""A device that only pretends to be one: tensors on it hold CPU data and refuse CPU partners.

Code that works on it puts everything that meets on one device, as a GPU demands. It takes the name
of PyTorch's "meta" device, which every build knows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")

_aten = torch.ops.aten
_COPIES = {_aten.copy_.default, _aten._to_copy.default}
# What may have its indices on the CPU.
_INDEXING = {
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
    _aten._unsafe_index.Tensor,
}
# What does not take even a single number from the CPU.
_STRICT = {_aten.cat.default, _aten.stack.default, _aten.scatter.src, _aten.gather.default}


class DeviceMismatch(RuntimeError):
    """Tensors on different devices meet."""


class DeviceTensor(Tensor):
    """A tensor on the pretended device.

    Attributes:
        data_on_cpu: what it holds.
    """

    data_on_cpu: Tensor

    @staticmethod
    def __new__(cls, data: Tensor) -> DeviceTensor:
        return Tensor._make_wrapper_subclass(
            cls,
            data.size(),
            strides=data.stride(),
            storage_offset=data.storage_offset(),
            dtype=data.dtype,
            layout=data.layout,
            device=DEVICE,
        )

    def __init__(self, data: Tensor) -> None:
        self.data_on_cpu = data.detach()

    def __repr__(self) -> str:
        return f"DeviceTensor({self.data_on_cpu!r})"

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.tolist:
            return args[0].data_on_cpu.tolist()
        with torch._C.DisableTorchFunctionSubclass():  # which would make all results of this class
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, *args, **kwargs) -> None:
        # PyTorch knows no reduced precision for the device whose name is taken.
        super().__init__("cpu" if device_type == DEVICE.type else device_type, *args, **kwargs)


class _OfPython(TorchFunctionMode):
    """Makes tensors of Python's numbers on the device, which no operation does."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _with_tensors(args[1]), *args[2:])
        if function is Tensor.new_tensor and isinstance(args[0], DeviceTensor):
            function, (like, *args) = torch.tensor, args
            kwargs = {"dtype": like.dtype, "device": like.device, **kwargs}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        return function(*args, **kwargs)


def _with_tensors(index):
    """An index with tensors for its lists, which else become tensors without an operation."""
    if isinstance(index, tuple):
        return tuple(map(_with_tensors, index))
    return torch.tensor(index) if isinstance(index, list) else index


class _OfOperations(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


@contextlib.contextmanager
def pretended_device() -> Iterator[torch.device]:
    """Let tensors be made on and moved to :data:`DEVICE`, and give it."""
    with mock.patch("torch.autocast", _Autocast), _OfPython(), _OfOperations():
        yield DEVICE


def _run(function, args: tuple, kwargs: dict):
    device = kwargs.get("device")
    values, _ = tree_flatten((args, kwargs))
    tensors = [value for value in values if isinstance(value, Tensor)]
    if any(t.device == DEVICE and not isinstance(t, DeviceTensor) for t in tensors):
        raise NotImplementedError(f"{function} is given a tensor that no operation has made")
    is_here = [isinstance(tensor, DeviceTensor) for tensor in tensors]
    if any(is_here):
        _check(function, args, tensors, is_here)
    if device is not None:
        on_device = torch.device(device) == DEVICE
        kwargs = {**kwargs, "device": torch.device("cpu")}
        generator = kwargs.get("generator")
        if on_device and generator is not None:
            raise DeviceMismatch(f"{function}: a generator of the CPU draws for {DEVICE}")
    elif function in _COPIES:
        on_device = is_here[0]
    else:
        on_device = any(is_here)
    own = tree_map_only(DeviceTensor, lambda tensor: tensor.data_on_cpu, (args, kwargs))
    output = function(*own[0], **own[1])
    if not on_device:
        return output
    wrapped = tree_map_only(Tensor, DeviceTensor, output)
    return return_and_correct_aliasing(function, args, kwargs, wrapped)


def _check(function, args: tuple, tensors: list[Tensor], is_here: list[bool]) -> None:
    if function in _COPIES or all(is_here):
        return
    if function in _INDEXING and is_here[0]:
        values = args[2:3] if len(args) > 2 else ()
        tensors = [tensors[0], *values]
    elif function not in _STRICT:
        tensors = [t for t in tensors if isinstance(t, DeviceTensor) or t.dim()]
    if not all(isinstance(tensor, DeviceTensor) for tensor in tensors):
        shapes = [
            f"{tuple(t.shape)} on {DEVICE if isinstance(t, DeviceTensor) else t.device}"
            for t in tensors
        ]
        raise DeviceMismatch(f"{function}: {', '.join(shapes)}")
