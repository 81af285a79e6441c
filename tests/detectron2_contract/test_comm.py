"""Communication, in one process and in several."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from reference.communicating_processes import communicate


def test_single_process():
    assert (comm.get_world_size(), comm.get_rank()) == (1, 0)
    assert (comm.get_local_size(), comm.get_local_rank()) == (1, 0)
    assert comm.is_main_process()
    comm.synchronize()
    assert comm.gather("a") == comm.all_gather("a") == ["a"]
    losses = {"loss": torch.tensor(2.0)}
    assert comm.reduce_dict(losses) == losses


def test_shared_seed_follows_the_global_one():
    seed_all_rng(7)
    expected = np.random.RandomState(7).randint(2**31)  # noqa: NPY002 - the generator meant
    assert comm.shared_random_seed() == expected


def test_spawned_process_selects_the_same_detectron2(only_standin):
    # It inherits sys.path, to which the stand-in was already added.
    lines = f"import sys; sys.path[:] = {sys.path!r}; import univs; print(univs.DETECTRON2)"
    result = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "standin"


def test_launch_of_one_process_runs_here():
    seen: list[int] = []
    launch(seen.append, 1, args=(5,))
    assert seen == [5]


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="one process per GPU where there are GPUs")
def test_several_processes(tmp_path):
    launch(communicate, 2, dist_url="auto", args=(str(tmp_path),))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first["world"] == second["world"] == [2, 2]
    assert (first["rank"], second["rank"]) == ([0, 0, True], [1, 1, False])
    assert first["all_gather"] == second["all_gather"] == [{"rank": 0}, {"rank": 1}]
    assert (first["gather"], second["gather"]) == (["x", "xx"], [])
    assert first["seed"] == second["seed"]
    assert first["average"] == {"b": 0.5, "a": 4.0}
    assert first["total"] == 1.0
