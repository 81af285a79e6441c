#!/usr/bin/env python
"""How the memory of VITA and GenVIS grows with the length of a video.

python benchmarks/video_memory.py --config-file configs/toy/vita.yaml --weights vita.pth
python benchmarks/video_memory.py --config-file configs/toy/genvis_online.yaml --weights genvis.pth

Frames are generated one by one. At regular intervals the memory of the process is read, and told
apart into what may grow with the video, which are object tokens (VITA: the queries of every frame;
GenVIS: its prototypes, up to MODEL.GENVIS.MEMORY_SIZE clips) and run lengths, and everything else,
which should not. VITA goes through a video twice: in the second pass it makes the masks.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import univs
from univs.tracking import GenvisSession
from univs.tracking.instance_session import InstanceSession

MIB = 2**20


def generated_frame(index: int, size: tuple[int, int]) -> np.ndarray:
    """A square of any colour that moves over a texture, uint8 ``(H, W, 3)``."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    texture = (96 + 32 * np.sin(rows / 5) + 32 * np.sin(columns / 7 + index / 30)).astype(np.uint8)
    frame = np.repeat(texture[..., None], 3, axis=2)
    side = height // 3
    top, left = (5 * index) % (height - side), (3 * index) % (width - side)
    frame[top : top + side, left : left + side] = (220, 40, 30)
    return frame


def resident_bytes() -> int:
    """Memory of this process that is in use now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tensor_bytes() -> int:
    """Memory of all tensors that are alive, on any device; shared memory counts once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking odd objects for their class
        tensors = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def token_bytes(session: InstanceSession) -> int:
    """Memory of what a session keeps of objects."""
    if isinstance(session, GenvisSession):
        prototypes = session._prototypes
        kept = () if prototypes is None else (prototypes.keys,)  # values lie in the same memory
    else:
        kept = session._tokens
    return sum(tensor.untyped_storage().nbytes() for tensor in kept)


def run_length_bytes(session: InstanceSession) -> int:
    """Memory of the masks so far."""
    if session._tracks is None:
        return 0
    return sum(
        sys.getsizeof(rle) + sys.getsizeof(rle["size"]) + sys.getsizeof(rle["counts"])
        for frame in session._tracks._masks
        for rle in frame.values()
    )


def measure(session: InstanceSession, num_frames: int, size: tuple[int, int], every: int) -> list:
    """Segment a video of generated frames; a row of figures in MiB per ``every`` frames."""
    rows = []

    def note(stage: str, frame: int) -> None:
        tokens, masks = token_bytes(session), run_length_bytes(session)
        rows.append(
            {
                "stage": stage,
                "frame": frame,
                "tokens": tokens / MIB,
                "masks": masks / MIB,
                "other_tensors": (tensor_bytes() - tokens) / MIB,
                "other_resident": (resident_bytes() - tokens - masks) / MIB,
            }
        )

    for index in range(num_frames):
        session.push(generated_frame(index, size))
        if (index + 1) % every == 0:
            note("frames", index + 1)

    def note_second_pass(*_: object) -> None:
        made = 0 if session._tracks is None else session._tracks.num_frames
        if made >= every * (1 + sum(row["stage"] == "masks" for row in rows)):
            note("masks", made)

    hook = session.model.backbone.register_forward_hook(note_second_pass)
    session.finish()
    hook.remove()
    note("finished", num_frames)
    return rows


def table_of(rows: list[dict]) -> Table:
    """The figures for people."""
    table = Table("stage", "frames", title="MiB")
    for column in ("object tokens", "run lengths", "other tensors", "rest of the process"):
        table.add_column(column, justify="right")
    for row in rows:
        figures = ("tokens", "masks", "other_tensors", "other_resident")
        cells = (f"{row[figure]:.1f}" for figure in figures)
        table.add_row(row["stage"], str(row["frame"]), *cells)
    return table


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 144), metavar=("H", "W"))
    parser.add_argument("--every", type=int, default=250, help="frames between two rows")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="config overrides")
    arguments = parser.parse_args()
    segmenter = univs.load(
        arguments.config_file,
        weights=arguments.weights,
        options=arguments.opts,
        device=arguments.device,
    )
    with segmenter.session() as session:
        session.push(generated_frame(0, arguments.size))  # warm up
        session.reset()
        rows = measure(session, arguments.frames, tuple(arguments.size), arguments.every)
    Console(width=100).print(table_of(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
