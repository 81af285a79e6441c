"""Toy datasets of every layout and miniatures of the others, registered."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation.miniatures import MINIATURES

from reference.toy_results import TOY_VAL, perfect_samples
from univs.data import register_datasets
from univs.data.toy import LAYOUTS, generate
from univs.evaluation.build import build_evaluator
from univs.structures import VideoResult


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory) -> Path:
    """Root of all datasets; the toy datasets and miniatures below it are registered."""
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
    for write in MINIATURES.values():
        write(root)
    register_datasets(root)
    return root


def damaged(output, index: int):
    """The same result with the first track of every second video cut short."""
    if not isinstance(output, VideoResult) or index % 2 == 0:
        return output
    if output.label_maps is not None:
        output.label_maps[1][:] = 0
    for track in output.tracks[:1]:
        track.segmentations[2] = None
    return output


@pytest.fixture(scope="session")
def written(toy_root, tmp_path_factory):
    """Name of a dataset -> folder that its evaluator wrote, and what it returned."""
    results = {}
    for name in [*TOY_VAL, *MINIATURES]:
        folder = tmp_path_factory.mktemp(name)
        evaluator = build_evaluator(name, folder)
        for index, (sample, output) in enumerate(perfect_samples(name)):
            evaluator.process([sample], [damaged(output, index)])
        results[name] = (folder, evaluator.evaluate())
    return results
