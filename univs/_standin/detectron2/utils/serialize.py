"""Functions that pickle cannot send to another process."""

from __future__ import annotations

from typing import Any

import cloudpickle

__all__ = ["PicklableWrapper"]


class PicklableWrapper:
    """Makes an object, such as a lambda or a closure, picklable with cloudpickle.

    Calls and attribute accesses go to the object.
    """

    def __init__(self, obj: Any) -> None:
        # A wrapper of a wrapper would only make the pickle larger.
        self._obj = obj._obj if isinstance(obj, PicklableWrapper) else obj

    def __reduce__(self) -> tuple:
        return _unpickle, (cloudpickle.dumps(self._obj),)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._obj(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_obj":  # not set yet
            raise AttributeError(name)
        return getattr(self._obj, name)


def _unpickle(data: bytes) -> PicklableWrapper:
    return PicklableWrapper(cloudpickle.loads(data))
