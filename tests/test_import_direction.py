"""The rooms of the package import each other in one direction only; see docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "univs"

_BASE = {"structures", "config"}
_ROOMS = ("data", "modeling", "checkpoint", "evaluation", "visualization")

# Indexed by room: the rooms it may import besides itself.
ALLOWED: dict[str, set[str]] = {
    "structures": set(),
    "config": set(),
    **dict.fromkeys(_ROOMS, _BASE),
    "tracking": _BASE | {"data", "modeling", "checkpoint"},
    "engine": _BASE | {*_ROOMS, "tracking"},
    "app": _BASE | {*_ROOMS, "tracking", "engine"},
}


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("univs.")}
    return rooms & set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_the_rooms_below_it(room):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        wrong = imported_rooms(path) - ALLOWED[room] - {room}
        assert not wrong, f"{path.relative_to(PACKAGE.parent)} must not import {sorted(wrong)}"


def test_the_stand_in_does_not_know_the_project():
    for path in (PACKAGE / "_standin").rglob("*.py"):
        assert not imported_rooms(path), path
