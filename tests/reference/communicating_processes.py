"""What one of several launched processes does in the tests of communication."""

from __future__ import annotations

import json
from pathlib import Path

import torch

import univs  # noqa: F401 - selects the Detectron2
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng


def communicate(folder: str) -> None:
    """Write what one of several processes sees."""
    torch.set_num_threads(1)
    rank = comm.get_rank()
    seed_all_rng(rank)
    average = comm.reduce_dict({"b": torch.tensor(float(rank)), "a": torch.tensor(4.0)})
    total = comm.reduce_dict({"b": torch.tensor(float(rank))}, average=False)
    facts = {
        "world": [comm.get_world_size(), comm.get_local_size()],
        "rank": [rank, comm.get_local_rank(), comm.is_main_process()],
        "all_gather": comm.all_gather({"rank": rank}),
        "gather": comm.gather("x" * (rank + 1)),
        "seed": comm.shared_random_seed(),
        "average": {name: value.item() for name, value in average.items()},
        "total": total["b"].item(),
    }
    comm.synchronize()
    Path(folder, f"{rank}.json").write_text(json.dumps(facts))
