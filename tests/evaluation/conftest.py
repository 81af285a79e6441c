"""Toy datasets of every layout, registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from univs.data import register_datasets
from univs.data.toy import LAYOUTS, generate


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory) -> Path:
    """Root of all datasets; the toy datasets below it are registered."""
    root = tmp_path_factory.mktemp("datasets")
    generate(
        root / "toy",
        num_train_videos=1,
        num_val_videos=2,
        layouts=tuple(LAYOUTS),
        progress=False,
        seed=5,
        size=(48, 80),
        num_frames=5,
    )
    register_datasets(root)
    return root
