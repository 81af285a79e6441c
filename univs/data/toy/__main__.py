"""``python -m univs.data.toy``: generate the toy data sets."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from univs.data.toy.difficulty import PRESETS
from univs.data.toy.generate import generate
from univs.data.toy.layouts import LAYOUTS
from univs.data.toy.registration import toy_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m univs.data.toy",
        description="Generate small annotated videos in the layouts of the real benchmarks.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--root", default=str(toy_root()), help="folder of the toy data sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-videos", type=int, default=150)
    parser.add_argument("--val-videos", type=int, default=30)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 192), metavar=("H", "W"))
    parser.add_argument("--frames", type=int, default=12, help="frames per video")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="default")
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=(*LAYOUTS, "all"),
        default=["ytvis"],
        metavar="LAYOUT",
        help=f"any of {', '.join(LAYOUTS)}, or all",
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many render at once"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    try:
        folder = generate(
            options.root,
            seed=options.seed,
            num_train_videos=options.train_videos,
            num_val_videos=options.val_videos,
            size=tuple(options.size),
            num_frames=options.frames,
            preset=options.preset,
            layouts=tuple(LAYOUTS) if "all" in options.layouts else options.layouts,
            processes=options.processes,
            progress=not options.quiet,
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Toy data: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
