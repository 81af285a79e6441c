"""Registries by name, and objects found by their dotted path."""

from __future__ import annotations

import importlib
from typing import Any

from fvcore.common.registry import Registry

__all__ = ["Registry", "locate"]


def _convert_target_to_string(target: Any) -> str:
    """Inverse of :func:`locate`: the shortest dotted path that names ``target``."""
    module, qualname = target.__module__, target.__qualname__
    parts = module.split(".")
    for length in range(1, len(parts)):  # prefer the public re-export to the defining module
        candidate = f"{'.'.join(parts[:length])}.{qualname}"
        try:
            if locate(candidate) is target:
                return candidate
        except ImportError:
            continue
    return f"{module}.{qualname}"


def locate(name: str) -> Any:
    """Return the object with dotted path ``name``, such as ``"torch.nn.Linear"``.

    Raises:
        ImportError: no module or attribute has this path.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module_name = ".".join(parts[:length])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # the module exists, but something that it imports does not
            continue
        try:
            for attribute in parts[length:]:
                found = getattr(found, attribute)
        except AttributeError:
            break
        return found
    raise ImportError(f"Cannot locate {name!r}: no such module or attribute")
