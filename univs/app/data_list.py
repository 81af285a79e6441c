"""``univs data list``: every dataset, and whether its files are there."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from univs.data.catalog import DatasetEntry


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the verb and its arguments."""
    parser = subparsers.add_parser(
        "list",
        help="which datasets are there, partly there, or missing",
        description="List every dataset that can be read, and whether its files are there.",
    )
    parser.add_argument(
        "name", nargs="?", default="", help="only those with this in their name or an alias"
    )
    parser.add_argument("--ready", action="store_true", help="only those whose files are all there")
    parser.add_argument(
        "--sizes", action="store_true", help="add up the sizes of their files, which takes longer"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from univs.data.catalog import all_entries
    from univs.data.catalog.unsupported import unsupported_names

    console = Console(highlight=False, soft_wrap=True)
    table = Table("dataset", "state", "official count", "also called", box=None, pad_edge=False)
    if options.sizes:
        table.add_column("size", justify="right")
    lacking = []
    totals = dict.fromkeys(("ready", "partly there", "missing"), 0)
    for name, entry in sorted(all_entries(options.root).items()):
        if not any(options.name in known for known in (name, *entry.aliases)):
            continue
        found = find_files(entry, options.root)
        # Toy data are made, not fetched: they are not missed.
        if found.state == "missing" and name.startswith("toy_"):
            continue
        totals[found.state] += 1
        if options.ready and found.state != "ready":
            continue
        if found.is_partial:
            lacking.append(f"{name} lacks {', '.join(found.missing)}")
        color = {"ready": "green", "partly there": "yellow"}.get(found.state, "")
        count = "" if entry.count is None else f"{entry.count:,}"
        row = [name, Text(found.state, style=color), count, ", ".join(entry.aliases)]
        if options.sizes:
            row.append(_readable(found.size()) if found.present else "")
        table.add_row(*row)
    if table.row_count:
        console.print(table)
    for line in lacking:
        console.print(line, style="yellow", markup=False)
    console.print(f"\n{', '.join(f'{count} {state}' for state, count in totals.items())}")
    console.print(f"Root of all datasets: {options.root.absolute()}", markup=False)
    if not options.name and not options.ready:
        console.print(f"Not supported yet: {', '.join(unsupported_names())}", markup=False)
    return 0


@dataclass(frozen=True)
class FoundFiles:
    """Which files of a dataset are there, at the place where most of them are.

    Attributes:
        present: absolute paths.
        missing: paths relative to the root.
    """

    present: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def state(self) -> str:
        """``ready``, ``partly there`` or ``missing``."""
        if not self.missing:
            return "ready"
        return "partly there" if self.present else "missing"

    @property
    def is_partial(self) -> bool:
        """Whether some files are there and others not."""
        return bool(self.present and self.missing)

    def size(self) -> int:
        """Bytes of all files that are there."""
        files = (
            file
            for path in self.present
            for file in ([path] if path.is_file() else path.rglob("*"))
        )
        return sum(file.stat().st_size for file in files if file.is_file())


def find_files(entry: DatasetEntry, root: Path) -> FoundFiles:
    """Look for the files of a dataset below ``root``."""
    best: FoundFiles | None = None
    for place in entry.candidates(root):
        paths = {
            Path(path)
            for path in (
                place.image_root,
                place.annotations,
                place.masks,
                place.videos,
                place.categories,
            )
            if path is not None
        }
        missing = set(map(Path, place.missing()))
        found = FoundFiles(
            present=tuple(sorted(paths - missing)),
            missing=tuple(sorted(_relative(path, root) for path in missing)),
        )
        if not found.missing:
            return found
        if best is None or len(found.present) > len(best.present):
            best = found
    return best


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _readable(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
