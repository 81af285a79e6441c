"""The instances of an image: fields of equal length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["Instances"]


class Instances:
    """Instances of one image, as fields (``gt_classes``, ``pred_masks``, ...) of equal length.

    Fields are attributes; anything with a length will do. Tensors, and what has ``to``, ``cat`` and
    indexing, take part in :meth:`to`, :meth:`cat` and indexing.

    Args:
        image_size: (height, width) of the image.
        kwargs: fields by name.
    """

    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self._image_size

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "_fields" or name not in self._fields:
            raise AttributeError(f"Cannot find field '{name}' in the given Instances!")
        return self._fields[name]

    def set(self, name: str, value: Any) -> None:
        """Set field ``name``, which must be as long as the fields there are."""
        length = len(value)
        if self._fields:
            assert len(self) == length, (
                f"Adding a field of length {length} to Instances of length {len(self)}"
            )
        self._fields[name] = value

    def has(self, name: str) -> bool:
        """Tell whether there is a field ``name``."""
        return name in self._fields

    def remove(self, name: str) -> None:
        """Remove field ``name``."""
        del self._fields[name]

    def get(self, name: str) -> Any:
        """Field ``name``."""
        return self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """The fields by name. Changes of the dict change the instances."""
        return self._fields

    def to(self, *args: Any, **kwargs: Any) -> Instances:
        """Call ``to`` of every field that has one."""
        moved = Instances(self._image_size)
        for name, value in self._fields.items():
            moved.set(name, value.to(*args, **kwargs) if hasattr(value, "to") else value)
        return moved

    def __getitem__(self, item: int | slice | Tensor) -> Instances:
        """The instances that ``item`` selects. An int selects one."""
        if isinstance(item, int):
            if not -len(self) <= item < len(self):
                raise IndexError("Instances index out of range!")
            item = slice(item, None, len(self))
        selected = Instances(self._image_size)
        for name, value in self._fields.items():
            selected.set(name, value[item])
        return selected

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        raise NotImplementedError("Empty Instances does not support __len__!")

    def __iter__(self) -> Iterator:
        raise NotImplementedError("`Instances` object is not iterable!")

    @staticmethod
    def cat(instance_lists: list[Instances]) -> Instances:
        """All instances of a list that is not empty, of images of the same size."""
        assert all(isinstance(instances, Instances) for instances in instance_lists)
        assert len(instance_lists) > 0
        if len(instance_lists) == 1:
            return instance_lists[0]
        image_size = instance_lists[0].image_size
        for instances in instance_lists[1:]:
            assert isinstance(instances.image_size, Tensor) or instances.image_size == image_size, (
                "Instances of images of different sizes cannot be concatenated"
            )
        joined = Instances(image_size)
        for name, first in instance_lists[0].get_fields().items():
            values = [instances.get(name) for instances in instance_lists]
            if isinstance(first, Tensor):
                joined.set(name, torch.cat(values, dim=0))
            elif isinstance(first, list):
                joined.set(name, list(itertools.chain(*values)))
            elif hasattr(type(first), "cat"):
                joined.set(name, type(first).cat(values))
            else:
                raise ValueError(f"Field '{name}': {type(first).__name__} cannot be concatenated")
        return joined

    def __str__(self) -> str:
        height, width = self._image_size
        fields = ", ".join(f"{name}: {value}" for name, value in self._fields.items())
        length = len(self) if self._fields else 0
        return (
            f"{type(self).__name__}(num_instances={length}, image_height={height}, "
            f"image_width={width}, fields=[{fields}])"
        )

    __repr__ = __str__
