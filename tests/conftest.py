"""Options and parametrisation shared by the whole test suite."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import univs  # noqa: F401  makes detectron2 importable before tests are collected
from reference.cases import DEFAULT_ROOT, golden_cases
from reference.miniatures import Miniatures


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden",
        type=Path,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="folder of golden cases: of one system, or of several (default: tests/golden)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine is no failure; how fast code is, the benchmarks say.
    settings.register_profile("univs", deadline=None)
    settings.load_profile("univs")
    root = config.getoption("--golden")
    if not root.is_dir():
        raise pytest.UsageError(f"--golden {root}: no such folder")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # As in a background job of a shell; some tests interrupt themselves and their children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)  # golden values were made with one thread; workers share the cores


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked ``golden(system, *kinds)`` once for every case of these kinds."""
    marker = metafunc.definition.get_closest_marker("golden")
    if marker is None:
        return
    system, *kinds = marker.args
    cases = golden_cases(metafunc.config.getoption("--golden"), system, tuple(kinds))
    metafunc.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory: pytest.TempPathFactory) -> Miniatures:
    """Miniatures of every dataset of the catalogue."""
    return Miniatures(tmp_path_factory.mktemp("miniatures"))
