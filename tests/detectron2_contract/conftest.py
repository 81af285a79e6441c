"""Facts measured on Detectron2 itself, for tests that any Detectron2 must pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import univs


def _facts(config: pytest.Config, name: str) -> dict:
    root: Path = config.getoption("--golden")
    for folder in (root, root / "detectron2"):
        if (folder / name).is_file():
            return json.loads((folder / name).read_text())
    pytest.skip(f"--golden {root} has no detectron2/{name}")


@pytest.fixture(scope="session")
def contract(pytestconfig: pytest.Config) -> dict:
    """``contract.json``: values of functions."""
    return _facts(pytestconfig, "contract.json")


@pytest.fixture(scope="session")
def engine_facts(pytestconfig: pytest.Config) -> dict:
    """``engine.json``: a training run."""
    return _facts(pytestconfig, "engine.json")


@pytest.fixture
def only_standin() -> None:
    """Skip where an installed Detectron2 is used, for what the stand-in does beyond it."""
    if univs.DETECTRON2 == "installed":
        pytest.skip("Detectron2 itself does not do this")
