"""Speed and memory of the metrics, files on disk included.

Every workload is generated once and scored by the project and by a plain transcription of the
formulas, each in a fresh process on one core. The two must agree. Run from the root of the
repository::

    python benchmarks/metric_speed.py [--workload NAME ...] [--repeat N]

Seconds are those of the processor, without imports. The peak of the memory is that of the whole
process with its imports; what scoring added to it is named grown. The seconds of official toolkits
were measured once, on the machine on which the project was written; a ratio to them means something
on a like machine only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import metric_speed_tracks
import metric_speed_vos
from metric_speed_workload import Workload

WORKLOADS: dict[str, Workload] = metric_speed_tracks.WORKLOADS | metric_speed_vos.WORKLOADS
COLUMNS = (
    ("workload", 19),
    ("seconds", 9),
    ("peak MiB", 10),
    ("grown MiB", 11),
    ("plain s", 9),
    ("x plain", 9),
    ("official s", 12),
    ("x official", 12),
    ("wanted", 8),
)


def peak_mib() -> float:
    """Peak resident memory of this process; unlike getrusage's, without that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(implementation: str, name: str, root: Path) -> dict:
    """Score in this process; processor seconds and peak memory in MiB."""
    import univs.evaluation.offline  # noqa: F401  imports do not count

    workload = WORKLOADS[name]
    score = workload.score if implementation == "project" else workload.plain
    content = workload.load(root)
    start_mib, start = peak_mib(), time.process_time()
    numbers = score(content)
    return {
        "seconds": time.process_time() - start,
        "peak_mib": peak_mib(),
        "grown_mib": peak_mib() - start_mib,
        "numbers": {key: value for key, value in numbers.items() if isinstance(value, float)},
    }


def measure_in_child(implementation: str, name: str, root: Path, repeat: int) -> dict:
    """The fastest of ``repeat`` runs, each in a process of its own."""
    command = [sys.executable, __file__, "--child", implementation, name, str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    runs = []
    for _ in range(repeat):
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(output.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: run["seconds"])


def compare(name: str, actual: dict, expected: dict) -> None:
    """Stop if a number of the plain formulas is not reproduced."""
    for key, value in expected.items():
        is_equal = math.isclose(actual[key], value, rel_tol=1e-9, abs_tol=1e-9)
        if not is_equal and not (math.isnan(actual[key]) and math.isnan(value)):
            sys.exit(f"{name}: {key} is {actual[key]!r}, by the plain formulas {value!r}")


def run(name: str, repeat: int) -> list[str]:
    """Measure one workload; the cells of its row."""
    workload = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        workload.make(Path(folder))
        project = measure_in_child("project", name, Path(folder), repeat)
        plain = None
        if workload.plain is not None:
            plain = measure_in_child("plain", name, Path(folder), 1)
            compare(name, project["numbers"], plain["numbers"])
    seconds = project["seconds"]
    cells = [name, f"{seconds:.2f}", f"{project['peak_mib']:.0f}", f"{project['grown_mib']:.0f}"]
    for reference in (plain and plain["seconds"], workload.official_seconds):
        cells += ["-", "-"]
        if reference is not None:
            cells[-2:] = f"{reference:.2f}", f"{reference / seconds:.1f}"
    return [*cells, "-" if workload.wanted is None else f"{workload.wanted:g}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=3, help="runs of the project per workload")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        cv2.setNumThreads(1)
        implementation, name, root = arguments.child
        print(json.dumps(measure(implementation, name, Path(root))))
        return
    for name in arguments.workload:
        print(f"{name}: {WORKLOADS[name].description}")
    print("\n" + "".join(f"{title:<{width}}" for title, width in COLUMNS))
    for name in arguments.workload:
        cells = zip(run(name, arguments.repeat), COLUMNS, strict=True)
        print("".join(f"{cell:<{width}}" for cell, (_, width) in cells), flush=True)


if __name__ == "__main__":
    main()
