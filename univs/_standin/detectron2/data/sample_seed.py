"""Random numbers of a sample that follow from its position in the training data.

An addition to Detectron2, where they follow from all that the same process did before. Here they do
not depend on the number of workers, nor on whether a run was interrupted and resumed.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

__all__ = ["random_of_sample"]


@contextlib.contextmanager
def random_of_sample(seed: int, position: int) -> Iterator[None]:
    """Seed the global CPU generators of Python, numpy and torch; put them back on leaving.

    Args:
        seed: of the data order, not negative.
        position: of the sample in it.
    """
    saved = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    words = np.random.SeedSequence([seed, position]).generate_state(4, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(words[1:3].view(np.uint32))  # noqa: NPY002 - what augmentations draw from
    torch.random.default_generator.manual_seed(int(words[3]))  # torch.manual_seed: also the GPU's
    try:
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002
        torch.random.set_rng_state(saved[2])
