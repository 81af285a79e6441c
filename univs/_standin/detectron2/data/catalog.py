"""Data sets and their metadata, by name."""

from __future__ import annotations

import types
from collections import UserDict
from collections.abc import Callable
from typing import Any

__all__ = ["DatasetCatalog", "Metadata", "MetadataCatalog"]


class _DatasetCatalog(UserDict):
    """Functions that return a data set, by its name. Use :data:`DatasetCatalog`."""

    def register(self, name: str, func: Callable[[], list[dict]]) -> None:
        """Register a data set.

        Args:
            name: of the data set, such as ``"coco_2017_train"``.
            func: takes nothing and returns one dictionary per sample, the same ones in the same
                order each time.

        Raises:
            AssertionError: the name is taken, or ``func`` is not callable.
        """
        assert callable(func), "You must register a function with `DatasetCatalog.register`!"
        assert name not in self, f"Dataset '{name}' is already registered!"
        self[name] = func

    def get(self, name: str) -> list[dict]:
        """Load a data set.

        Raises:
            KeyError: no data set has this name.
        """
        try:
            func = self[name]
        except KeyError as error:
            available = ", ".join(self)
            raise KeyError(
                f"Dataset '{name}' is not registered! Available datasets are: {available}"
            ) from error
        return func()

    def list(self) -> list[str]:
        """Names of all data sets."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forget a data set."""
        self.pop(name)

    def __str__(self) -> str:
        return f"DatasetCatalog(registered datasets: {', '.join(self.keys())})"

    __repr__ = __str__


class Metadata(types.SimpleNamespace):
    """What is known about a data set as a whole, such as the names of its classes, as attributes.

    A value is set once; setting another one later is an error, because others may have used it.
    """

    # Shown in messages until the catalog sets the data set's name.
    name: str = "N/A"

    def __getattr__(self, key: str) -> Any:
        known = list(self.__dict__)
        if len(known) > 1:
            raise AttributeError(
                f"Attribute '{key}' does not exist in the metadata of dataset '{self.name}'. "
                f"Available keys are {known}."
            )
        raise AttributeError(
            f"Attribute '{key}' does not exist in the metadata of dataset '{self.name}': "
            "metadata is empty."
        )

    def __setattr__(self, key: str, val: Any) -> None:
        if key in self.__dict__ and self.__dict__[key] != val:
            raise AssertionError(
                f"Attribute '{key}' in the metadata of '{self.name}' cannot be set to a different "
                f"value!\n{self.__dict__[key]} != {val}"
            )
        super().__setattr__(key, val)

    def as_dict(self) -> dict[str, Any]:
        """All attributes, in a new dictionary."""
        return dict(self.__dict__)

    def set(self, **kwargs: Any) -> Metadata:
        """Set several attributes and return this object."""
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """The attribute, or ``default`` if there is none."""
        return self.__dict__.get(key, default)


class _MetadataCatalog(UserDict):
    """Metadata by the name of the data set. Use :data:`MetadataCatalog`."""

    def get(self, name: str) -> Metadata:
        """The one metadata object of this name, created when it is first asked for."""
        assert len(name), "The name of a dataset must not be empty."
        if name not in self:
            self[name] = Metadata(name=name)
        return self[name]

    def list(self) -> list[str]:
        """Names of all data sets with metadata."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forget the metadata of a data set."""
        self.pop(name)

    def __str__(self) -> str:
        return f"MetadataCatalog(registered metadata: {', '.join(self.keys())})"

    __repr__ = __str__


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
