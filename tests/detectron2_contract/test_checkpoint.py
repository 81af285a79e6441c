"""Saving and loading checkpoints."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer


def _model() -> torch.nn.Module:
    model = torch.nn.Sequential(OrderedDict(stem=torch.nn.Linear(2, 3), head=torch.nn.Linear(3, 1)))
    return torch.nn.ModuleDict({"backbone": model})


def _arrays(model: torch.nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): np.full(tuple(value.shape), index, dtype=np.float32)
        for index, (name, value) in enumerate(model.state_dict().items(), start=1)
    }


def _filled_with_their_index(model: torch.nn.Module) -> bool:
    values = model.state_dict().values()
    return all(bool((value == index).all()) for index, value in enumerate(values, start=1))


def test_save_and_resume(tmp_path):
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    checkpointer = DetectionCheckpointer(model, str(tmp_path), optimizer=optimizer)
    assert not checkpointer.has_checkpoint()
    checkpointer.save("model_0000004", iteration=4)
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_0000004.pth"]
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000004.pth"

    other = _model()
    other_optimizer = torch.optim.SGD(other.parameters(), lr=0.7)
    resumed = DetectionCheckpointer(other, str(tmp_path), optimizer=other_optimizer)
    rest = resumed.resume_or_load("", resume=True)
    assert rest["iteration"] == 4
    assert other_optimizer.param_groups[0]["lr"] == 0.1
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_weights_without_resuming(tmp_path):
    model = _model()
    DetectionCheckpointer(model, str(tmp_path)).save("weights", iteration=4)
    other = _model()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.7)
    checkpointer = DetectionCheckpointer(other, str(tmp_path), optimizer=optimizer)
    checkpointer.resume_or_load(str(tmp_path / "weights.pth"), resume=False)
    assert optimizer.param_groups[0]["lr"] == 0.7
    assert torch.equal(other.backbone.stem.weight, model.backbone.stem.weight)


def test_state_dict_alone_is_a_checkpoint(tmp_path):
    model, other = _model(), _model()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    DetectionCheckpointer(other).load(str(tmp_path / "weights.pth"))
    assert torch.equal(other.backbone.head.weight, model.backbone.head.weight)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickle_of_arrays(tmp_path, protocol):
    model = _model()
    content = {"model": _arrays(model), "__author__": "somebody"}
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    DetectionCheckpointer(model).load(str(tmp_path / "weights.pkl"))
    assert _filled_with_their_index(model)


def test_prefix_of_a_distributed_wrapper_is_stripped(tmp_path):
    model = _model()
    arrays = {f"module.{name}": value for name, value in _arrays(model).items()}
    content = {"model": arrays, "__author__": "somebody"}
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(content))
    DetectionCheckpointer(model).load(str(tmp_path / "weights.pkl"))
    assert _filled_with_their_index(model)


@pytest.mark.parametrize("in_file", [True, False])
def test_names_of_a_backbone_are_matched_by_their_endings(tmp_path, in_file):
    model = _model()
    content = {"model": _arrays(model, "backbone."), "__author__": "third_party"}
    if in_file:
        content["matching_heuristics"] = True
    path = tmp_path / "backbone.pkl"
    path.write_bytes(pickle.dumps(content))
    query = "" if in_file else "?matching_heuristics=True"
    DetectionCheckpointer(model).load(str(path) + query)
    assert _filled_with_their_index(model)


def test_longest_matching_name_counts(tmp_path):
    model = _model()
    arrays = _arrays(model, "backbone.")
    arrays["weight"] = np.zeros((3, 2), dtype=np.float32)
    content = {"model": arrays, "__author__": "x", "matching_heuristics": True}
    (tmp_path / "backbone.pkl").write_bytes(pickle.dumps(content))
    DetectionCheckpointer(model).load(str(tmp_path / "backbone.pkl"))
    assert _filled_with_their_index(model)


def test_other_shapes_are_skipped(tmp_path):
    model = _model()
    before = model.backbone.head.weight.detach().clone()
    arrays = _arrays(model)
    arrays["backbone.head.weight"] = np.zeros((9, 9), dtype=np.float32)
    content = {"model": arrays, "__author__": "somebody"}
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(content))
    DetectionCheckpointer(model).load(str(tmp_path / "weights.pkl"))
    assert torch.equal(model.backbone.head.weight, before)
    assert bool((model.backbone.stem.weight == 1).all())


def test_missing_pixel_statistics_are_no_warning(tmp_path, caplog):
    model = _model()
    model.register_buffer("pixel_mean", torch.zeros(3))
    torch.save({"model": _model().state_dict()}, tmp_path / "weights.pth")
    checkpointer = DetectionCheckpointer(model)
    checkpointer.logger.propagate = True
    checkpointer.load(str(tmp_path / "weights.pth"))
    assert "pixel_mean" not in caplog.text


def test_periodic_checkpointer(tmp_path):
    checkpointer = DetectionCheckpointer(_model(), str(tmp_path))
    periodic = PeriodicCheckpointer(checkpointer, period=2, max_iter=5, max_to_keep=1)
    for iteration in range(5):
        periodic.step(iteration)
    files = sorted(path.name for path in tmp_path.glob("*.pth"))
    assert files == ["model_0000003.pth", "model_final.pth"]


class _MakesFolder:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("ending", ["pkl", "pth"])
def test_file_cannot_run_code(only_standin, tmp_path, ending):
    made = tmp_path / "made"
    content = {"model": {"a": _MakesFolder(str(made))}, "__author__": "evil"}
    path = tmp_path / f"evil.{ending}"
    if ending == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=f"evil.{ending}"):
        DetectionCheckpointer(_model()).load(str(path))
    assert not made.exists()


@pytest.mark.parametrize("ending", ["pkl", "pth"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b"PK\x03\x04"])
def test_damaged_file_is_named(only_standin, tmp_path, ending, content):
    path = tmp_path / f"damaged.{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        DetectionCheckpointer(_model()).load(str(path))


def test_missing_file_is_named(only_standin):
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        DetectionCheckpointer(_model()).load("/nowhere.pth")
    with pytest.raises(FileNotFoundError, match="model zoo"):
        DetectionCheckpointer(_model()).load("detectron2://a/b.pkl")


def test_caffe2_file_is_refused(only_standin, tmp_path):
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": np.zeros(1)}}))
    with pytest.raises(ValueError, match="R-50.pkl.*Caffe2"):
        DetectionCheckpointer(_model()).load(str(path))


def test_failed_save_leaves_the_former_checkpoint(only_standin, tmp_path):
    checkpointer = DetectionCheckpointer(_model(), str(tmp_path))
    checkpointer.save("model", iteration=1)
    before = (tmp_path / "model.pth").read_bytes()
    with pytest.raises(Exception, match="pickle|local object"):
        checkpointer.save("model", iteration=2, extra=lambda: None)
    assert (tmp_path / "model.pth").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model.pth"]


def test_only_the_main_process_writes(tmp_path):
    DetectionCheckpointer(_model(), str(tmp_path), save_to_disk=False).save("model")
    assert not os.listdir(tmp_path)
