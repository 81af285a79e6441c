"""``python -m univs.data.miniatures``: write miniatures of datasets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from univs.data.miniatures import FAMILIES, write_miniatures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m univs.data.miniatures", description=__doc__)
    parser.add_argument(
        "families",
        nargs="*",
        metavar="FAMILY",
        help=f"any of {', '.join(FAMILIES)} (default: all)",
    )
    parser.add_argument("--root", type=Path, required=True, help="a folder that is new or empty")
    parser.add_argument("--videos", type=int, default=3, help="of each split")
    parser.add_argument("--frames", type=int, default=6, help="of each video")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128), metavar=("H", "W"))
    options = parser.parse_args(arguments)
    try:
        write_miniatures(
            options.root,
            options.families or None,
            num_videos=options.videos,
            num_frames=options.frames,
            size=tuple(options.size),
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Miniatures: {options.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
