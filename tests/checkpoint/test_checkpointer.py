"""Saving, resuming and starting from weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from univs.checkpoint import (
    CheckpointFileError,
    CheckpointMismatchError,
    UnivsCheckpointer,
    read_checkpoint,
)


def build(seed):
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def run(tmp_path):
    """A run with one checkpoint, and its folder."""
    model, optimizer = build(seed=1)
    checkpointer = UnivsCheckpointer(
        model,
        str(tmp_path),
        config=CfgNode({"SEED": 3}),
        class_names={"toy": ("circle", "square")},
        tasks=("vis", "vps"),
        optimizer=optimizer,
    )
    checkpointer.save("model_0000007", iteration=7)
    return model, optimizer, tmp_path


def test_file_says_what_it_is(run):
    model, _, folder = run
    checkpoint = read_checkpoint(folder / "model_0000007.pth")
    assert torch.equal(checkpoint.tensors["weight"], model.weight)
    assert checkpoint.extras["config"] == "SEED: 3\n"
    assert checkpoint.extras["class_names"] == {"toy": ["circle", "square"]}
    assert checkpoint.extras["tasks"] == ["vis", "vps"]
    assert checkpoint.extras["iteration"] == 7


def test_resume_restores_the_whole_state(run):
    model, optimizer, folder = run
    other, other_optimizer = build(seed=2)
    checkpointer = UnivsCheckpointer(other, str(folder), optimizer=other_optimizer)
    rest = checkpointer.resume_or_load("", resume=True)
    assert rest["iteration"] == 7
    assert torch.equal(other.weight, model.weight)
    moments = [state["exp_avg"] for state in optimizer.state.values()]
    other_moments = [state["exp_avg"] for state in other_optimizer.state.values()]
    assert all(map(torch.equal, moments, other_moments))


def test_weights_only(run, tmp_path):
    model, _, folder = run
    other, other_optimizer = build(seed=2)
    before = other_optimizer.state_dict()["state"][0]["exp_avg"].clone()
    checkpointer = UnivsCheckpointer(other, str(tmp_path / "new"), optimizer=other_optimizer)
    checkpointer.resume_or_load(str(folder / "model_0000007.pth"), resume=True)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other_optimizer.state_dict()["state"][0]["exp_avg"], before)


def test_no_weights_at_all(tmp_path):
    model, _ = build(seed=2)
    before = model.weight.detach().clone()
    assert UnivsCheckpointer(model, str(tmp_path)).resume_or_load("", resume=True) == {}
    assert torch.equal(model.weight, before)


def test_stray_checkpoint_in_the_working_folder_is_not_resumed(run, monkeypatch):
    _, _, folder = run
    monkeypatch.chdir(folder)
    model, _ = build(seed=2)
    before = model.weight.detach().clone()
    UnivsCheckpointer(model).resume_or_load("", resume=True)
    assert torch.equal(model.weight, before)


def test_detectron2_can_read_and_write_the_same_files(run, tmp_path):
    model, _, folder = run
    other, _ = build(seed=2)
    DetectionCheckpointer(other).load(str(folder / "model_0000007.pth"))
    assert torch.equal(other.weight, model.weight)
    DetectionCheckpointer(model, str(tmp_path)).save("theirs")
    another, _ = build(seed=3)
    UnivsCheckpointer(another).load(str(tmp_path / "theirs.pth"))
    assert torch.equal(another.weight, model.weight)


def test_resuming_with_another_model_is_refused(run):
    _, _, folder = run
    larger = nn.Sequential()
    larger.register_parameter("weight", nn.Parameter(torch.zeros(2, 3)))
    larger.register_parameter("scale", nn.Parameter(torch.zeros(1)))
    checkpointer = UnivsCheckpointer(larger, str(folder))
    with pytest.raises(CheckpointMismatchError, match="scale"):
        checkpointer.resume_or_load("", resume=True)
    path = str(folder / "model_0000007.pth")
    checkpointer.resume_or_load(path, resume=False)  # as a start, it may fit partly
    assert larger.weight.abs().sum() > 0


def test_missing_file_is_named(tmp_path):
    checkpointer = UnivsCheckpointer(nn.Linear(1, 1), str(tmp_path))
    with pytest.raises(FileNotFoundError, match="nowhere.pth does not exist. Set MODEL.WEIGHTS"):
        checkpointer.load("nowhere.pth")


class _Unpicklable:
    def __reduce__(self):
        raise RuntimeError("no")


def test_failed_saving_leaves_the_former_checkpoint(run):
    model, optimizer, folder = run
    files = sorted(path.name for path in folder.iterdir())
    content = (folder / "model_0000007.pth").read_bytes()
    checkpointer = UnivsCheckpointer(model, str(folder), optimizer=optimizer)
    for name in ("model_0000007", "model_0000008"):
        with pytest.raises(RuntimeError, match="no"):
            checkpointer.save(name, extra=_Unpicklable())
    assert sorted(path.name for path in folder.iterdir()) == files
    assert (folder / "model_0000007.pth").read_bytes() == content
    assert (folder / "last_checkpoint").read_text() == "model_0000007.pth"


def test_damaged_last_checkpoint_is_named(run):
    _, _, folder = run
    path = folder / "model_0000007.pth"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointFileError, match="model_0000007.pth cannot be read"):
        UnivsCheckpointer(nn.Linear(3, 2), str(folder)).resume_or_load("", resume=True)


def test_nothing_is_written_off_the_main_process(tmp_path):
    UnivsCheckpointer(nn.Linear(1, 1), str(tmp_path), save_to_disk=False).save("model")
    assert not list(tmp_path.iterdir())
