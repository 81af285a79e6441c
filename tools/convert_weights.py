#!/usr/bin/env python
"""Convert a checkpoint of any supported format and age to today's names.

    tools/convert_weights.py model_final_94dc52.pkl mask2former_r50.safetensors

Reads .pkl, .pth, .pt, .bin and .safetensors files (also ImageNet backbones and torchvision's
ResNet) without executing anything in them, and writes .safetensors or .pth by the ending of OUTPUT.
Only the weights are kept, with the config, class names and tasks if the file has them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from univs.checkpoint import CheckpointFileError, export_safetensors, export_torch
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
    options = parser.parse_args(arguments)
    if options.output.suffix not in WRITERS:
        parser.error(f"{options.output} must end in {' or '.join(WRITERS)}")
    if options.output.exists() and not options.overwrite:
        parser.error(f"{options.output} exists; give another name, or --overwrite")
    try:
        export = WRITERS[options.output.suffix](options.input, options.output)
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
