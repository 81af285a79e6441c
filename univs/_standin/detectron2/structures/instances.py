"""The objects of one image: any number of fields of equal length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["Instances"]


class Instances:
    """Fields of the same N objects, set and read as attributes.

    >>> instances = Instances((480, 640))
    >>> instances.gt_classes = torch.tensor([1, 2])
    >>> len(instances), instances[instances.gt_classes == 1].gt_classes
    (2, tensor([1]))

    All fields have the same length. Attributes that begin with an underscore are not fields.
    """

    def __init__(self, image_size: tuple[int, int], **fields: Any) -> None:
        """
        Args:
            image_size: height and width of the image.
            fields: fields to begin with.
        """
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in fields.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the image."""
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
        """Set field ``name``; its length must be that of the other fields."""
        length = len(value)
        if self._fields and length != len(self):
            raise AssertionError(
                f"Adding a field of length {length} to a Instances of length {len(self)}"
            )
        self._fields[name] = value

    def has(self, name: str) -> bool:
        return name in self._fields

    def remove(self, name: str) -> None:
        del self._fields[name]

    def get(self, name: str) -> Any:
        return self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """All fields by name; changing the dictionary changes the instances."""
        return self._fields

    def to(self, *args: Any, **kwargs: Any) -> Instances:
        """The same with every field that has ``to`` moved by it."""
        moved = {
            name: value.to(*args, **kwargs) if hasattr(value, "to") else value
            for name, value in self._fields.items()
        }
        return Instances(self._image_size, **moved)

    def __getitem__(self, item: int | slice | Tensor) -> Instances:
        """Select objects by an index, a slice, indices or a boolean mask."""
        if isinstance(item, int):
            if not -len(self) <= item < len(self):
                raise IndexError("Instances index out of range!")
            item = slice(item, None, None) if item == -1 else slice(item, item + 1)
        selected = {name: value[item] for name, value in self._fields.items()}
        return Instances(self._image_size, **selected)

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        raise NotImplementedError("Empty Instances does not support __len__!")

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("`Instances` object is not iterable!")

    @staticmethod
    def cat(instance_lists: list[Instances]) -> Instances:
        """Join instances of images of one size that have the same fields."""
        first = instance_lists[0]
        if len(instance_lists) == 1:
            return first
        if any(other.image_size != first.image_size for other in instance_lists[1:]):
            raise ValueError("Instances of images of different sizes cannot be joined.")
        joined = Instances(first.image_size)
        for name in first.get_fields():
            values = [instances.get(name) for instances in instance_lists]
            if isinstance(values[0], Tensor):
                joined.set(name, torch.cat(values))
            elif isinstance(values[0], list):
                joined.set(name, list(itertools.chain(*values)))
            elif hasattr(type(values[0]), "cat"):
                joined.set(name, type(values[0]).cat(values))
            else:
                raise ValueError(f"Unsupported type {type(values[0])} for concatenation")
        return joined

    def __str__(self) -> str:
        count = len(self) if self._fields else 0
        height, width = self._image_size
        return (
            f"Instances(num_instances={count}, image_height={height}, image_width={width}, "
            f"fields=[{', '.join(f'{name}: {value}' for name, value in self._fields.items())}])"
        )

    __repr__ = __str__
