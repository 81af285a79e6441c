"""Choose the Detectron2 that the rest of the project imports: the installed one, or the stand-in.

The stand-in under ``univs/_standin`` holds the part of Detectron2 that this project uses. It is put
on ``sys.path`` only when no Detectron2 is installed, so that an installed one always wins.
``UNIVS_DETECTRON2=standin`` or ``=installed`` forces the choice.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path

STANDIN = Path(__file__).resolve().parent / "_standin"
ENVIRONMENT_VARIABLE = "UNIVS_DETECTRON2"


class Detectron2Error(ImportError):
    """The Detectron2 that was asked for cannot be used."""


def select_detectron2() -> str:
    """Make ``import detectron2`` work, or fail with one sentence that says what to do.

    The package can be imported in either case, so that commands can report the error as any other.

    Returns:
        ``"installed"``, ``"standin"`` or, if neither can be used, ``"unusable"``.
    """
    try:
        return _select()
    except Detectron2Error as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == "detectron2"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Unusable(str(error)))
        return "unusable"


class _Unusable(MetaPathFinder):
    """Refuses to import Detectron2, and says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name.partition(".")[0] == "detectron2":
            raise Detectron2Error(self._reason)


def _select() -> str:
    """Make ``import detectron2`` work and return ``"installed"`` or ``"standin"``.

    Raises:
        Detectron2Error: an installed Detectron2 is unusable, or is asked for and missing.
    """
    choice = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if choice not in ("", "standin", "installed"):
        raise Detectron2Error(
            f"{ENVIRONMENT_VARIABLE}={choice!r} is not understood: use 'standin' or 'installed', "
            "or leave it unset."
        )
    if _is_standin(sys.modules.get("detectron2")):
        return "standin"
    if choice == "standin":
        _use_standin()
        return "standin"
    if not _is_installed():
        if choice == "installed":
            raise Detectron2Error(
                f"{ENVIRONMENT_VARIABLE}=installed, but no detectron2 is installed. Install it, or "
                f"unset {ENVIRONMENT_VARIABLE} to use the built-in stand-in."
            )
        _use_standin()
        return "standin"
    _check_installed()
    return "installed"


def _is_installed() -> bool:
    # A spawned process inherits a path that may already end in the stand-in.
    spec = importlib.util.find_spec("detectron2")
    if spec is None:
        return False
    return spec.origin is None or STANDIN not in Path(spec.origin).parents


def _is_standin(module: object) -> bool:
    return (
        getattr(module, "__file__", None) is not None and STANDIN in Path(module.__file__).parents
    )


def _use_standin() -> None:
    if "detectron2" in sys.modules and not _is_standin(sys.modules["detectron2"]):
        raise Detectron2Error(
            "An installed detectron2 was imported before univs; import univs first to use the "
            "stand-in."
        )
    path = str(STANDIN)
    if path in sys.path:
        sys.path.remove(path)
    # In front when forced past an installed copy, at the end otherwise.
    if importlib.util.find_spec("detectron2") is not None:
        sys.path.insert(0, path)
    else:
        sys.path.append(path)
    importlib.invalidate_caches()


def _check_installed() -> None:
    # detectron2.layers is where a broken torchvision or a mismatched build shows.
    try:
        importlib.import_module("detectron2.layers")
    except Exception as error:
        raise Detectron2Error(
            f"The installed detectron2 cannot be imported ({type(error).__name__}: {error}). "
            "Repair it (often: reinstall torchvision for this torch), or set "
            f"{ENVIRONMENT_VARIABLE}=standin to use the built-in stand-in."
        ) from error
