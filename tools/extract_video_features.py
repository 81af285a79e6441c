#!/usr/bin/env python
"""What UniVS knows of videos, for other models: a token per query, and coarse mask features.

    tools/extract_video_features.py clips/*.mp4 --weights model_final.pth --output features
    tools/extract_video_features.py frames/ --config-file configs/univs/swinb_stage2.yaml \\
        --weights univs_swinb.pth --output features --opts INPUT.MIN_SIZE_TEST 640

For every video two files are written that torch.load reads, NAME_obj_tokens_32_1.pt, (T, C, Q), and
NAME_compression_mask_features_32_1.pt, (T, C, h, w). The numbers are those of
MODEL.UniVS.TEST.SEMANTIC_EXTRACTION: by how much h and w are smaller than frames, and T than the
number of frames.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import univs
from univs.modeling.meta_arch.univs import UnivsBase
from univs.tracking.univs_semantic_extraction import extract_semantics


def main(arguments: list[str] | None = None) -> int:
    """Extract the features of all videos and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="+", help="files or folders of images")
    parser.add_argument("--config-file", type=Path, help="needed unless the checkpoint has one")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder; made if missing")
    parser.add_argument("--device")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE")
    options = parser.parse_args(arguments)
    try:
        sources = [univs.open_source(video) for video in options.videos]
        repeated = [x for x, count in Counter(s.name for s in sources).items() if count > 1]
        if repeated:
            raise ValueError(
                f"several videos have the name {repeated[0]}, and so would their files"
            )
        model_files = [path for path in (options.config_file, options.weights) if path is not None]
        segmenter = univs.load(*model_files, options=options.opts, device=options.device)
        if not isinstance(segmenter.model, UnivsBase):
            raise ValueError(f"{options.weights} is no UniVS model")
        for source in sources:
            semantics = extract_semantics(segmenter.model, segmenter.cfg, source)
            for path in semantics.save(options.output, source.name):
                print(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
