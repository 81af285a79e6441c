"""Conversion of checkpoints to today's names, as a function and as a command."""

from __future__ import annotations

import os
import pickle
import runpy
from pathlib import Path

import pytest
import torch

from univs.checkpoint import export_safetensors, export_torch, load_weights, read_checkpoint

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert_weights.py"


@pytest.fixture
def old_file(tmp_path, r50):
    """Mask2Former as it was published, with what a run of this project adds."""
    arrays = {
        name.replace("query_feat", "static_query"): tensor.numpy() for name, tensor in r50.items()
    }
    content = {"model": arrays, "__author__": "somebody", "tasks": ["vis"], "iteration": 3}
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.fixture
def convert():
    return runpy.run_path(str(TOOL))["main"]


@pytest.mark.parametrize(
    ("export", "ending"), [(export_safetensors, "safetensors"), (export_torch, "pth")]
)
def test_export(tmp_path, old_file, r50, make_model, export, ending):
    path = tmp_path / "folder" / f"new.{ending}"
    result = export(old_file, path)
    assert sorted(result.tensors) == sorted(r50)
    assert result.left_out == ("iteration",)
    checkpoint = read_checkpoint(path)
    assert checkpoint.extras == {"__author__": "somebody", "tasks": ["vis"]}
    model = make_model({name: torch.zeros_like(tensor) for name, tensor in r50.items()})
    assert load_weights(model, path, strict=True).recognised == ()
    assert all(torch.equal(model.state_dict()[name], r50[name]) for name in r50)


def test_tensors_that_share_memory(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"model": {"a": weight, "b": weight, "c": weight.T}}, tmp_path / "a.pth")
    export_safetensors(tmp_path / "a.pth", tmp_path / "a.safetensors")
    tensors = read_checkpoint(tmp_path / "a.safetensors").tensors
    assert torch.equal(tensors["a"], weight)
    assert torch.equal(tensors["b"], weight)
    assert torch.equal(tensors["c"], weight.T)


def test_command(tmp_path, old_file, convert, capsys):
    path = tmp_path / "new.safetensors"
    assert convert([str(old_file), str(path)]) == 0
    output = capsys.readouterr().out
    assert f"558 tensors written to {path}" in output
    assert "Mask2Former with static_query" in output
    assert "1 renamed" in output
    assert "left out: iteration" in output


def test_command_makes_the_start_of_a_univs_model(tmp_path, old_file, convert, capsys):
    path = tmp_path / "start.pth"
    assert convert([str(old_file), str(path), "--to", "univs"]) == 0
    output = capsys.readouterr().out
    assert "2 queries in the file and 200 in UniVS" in output
    checkpoint = read_checkpoint(path)
    assert not any("query_feat" in name or "class_embed" in name for name in checkpoint.tensors)
    assert "tasks" not in checkpoint.extras  # those of another model


def test_command_keeps_existing_files(tmp_path, old_file, convert, capsys):
    path = tmp_path / "new.pth"
    path.write_bytes(b"precious")
    with pytest.raises(SystemExit):
        convert([str(old_file), str(path)])
    assert path.read_bytes() == b"precious"
    assert "--overwrite" in capsys.readouterr().err
    assert convert([str(old_file), str(path), "--overwrite"]) == 0
    assert len(read_checkpoint(path).tensors) == 558


def test_command_refuses_what_it_cannot_read_or_write(tmp_path, old_file, convert, capsys):
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"<html>")
    assert convert([str(broken), str(tmp_path / "new.pth")]) == 1
    assert "web page" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        convert([str(old_file), str(tmp_path / "new.onnx")])
    assert sorted(os.listdir(tmp_path)) == ["broken.pkl", "old.pkl"]
