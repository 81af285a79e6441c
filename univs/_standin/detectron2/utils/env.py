"""The process: its random generators and the version of torch."""

from __future__ import annotations

import logging
import os
import random
from datetime import datetime

import numpy as np
import torch

__all__ = ["TORCH_VERSION", "seed_all_rng", "seed_iteration"]

# (major, minor)
TORCH_VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])


def seed_all_rng(seed: int | None = None) -> None:
    """Seed the global generators of torch, numpy and Python.

    Args:
        seed: the seed; a generated one, which is logged, if None.
    """
    if seed is None:
        seed = (
            os.getpid()
            + int(datetime.now().strftime("%S%f"))
            + int.from_bytes(os.urandom(2), "big")
        )
        logging.getLogger(__name__).info("Using a generated random seed %d", seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what augmentations draw from
    torch.manual_seed(seed)
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)


def seed_iteration(seed: int, rank: int, iteration: int) -> None:
    """Seed the global generators for one iteration of training.

    What an iteration draws then depends on nothing before it, so that a resumed run, on any number
    of processes, needs no saved state of generators to draw the same.

    Args:
        seed: of the run.
        rank: of the process.
        iteration: 0-based.
    """
    derived = int(np.random.SeedSequence([seed, rank, iteration]).generate_state(1)[0])
    np.random.seed(derived)  # noqa: NPY002 - as above
    torch.manual_seed(derived)
    random.seed(derived)
