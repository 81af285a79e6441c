"""Every supported format is read, nothing is executed, and errors name the file and the remedy."""

from __future__ import annotations

import collections
import os
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from univs.checkpoint import CheckpointFileError, read_checkpoint, read_object


class MakesFolder:
    """Makes a folder when it is unpickled the usual way."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def dump(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_of_arrays(tmp_path, protocol):
    arrays = {
        "single": np.arange(6, dtype=np.float32).reshape(2, 3),
        "half": np.ones(2, np.float16),
        "count": np.int64(7),
        "scalar": np.array(1.5),
        "foreign": np.arange(3, dtype=">f4"),
        "transposed": np.arange(6.0).reshape(2, 3).T,
    }
    content = {"model": arrays, "__author__": "somebody", "matching_heuristics": True}
    checkpoint = read_checkpoint(dump(tmp_path / "a.pkl", content, protocol))
    assert checkpoint.extras == {"__author__": "somebody", "matching_heuristics": True}
    for name, array in arrays.items():
        assert checkpoint.tensors[name].shape == array.shape
        np.testing.assert_array_equal(checkpoint.tensors[name].numpy(), array)
    assert checkpoint.tensors["single"].dtype == torch.float32


def test_python_2_pickle_is_read_as_latin1(tmp_path):
    # As Python 2 wrote it: a str (opcode U) with bytes above 127.
    data = b"\x80\x02}q\x00(U\x05modelq\x01}q\x02U\x01wq\x03cnumpy.core.multiarray\n_reconstruct\n"
    data += b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nU\x02f4K\x00K\x01"
    data += (
        b"\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x00\x80?tbs"
    )
    data += b"U\x06authorU\x02\xe9au."
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    checkpoint = read_checkpoint(path)
    assert checkpoint.tensors["w"].tolist() == [1.0]
    assert checkpoint.extras == {"author": "éa"}


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickle_of_tensors(tmp_path, protocol):
    model = {"w": torch.randn(2, 3).T, "p": torch.nn.Parameter(torch.ones(2))}
    checkpoint = read_checkpoint(dump(tmp_path / "a.pkl", {"model": model}, protocol))
    assert torch.equal(checkpoint.tensors["w"], model["w"])
    assert torch.equal(checkpoint.tensors["p"], model["p"])
    assert not checkpoint.tensors["p"].requires_grad


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.bin", "a.pkl", "a"])
def test_torch_file_under_any_name(tmp_path, zipped, name):
    module = torch.nn.Linear(2, 3)
    content = {"model": module.state_dict(), "iteration": 5, "best": np.float64(0.5)}
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / name)
    assert torch.equal(checkpoint.tensors["weight"], module.weight)
    assert checkpoint.extras == {"iteration": 5, "best": 0.5}


def test_torch_file_of_arrays(tmp_path):
    array = np.arange(3, dtype=np.float32)
    torch.save({"model": {"w": array}}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").tensors["w"].tolist() == [0, 1, 2]


def test_safetensors(tmp_path):
    metadata = {"format": "pt", "tasks": '["vis"]', "note": "free text"}
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"w": torch.ones(2)}, path, metadata=metadata)
    checkpoint = read_checkpoint(path)
    assert checkpoint.tensors["w"].tolist() == [1, 1]
    assert checkpoint.extras == {"tasks": ["vis"], "note": "free text"}


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_place_of_the_state_dict(tmp_path, key):
    torch.save({key: {"w": torch.ones(1), "note": "text"}, "epoch": 3}, tmp_path / "a.pth")
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.extras == {"epoch": 3}
    assert checkpoint.not_tensors == {"note": "str"}


def test_bare_state_dict(tmp_path):
    torch.save(collections.OrderedDict(w=torch.ones(1), epoch=3), tmp_path / "a.pth")
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.extras == {"epoch": 3}


def test_bare_tensor(tmp_path):
    torch.save(torch.ones(3), tmp_path / "a.pth")
    assert torch.equal(read_object(tmp_path / "a.pth"), torch.ones(3))
    with pytest.raises(CheckpointFileError, match="a.pth holds a Tensor, not a dictionary"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("place", ["model", "extra", "whole", "storage"])
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
def test_code_is_refused_and_not_run(tmp_path, place, kind):
    evil = MakesFolder(tmp_path / "made")
    if place == "storage":  # tensors in a plain pickle hold a file of torch.save inside
        evil = _StorageOf(_bytes_of(evil))
    content = {
        "model": {"model": {"w": evil}},
        "extra": {"model": {"w": np.ones(1)}, "optimizer": evil},
        "whole": evil,
        "storage": {"model": {"w": evil}},
    }[place]
    path = tmp_path / "a.pth"
    if kind == "pickle":
        dump(path, content)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(CheckpointFileError, match=r"a\.pth asks for [\w.]+, which") as caught:
        read_checkpoint(path)
    assert "safetensors" in str(caught.value)
    assert not (tmp_path / "made").exists()


class _StorageOf:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.data,)


def _bytes_of(content: object) -> bytes:
    import io

    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize(
    "pickled",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n.",
        b"ctorch\nload\n.",
        b"\x80\x04\x8c\x0bcollections\x8c\x19OrderedDict.__class__.mro\x93.",
        b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.",
    ],
)
def test_other_names_are_refused(tmp_path, pickled):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickled)
    with pytest.raises(CheckpointFileError, match="it could run code"):
        read_object(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "safetensors"])
def test_truncated_file(tmp_path, share, kind):
    tensors = {f"layer{i}": torch.randn(20) for i in range(20)}
    path = tmp_path / "a.pth"
    if kind == "pickle":
        dump(path, {"model": {name: tensor.numpy() for name, tensor in tensors.items()}})
    elif kind == "safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save({"model": tensors}, path, _use_new_zipfile_serialization=kind == "torch")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointFileError, match=r"a\.pth cannot be read .* download it again"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>Sign in</html>", "web page"),
        (b"\n <html><body>404</body></html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        (b'{"error": "not found"}', "is not a checkpoint"),
        (b"GIF89a....", "is not a checkpoint"),
        (b"\x89HDF\r\n\x1a\n", "is not a checkpoint"),
    ],
)
def test_file_of_another_format(tmp_path, content, says):
    path = tmp_path / "model_final.pkl"
    path.write_bytes(content)
    with pytest.raises(CheckpointFileError, match=says) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)


def test_archive_of_other_files(tmp_path):
    path = tmp_path / "a.pth"
    np.savez(path.with_suffix(".npz"), w=np.ones(1))
    path.with_suffix(".npz").rename(path)
    with pytest.raises(CheckpointFileError, match=r"zip archive of other files \(w\.npy"):
        read_checkpoint(path)


def test_file_without_tensors(tmp_path):
    path = dump(tmp_path / "a.pkl", {"blobs": {}, "cfg": "x"})
    with pytest.raises(CheckpointFileError, match="holds no tensors .*blobs, cfg"):
        read_checkpoint(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.pth does not exist"):
        read_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        read_checkpoint(tmp_path)
