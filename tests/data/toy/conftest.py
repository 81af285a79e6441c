"""One small toy data set of every layout, and the same videos in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from univs.data.toy import LAYOUTS, PRESETS, ToyVideo, generate, make_video

SETTINGS = {"seed": 3, "size": (64, 96), "num_frames": 5}
COUNTS = {"train": 3, "val": 2}


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of the benchmarks' folders."""
    return generate(
        tmp_path_factory.mktemp("toy"),
        num_train_videos=COUNTS["train"],
        num_val_videos=COUNTS["val"],
        layouts=tuple(LAYOUTS),
        progress=False,
        **SETTINGS,
    )


@pytest.fixture(scope="session")
def toy_videos() -> dict[str, list[ToyVideo]]:
    """Videos by split, in order."""
    return {
        split: [
            make_video(split=split, index=index, difficulty=PRESETS["default"], **SETTINGS)
            for index in range(count)
        ]
        for split, count in COUNTS.items()
    }
