"""``univs evaluate``: score result files, whoever wrote them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from univs.app.output_folder import check_output_folder

if TYPE_CHECKING:
    from univs.evaluation.report import Report

_EPILOG = """\
RESULTS is what the benchmark asks for, also as a zip archive:
  YouTube-VIS, OVIS         results.json
  COCO, LVIS                coco_instances_results.json, or predictions.json and panoptic/*.png
  ADE20K, Cityscapes        sem_seg_predictions.json, or <image>.png with the classes from 0 on
  VSPW                      <video>/<frame>.png
  VIPSeg                    pred.json and pan_pred/<video>/<frame>.png
  Cityscapes-VPS            pred.json and pan_pred/<image id>.png
  KITTI-STEP                <sequence>/<frame>.png: class in red, instance in green and blue
  DAVIS, YouTube-VOS, MOSE, <video>/<frame>.png, the value of a pixel being the id of an object
  VIPOSeg
  Ref-YouTube-VOS, MeViS    <video>/<expression>/<frame>.png
  Ref-DAVIS17               anno_0 ... anno_3 with <video>/<frame>.png each, or one of the four
  BURST                     one JSON file

Identity switches (IDSw), fragmentations (Frag), MOTA and the shares of mostly tracked and mostly
lost objects (MT, ML) are no part of any of these benchmarks.
"""

_STABILITY_TITLE = "identity and stability (not part of the benchmark)"


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the sub-command and its arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score result files of any program on a benchmark",
        description="Score result files on a data set and print the benchmark's table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="file or folder to score")
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="such as ytvis21_dev or davis17_val"
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="root of all datasets (default: $UNIVS_DATASETS, else ./datasets)",
    )
    parser.add_argument(
        "--per-video", action="store_true", help="also print one row per video, worst first"
    )
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="videos to score at a time"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="draw the worst frame of each of the worst videos: image, truth, result",
    )
    parser.add_argument(
        "--worst", type=int, default=10, metavar="N", help="how many pictures (default: 10)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write all numbers, such as scores.json"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the sub-command; return the exit code."""
    if not options.results.exists():
        raise FileNotFoundError(
            f"{options.results}: there is no such file or folder of results; check the path."
        )
    if options.root is not None and not options.root.is_dir():
        raise FileNotFoundError(f"--root {options.root}: there is no such folder.")
    if options.output is not None:
        if options.output.is_dir():
            raise IsADirectoryError(f"--output {options.output}: this is a folder; name a file.")
        check_output_folder(options.output.absolute().parent)

    for name in ("worst", "processes"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name)}: must be 1 or more.")
    if options.pictures is not None:
        if options.pictures.exists() and not options.pictures.is_dir():
            raise NotADirectoryError(f"--pictures {options.pictures}: this is no folder.")
        check_output_folder(options.pictures.absolute())

    from univs.data.catalog import find_entry, register_datasets
    from univs.evaluation.offline import score_results, unpacked

    try:
        find_entry(options.dataset, options.root)
    except KeyError as error:
        raise ValueError(str(error.args[0])) from error
    register_datasets(options.root)
    if options.pictures is not None:
        from univs.app.worst_frames import check_has_pictures, write_worst_frames

        check_has_pictures(options.dataset)
    with unpacked(options.results) as results:
        report = score_results(options.dataset, results, processes=options.processes)
        print_report(report, per_video=options.per_video)
        if options.pictures is not None:
            worst = [video for video, _ in report.worst_first()[: options.worst]]
            paths = write_worst_frames(options.pictures, options.dataset, results, worst)
            print(f"\nWorst frames: {len(paths)} pictures in {options.pictures}")
    if options.output is not None:
        write_report(options.output, report, options.dataset, options.results)
        print(f"\nAll numbers: {options.output}")
    return 0


def print_report(report: Report, *, per_video: bool) -> None:
    """Print the main numbers of every task; numbers of single classes are left to the file."""
    from univs.evaluation.report import STABILITY

    for task, numbers in report.scores.items():
        # As in Detectron2, a hyphen marks the number of one class; DAVIS has it in every name.
        main = {name: value for name, value in numbers.items() if not _is_of_class(name)}
        title = _STABILITY_TITLE if task == STABILITY else task
        print(f"\n{title}\n{_table([list(main.values())], list(main))}")
    if per_video and not report.per_video:
        print("\nThis data set has no videos, so there is no table of them.")
    elif per_video:
        ranked = report.worst_first()
        rows = [[str(video), *numbers.values()] for video, numbers in ranked]
        print(f"\nvideos, worst first\n{_table(rows, ['video', *ranked[0][1]])}")


def write_report(path: Path, report: Report, dataset: str, results: Path) -> None:
    """Write all numbers as JSON, null where undefined; the file appears when it is complete."""
    import json

    from univs.evaluation.result_files import atomic_text_file

    content = {
        "dataset": dataset,
        "results": str(results),
        "scores": {task: _defined(numbers) for task, numbers in report.scores.items()},
        "per_video": {str(name): _defined(numbers) for name, numbers in report.worst_first()},
    }
    with atomic_text_file(path) as file:
        json.dump(content, file, indent=2, allow_nan=False)


def _is_of_class(name: str) -> bool:
    return name.startswith(("AP-", "IoU-", "ACC-"))


def _table(rows: Sequence[Sequence], headers: Sequence[str]) -> str:
    from tabulate import tabulate

    return tabulate(
        [[_cell(value, name) for value, name in zip(row, headers, strict=True)] for row in rows],
        headers=headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left" if name == "video" else "right" for name in headers],
    )


def _cell(value: str | float, name: str) -> str:
    if isinstance(value, str):
        return value
    if name in ("IDSw", "Frag", "tracks"):
        return f"{value:.0f}"
    return f"{value:.3f}"


def _defined(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}
