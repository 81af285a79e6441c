"""Time and memory of reading annotation files as large as those of real datasets.

python benchmarks/index_speed.py                  # as large as YouTube-VIS 2021 and LVIS v1
python benchmarks/index_speed.py --masks 100000   # that many masks in each

Writes a file in the form of YouTube-VIS and one in the form of LVIS, and reads each in a process of
its own, whose peak memory is that of the reader. Masks of the former are uncompressed run lengths
and those of the latter polygons, as in the official files.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from univs.data.readers.coco import read_coco_instances
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.run_lengths import run_lengths
from univs.data.toy.layouts.encoding import compressed_rle

HEIGHT, WIDTH = 720, 1280
NUM_FRAMES = 28  # of a video, in all of which an object is shown
OBJECTS_PER_VIDEO = 2.1
OBJECTS_PER_IMAGE = 12.7
NUM_CATEGORIES = 40
#: Objects of the training sets of YouTube-VIS 2021 and LVIS v1.
YOUTUBE_VIS_OBJECTS = 6_283
LVIS_OBJECTS = 1_270_141


def masks(count: int) -> list[dict]:
    """Run lengths of wavy ellipses, a few hundred numbers each."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    found = []
    for x, y, a, b in random.uniform((200, 100, 40, 40), (1000, 600, 200, 150), (count, 4)):
        ripple = 1 + 0.1 * np.sin(rows / 7 + columns / 11)
        mask = ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < ripple
        counts = run_lengths(compressed_rle(mask)["counts"]).tolist()
        found.append({"size": [HEIGHT, WIDTH], "counts": counts})
    return found


def write_youtube_vis(path: Path, num_objects: int) -> None:
    """Objects of ``NUM_FRAMES`` frames: as many masks as objects times frames."""
    pool = [json.dumps(mask) for mask in masks(50)]
    num_videos = round(num_objects / OBJECTS_PER_VIDEO)

    def annotations() -> Iterator[str]:
        for number in range(num_objects):
            annotation = {
                "id": number + 1,
                "video_id": number % num_videos + 1,
                "category_id": number % NUM_CATEGORIES + 1,
                "iscrowd": 0,
                "bboxes": [[1.0, 2.0, 30.0, 40.0]] * NUM_FRAMES,
                "areas": [1200] * NUM_FRAMES,
            }
            shown = ", ".join(pool[(number + t) % len(pool)] for t in range(NUM_FRAMES))
            yield f'{json.dumps(annotation)[:-1]}, "segmentations": [{shown}]}}'

    videos = [
        {
            "id": v,
            "height": HEIGHT,
            "width": WIDTH,
            "length": NUM_FRAMES,
            "file_names": [f"{v:06d}/{t:05d}.jpg" for t in range(NUM_FRAMES)],
        }
        for v in range(1, num_videos + 1)
    ]
    _write(path, "videos", videos, annotations())


def write_lvis(path: Path, num_objects: int) -> None:
    """Objects of still images, outlined by polygons."""
    random = np.random.default_rng(0)
    polygons = [random.uniform(0, 700, 2 * 40).round(2).tolist() for _ in range(50)]
    num_images = round(num_objects / OBJECTS_PER_IMAGE)

    def annotations() -> Iterator[str]:
        for number in range(num_objects):
            yield json.dumps(
                {
                    "id": number + 1,
                    "image_id": number % num_images + 1,
                    "category_id": number % NUM_CATEGORIES + 1,
                    "bbox": [1.0, 2.0, 30.0, 40.0],
                    "area": 1200.0,
                    "segmentation": [polygons[number % len(polygons)]],
                }
            )

    images = [
        {
            "id": n,
            "height": HEIGHT,
            "width": WIDTH,
            "coco_url": f"http://images.cocodataset.org/train2017/{n:012d}.jpg",
        }
        for n in range(1, num_images + 1)
    ]
    _write(path, "images", images, annotations())


def _write(path: Path, key: str, listed: list[dict], annotations: Iterator[str]) -> None:
    categories = [{"id": n, "name": str(n)} for n in range(1, NUM_CATEGORIES + 1)]
    with path.open("w") as file:
        file.write(f'{{"{key}": {json.dumps(listed)}, "annotations": [')
        for number, annotation in enumerate(annotations):
            file.write(", " * (number > 0) + annotation)
        file.write(f'], "categories": {json.dumps(categories)}}}')


def read(kind: str, path: Path, answers: multiprocessing.Queue) -> None:
    """Read a file; answers processor time in seconds, peak memory in MiB, and objects."""
    start = time.process_time()
    if kind == "YouTube-VIS":
        records = read_youtube_vis(path, "images", dataset="large", domain="ytvis21")
    else:
        records = read_coco_instances(
            path, "images", dataset="large", domain="lvis", categories=None
        )
    seconds = time.process_time() - start
    objects = sum(len(record.objects) for record in records)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answers.put((seconds, peak, objects))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, help="of each file (default: as in the real ones)")
    options = parser.parse_args()
    table = Table("form", "objects", "masks", "file, MB", "CPU, s", "peak, MiB")
    writers: dict[str, tuple[Callable[[Path, int], None], int, int]] = {
        "YouTube-VIS": (write_youtube_vis, YOUTUBE_VIS_OBJECTS, NUM_FRAMES),
        "LVIS": (write_lvis, LVIS_OBJECTS, 1),
    }
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (write, num_objects, num_frames) in writers.items():
            path = Path(folder, "large.json")
            write(path, options.masks // num_frames if options.masks else num_objects)
            answers = processes.Queue()
            process = processes.Process(target=read, args=(kind, path, answers))
            process.start()
            seconds, peak, objects = answers.get()
            process.join()
            size = path.stat().st_size / 1e6
            table.add_row(
                kind,
                f"{objects:,}",
                f"{objects * num_frames:,}",
                f"{size:,.0f}",
                f"{seconds:.1f}",
                f"{peak:,.0f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
