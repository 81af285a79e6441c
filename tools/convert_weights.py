#!/usr/bin/env python
"""Convert a checkpoint of any supported format and age to today's names.

    tools/convert_weights.py model_final_94dc52.pkl mask2former_r50.safetensors
    tools/convert_weights.py model_final_94dc52.pkl start_of_stage1.pth --to univs
    tools/convert_weights.py stage3/model_final.pth univs_r50.safetensors --to univs

Reads .pkl, .pth, .pt, .bin and .safetensors files (also ImageNet backbones and torchvision's
ResNet) without executing anything in them, and writes .safetensors or .pth by the ending of OUTPUT.
Only the weights are kept, with the config, class names and tasks if the file has them.

With --to univs the weights of a Mask2Former model, or of an earlier stage of UniVS, become the
start of a UniVS model; what is not taken over is listed with the reason. Of a file of stage 3,
which holds the averaged weights (the teacher) beside the current ones, the averaged ones are taken.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from univs.checkpoint import CheckpointFileError, export_safetensors, export_torch, to_univs
from univs.checkpoint.report import group_names

WRITERS = {".safetensors": export_safetensors, ".pth": export_torch}


def main(arguments: list[str] | None = None) -> int:
    """Run the conversion and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, help="checkpoint to read")
    parser.add_argument("output", type=Path, help="file to write, .safetensors or .pth")
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    parser.add_argument("--to", choices=["univs"], help="make the weights those of this system")
    parser.add_argument(
        "--num-queries", type=int, default=200, help="learnable queries of the UniVS model"
    )
    parser.add_argument(
        "--student",
        action="store_true",
        help="take the weights of stage 3 that are not averaged",
    )
    options = parser.parse_args(arguments)
    if options.output.suffix not in WRITERS:
        parser.error(f"{options.output} must end in {' or '.join(WRITERS)}")
    if options.output.exists() and not options.overwrite:
        parser.error(f"{options.output} exists; give another name, or --overwrite")
    convert = None
    if options.to == "univs":
        convert = partial(
            to_univs, num_queries=options.num_queries, take_teacher=not options.student
        )
    try:
        export = WRITERS[options.output.suffix](options.input, options.output, convert)
    except (FileNotFoundError, CheckpointFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(export.summary())
    for title, names in (
        ("now in the file", export.tensors),
        ("dropped", export.name_map.dropped),
    ):
        if names:
            print(f"{title}:")
            print("\n".join(f"  {line}" for line in group_names(names)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
