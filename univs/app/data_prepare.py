"""``univs data prepare``: make the index of a dataset ahead of time."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the verb and its arguments."""
    parser = subparsers.add_parser(
        "prepare",
        help="make the index that some datasets need",
        description="Some datasets do not say which frames show which object: their masks are "
        "looked through once. That happens by itself when they are first read; here it is done "
        "ahead of time. It can be interrupted and goes on where it was. No image is copied.",
    )
    parser.add_argument("datasets", nargs="+", metavar="NAME", help="what to prepare")
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    from rich.console import Console

    from univs.app.data_check import find_dataset
    from univs.app.data_progress import file_progress
    from univs.data.preparation import prepare_dataset

    console = Console(highlight=False, soft_wrap=True)
    for entry in [find_dataset(name, options.root) for name in options.datasets]:
        with file_progress(console, entry.name, "videos") as advance:
            done = prepare_dataset(entry, options.root, on_video=advance)
        if done.work is None:
            text = "needs no preparation"
        elif done.index_files:
            files = ", ".join(map(str, done.index_files))
            text = f"found out {done.work} in {done.num_videos} videos; kept in {files}"
        else:
            text = f"was prepared before ({done.num_videos} videos)"
        console.print(f"{entry.name}: {text}", markup=False)
    return 0
