"""``univs data check``: goes through a dataset and names everything that is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from univs.data.catalog import DatasetEntry
    from univs.data.checking_report import CheckReport
    from univs.data.record import VideoRecord

_LABELLED_WIDTH = 320  # pixels; on smaller frames labels hide the masks


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the verb and its arguments."""
    parser = subparsers.add_parser(
        "check",
        help="find what is wrong with a dataset",
        description="Check annotations, frames and masks. The exit code is 1 if there are errors.",
    )
    parser.add_argument(
        "dataset",
        metavar="NAME_OR_PATH",
        help="a dataset of `univs data list`, a YAML file as for `univs data register`, or the "
        "path of a json or XML file of annotations or of a folder, whose form is guessed",
    )
    parser.add_argument(
        "--headers-only",
        action="store_true",
        help="do not decode frames: faster, but truncated images are not found",
    )
    parser.add_argument(
        "--show",
        type=int,
        default=5,
        metavar="N",
        help="problems to show of each kind (default: %(default)s)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="draw some videos with their masks into this file"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    from rich.console import Console

    from univs.app.data_progress import file_progress
    from univs.data.checking import check_dataset
    from univs.data.checking_report import CheckReport, Problem
    from univs.data.readers.json_file import AnnotationError

    console = Console(highlight=False, soft_wrap=True)
    try:
        entry = find_dataset(options.dataset, options.root)
    except AnnotationError as error:  # too damaged for its form to be told
        problem = Problem("damaged annotations", str(error), options.dataset)
        _print_report(console, CheckReport(options.dataset, [problem]), options.show)
        return 1
    with file_progress(console, entry.name, "files") as advance:
        report, records = check_dataset(
            entry, options.root, decode_frames=not options.headers_only, on_progress=advance
        )
    _print_report(console, report, options.show)
    if options.sheet is not None:
        if records:
            write_sheet(records, entry, options.sheet)
            console.print(f"sheet: {options.sheet}", markup=False)
        else:
            console.print("sheet: not drawn, because the dataset cannot be read", style="yellow")
    return 1 if report.errors else 0


def find_dataset(name_or_path: str, root: Path) -> DatasetEntry:
    """The dataset of a name, or that at a path, which is described or guessed.

    A name of the catalogue goes before a folder of the same name.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: there is none.
    """
    from univs.data.catalog import find_entry
    from univs.data.guess import guess_dataset

    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml", ".json", ".xml") or (
        path.exists() and (path.is_absolute() or len(path.parts) > 1)
    ):
        return guess_dataset(path)
    try:
        return find_entry(name_or_path, root)
    except KeyError as error:
        if path.is_dir() or len(path.parts) > 1:
            return guess_dataset(path)
        raise ValueError(error.args[0]) from None


def _print_report(console, report: CheckReport, limit: int) -> None:
    counts = ", ".join(f"{count:,} {what}" for what, count in report.counts.items() if count)
    console.print(f"{report.name}: {counts or 'nothing could be read'}", markup=False)
    for kind, count in report.kinds.items():
        found = [problem for problem in report.problems if problem.kind == kind]
        style = "red" if found[0].is_error else "yellow"
        console.print(f"{count} x {kind}", style=style)
        for problem in found[:limit]:
            console.print(f"  {str(problem).removeprefix(kind + ': ')}", markup=False)
        if count > limit:
            console.print(f"  ... and {count - limit} more (--show {count} shows all)")
    errors, total = len(report.errors), len(report.problems)
    if not total:
        console.print("All is well.", style="green")
    else:
        console.print(f"{errors} errors, {total - errors} warnings")


def write_sheet(
    records: Sequence[VideoRecord], entry: DatasetEntry, path: Path, count: int = 12
) -> None:
    """Draw ``count`` videos, evenly chosen, into one picture.

    Each is shown by its first frame with the most objects. Videos that cannot be decoded are left
    out; the check names them.
    """
    from univs.data.frames import FrameError
    from univs.data.mask_source import MaskError
    from univs.visualization.contact_sheet import contact_sheet
    from univs.visualization.png import write_png

    step = max(1, len(records) // count)
    frames, captions = [], []
    for record in records[::step][:count]:
        try:
            frames.append(_picture(record, entry))
        except (FrameError, MaskError):
            continue
        captions.append(f"{record.video_id} ({len(record.objects)})")
    if not frames:
        raise ValueError("No frame can be decoded, so there is nothing to draw.")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    write_png(path, contact_sheet(frames, captions=captions))


def _picture(record: VideoRecord, entry: DatasetEntry) -> np.ndarray:
    from univs.data.mask_source import decode_masks
    from univs.structures import FrameResult, Segment
    from univs.structures.mask_rle import encode_masks
    from univs.visualization.overlay import draw_frame

    present = [0] * len(record)
    for item in record.objects:
        for frame in item.frames if item.masks is not None else ():
            present[frame] += 1
    frame = present.index(max(present))
    image = record.frames[frame]
    shown = [o for o in record.objects if o.masks is not None and frame in o.frames]
    masks = decode_masks([item.masks for item in shown], frame, record.size)
    segments = [
        Segment(track_id=item.id + 1, rle=rle, category=item.category)
        for item, rle in zip(shown, encode_masks(masks), strict=True)
    ]
    labels = None if record.label_maps is None else record.label_maps.decode(frame)
    result = FrameResult(frame_index=frame, size=record.size, segments=segments, label_map=labels)
    names = entry.classes.names if entry.classes else ()
    return draw_frame(image, result, names, with_labels=record.size[1] >= _LABELLED_WIDTH)
