"""Two processes give the numbers and the files of one, whatever the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from evaluation.miniatures import MINIATURES

from detectron2.engine import launch
from detectron2.utils import comm
from reference.toy_results import TOY_VAL, perfect_samples
from univs.data import register_datasets
from univs.evaluation.build import build_evaluator
from univs.structures import VideoResult

NAMES = [*TOY_VAL, *MINIATURES]


def evaluate(name: str, output_dir: Path, rank: int, num_processes: int) -> dict | None:
    """Evaluate every ``num_processes``-th video; objects of the first one are lost for a frame."""
    evaluator = build_evaluator(name, output_dir)
    evaluator.reset()
    for index, (sample, output) in enumerate(perfect_samples(name)):
        if index == 0 and isinstance(output, VideoResult):
            for track in output.tracks:
                track.segmentations[2] = None
        if index % num_processes == rank:
            evaluator.process([sample], [output])
    return evaluator.evaluate()


def evaluate_all(root: Path, output_dir: Path) -> None:
    register_datasets(root)
    rank, num_processes = comm.get_rank(), comm.get_world_size()
    results = {name: evaluate(name, output_dir / name, rank, num_processes) for name in NAMES}
    if comm.is_main_process():
        (output_dir / "numbers.json").write_text(json.dumps(results))
    else:
        assert set(results.values()) == {None}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "numbers.json"
    }


def test_two_processes_give_the_numbers_and_files_of_one(toy_root, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    expected = {name: evaluate(name, one / name, 0, 1) for name in NAMES}
    two.mkdir()
    launch(evaluate_all, 2, dist_url="auto", args=(toy_root, two))
    actual = json.loads((two / "numbers.json").read_text())
    np.testing.assert_equal(actual, json.loads(json.dumps(expected)))
    assert contents(two) == contents(one)
