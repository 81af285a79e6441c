"""What happened when weights were loaded, for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from univs.checkpoint.errors import CheckpointFileError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Misshaped:
    """A tensor that has different shapes in the model and in the file."""

    name: str
    model_shape: Shape
    file_shape: Shape


@dataclass
class LoadReport:
    """Which tensors of a file went into a model. Names are those of the model, i.e. today's.

    Attributes:
        path: the file.
        loaded: tensors that were copied.
        missing: tensors of the model that the file lacks; they keep their values.
        unexpected: tensors of the file that the model has no place for.
        misshaped: tensors with another shape in the file; the model keeps its values.
        ignored: entries of the file that are of no use to any model, or that the model computes.
        recognised: what kinds of old or foreign files this one was read as.
        notes: what else the user should know, one line each.
    """

    path: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: list[Misshaped] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    recognised: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every tensor of the model was loaded and every tensor of the file was used."""
        return not (self.missing or self.unexpected or self.misshaped)

    def summary(self) -> str:
        """Several lines: how much was loaded, and what was not, grouped by module."""
        lines = [f"{len(self.loaded)} tensors loaded from {self.path}"]
        if self.recognised:
            lines[0] += f" (read as: {', '.join(self.recognised)})"
        lines += self.notes
        in_model = [*self.loaded, *self.missing, *(entry.name for entry in self.misshaped)]
        in_file = [*self.loaded, *self.unexpected, *(entry.name for entry in self.misshaped)]
        lines += _section("missing in the file, so the model keeps its own", self.missing, in_model)
        lines += _section("in the file, but not in the model", self.unexpected, in_file)
        if self.misshaped:
            lines.append(f"{len(self.misshaped)} of another shape, so the model keeps its own:")
            lines += [f"  {line}" for line in _group_shapes(self.misshaped)]
        if self.ignored:
            lines.append(f"{len(self.ignored)} ignored, of no use to this model")
        return "\n".join(lines)


class CheckpointMismatchError(CheckpointFileError):
    """A file does not fit a model.

    Attributes:
        report: what did fit and what did not.
    """

    def __init__(self, message: str, report: LoadReport) -> None:
        super().__init__(f"{message}\n{report.summary()}")
        self.report = report


def _section(title: str, names: list[str], universe: list[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {title}:", *(f"  {line}" for line in group_names(names, universe))]


def group_names(names: Iterable[str], universe: Iterable[str] = ()) -> list[str]:
    """Write dotted names in few lines.

    A module of which every tensor in ``universe`` is among ``names`` becomes one line with a
    count, ``decoder.* (12)``; otherwise tensors of one module share a line,
    ``decoder.norm.{bias,weight}``.

    Args:
        names: the names to write.
        universe: all names there are.
    """
    names = dict.fromkeys(names)
    total = _count_by_module({**dict.fromkeys(universe), **names})
    inside = _count_by_module(names)
    lines: dict[str, list[str]] = {}
    for name in names:
        whole = next(
            (
                module
                for module in _modules(name)
                if inside[module] == total[module] and inside[module] > 2
            ),
            None,
        )
        if whole is not None:
            lines[f"{whole}.* ({inside[whole]})"] = []
        else:
            module, _, leaf = name.rpartition(".")
            lines.setdefault(module, []).append(leaf)
    return [_braces(module, leaves) if leaves else module for module, leaves in lines.items()]


def _group_shapes(entries: list[Misshaped]) -> list[str]:
    by_module: dict[str, list[Misshaped]] = {}
    for entry in entries:
        by_module.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    return [
        f"{_braces(module, [entry.name.rpartition('.')[2] for entry in group])}: "
        f"{', '.join(str(entry.model_shape) for entry in group)} in the model, "
        f"{', '.join(str(entry.file_shape) for entry in group)} in the file"
        for module, group in by_module.items()
    ]


def _braces(module: str, leaves: list[str]) -> str:
    text = leaves[0] if len(leaves) == 1 else "{" + ",".join(leaves) + "}"
    return f"{module}.{text}" if module else text


def _modules(name: str) -> Iterable[str]:
    """The modules that a tensor lies in, outermost first."""
    parts = name.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts)))


def _count_by_module(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        for module in _modules(name):
            counts[module] = counts.get(module, 0) + 1
    return counts
