"""Registries, paths, memory, seeds, pickling, the description of the machine."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch

from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import TORCH_VERSION, seed_all_rng
from detectron2.utils.file_io import PathManager
from detectron2.utils.memory import retry_if_cuda_oom
from detectron2.utils.registry import Registry, locate
from detectron2.utils.serialize import PicklableWrapper


def test_registry():
    registry = Registry("CONTRACT")

    @registry.register()
    class Thing:
        pass

    assert registry.get("Thing") is Thing
    assert "Thing" in registry
    with pytest.raises(KeyError, match="Nothing"):
        registry.get("Nothing")
    with pytest.raises(AssertionError, match="already registered"):
        registry.register(Thing)


def test_locate():
    assert locate("torch.nn.Linear") is torch.nn.Linear
    assert locate("torch.nn.Linear.forward") is torch.nn.Linear.forward
    for name in ("torch.nn.Lineaar", "no_such_module.Thing"):
        with pytest.raises(ImportError):
            locate(name)


def test_paths(tmp_path):
    path = str(tmp_path / "folder" / "file.txt")
    PathManager.mkdirs(str(tmp_path / "folder"))
    with PathManager.open(path, "w") as file:
        file.write("text")
    assert PathManager.isfile(path) and PathManager.exists(path)
    assert PathManager.get_local_path(path) == path
    assert PathManager.ls(str(tmp_path / "folder")) == ["file.txt"]


def test_model_zoo_is_explained(only_standin):
    with pytest.raises(FileNotFoundError, match="model zoo.*Download"):
        PathManager.get_local_path("detectron2://ImageNetPretrained/R-50.pkl")


def _out_of_memory(times: int):
    calls = []

    def function(x, *, y):
        calls.append((x, y))
        if len(calls) <= times:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return x + y

    return function, calls


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_full_gpu_is_retried(failures):
    function, calls = _out_of_memory(failures)
    assert retry_if_cuda_oom(function)(torch.tensor(1), y=2) == 3
    assert len(calls) == failures + 1


def test_other_errors_are_not_retried():
    function, calls = _out_of_memory(3)
    with pytest.raises(RuntimeError, match="out of memory"):
        retry_if_cuda_oom(function)(1, y=2)

    def broken():
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        retry_if_cuda_oom(broken)()


def test_seeds():
    def draw():
        return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()  # noqa: NPY002

    seed_all_rng(5)
    first = draw()
    assert draw() != first
    seed_all_rng(5)
    assert draw() == first
    seed_all_rng(None)
    assert draw() != first


def test_torch_version():
    assert ".".join(map(str, TORCH_VERSION)) == ".".join(torch.__version__.split(".")[:2])


def test_picklable_wrapper():
    offset = 3
    wrapped = PicklableWrapper(PicklableWrapper(lambda x: x + offset))
    again = pickle.loads(pickle.dumps(wrapped))
    assert again(4) == 7
    assert wrapped.__call__(1) == 4


def test_environment_is_described():
    info = collect_env_info()
    assert torch.__version__ in info and np.__version__ in info
    assert "detectron2" in info
