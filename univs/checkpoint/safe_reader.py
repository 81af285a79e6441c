"""Reading checkpoint files as data: nothing that a file contains is ever executed.

The format is recognised by the content of a file, not by its name:

- pickles of NumPy arrays or tensors, as Detectron2's model zoo and Caffe2 publish them (``.pkl``);
- files of ``torch.save``, today's zip format and the older one (``.pth``, ``.pt``, ``.bin``);
- safetensors.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import safetensors
import safetensors.torch
import torch

from univs.checkpoint import restricted_pickle
from univs.checkpoint.errors import CheckpointFileError

# Where a file may keep its state dict.
STATE_DICT_KEYS = ("model", "state_dict")

_ZIP_MAGIC = b"PK\x03\x04"
# Every file of the older torch.save begins with this number, pickled on its own.
_LEGACY_TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_DAMAGED = "It is damaged or was not downloaded completely; download it again."


@dataclass
class CheckpointFile:
    """The content of a checkpoint.

    Attributes:
        path: the file it comes from.
        tensors: the state dict, on the CPU, under the names that stand in the file.
        extras: everything else at the top level of the file (``optimizer``, ``iteration``, ...).
        not_tensors: entries of the state dict that are no tensors, with the name of their type.
    """

    path: str
    tensors: dict[str, torch.Tensor]
    extras: dict[str, object] = field(default_factory=dict)
    not_tensors: dict[str, str] = field(default_factory=dict)


def read_checkpoint(path: str | os.PathLike) -> CheckpointFile:
    """Read the tensors and the other top-level entries of a checkpoint file.

    Args:
        path: a local file in any of the formats of this module.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointFileError: the file is damaged, unsafe, of another format, or without tensors.
    """
    path = os.fspath(path)
    content = read_object(path)
    if not isinstance(content, Mapping):
        raise CheckpointFileError(
            f"{path} holds a {type(content).__name__}, not a dictionary of named tensors. Is it a "
            "checkpoint?"
        )
    extras = {}
    state_dict = content
    for key in STATE_DICT_KEYS:
        if isinstance(content.get(key), Mapping):
            state_dict = content[key]
            extras = {name: value for name, value in content.items() if name != key}
            break
    checkpoint = CheckpointFile(path, {}, extras)
    for name, value in state_dict.items():
        tensor = _as_tensor(value)
        if tensor is not None and isinstance(name, str):
            checkpoint.tensors[name] = tensor
        elif state_dict is content:
            extras[name] = value
        else:
            checkpoint.not_tensors[str(name)] = type(value).__name__
    if not checkpoint.tensors:
        names = ", ".join(map(str, list(content)[:8])) or "nothing"
        raise CheckpointFileError(
            f"{path} holds no tensors (its top level has: {names}). A checkpoint has a dictionary "
            f"of named tensors under {' or '.join(map(repr, STATE_DICT_KEYS))}, or on top."
        )
    return checkpoint


def read_object(path: str | os.PathLike) -> object:
    """Read whatever a checkpoint file holds: usually a dictionary, for some files a bare tensor.

    The texts in the metadata of a safetensors file become top-level entries beside ``model``.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointFileError: the file is damaged, unsafe, or of another format.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        kind = "is a folder, not a file" if os.path.isdir(path) else "does not exist"
        raise FileNotFoundError(f"Checkpoint {path} {kind}. Give the path of a local file.")
    with open(path, "rb") as file:
        head = file.read(512)
    _refuse_text(path, head)
    try:
        if head.startswith(_ZIP_MAGIC):
            return _read_torch(path)
        if head[2:].startswith(_LEGACY_TORCH_MAGIC):
            return _read_torch(path)
        if _is_safetensors(head):
            return _read_safetensors(path)
        return _read_pickle(path, head)
    except restricted_pickle.UnsafePickleError as error:
        raise CheckpointFileError(
            f"{path} asks for {error.asked_for}, which a checkpoint has no need of, so it was not "
            "loaded: it could run code. If you trust its origin, convert it there to safetensors."
        ) from error


def _refuse_text(path: str, head: bytes) -> None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        raise CheckpointFileError(f"{path} is empty. Download it again.")
    if text.startswith(b"version https://git-lfs"):
        raise CheckpointFileError(
            f"{path} is only a git-lfs pointer. Run `git lfs pull` in its repository to get the "
            "file itself."
        )
    if text[:1] == b"<" and text[1:2] in b"!?hHeE":
        raise CheckpointFileError(
            f"{path} is a web page (HTML or XML), not a checkpoint: the download ended on an error "
            "or a confirmation page. Open its address in a browser and download the file itself."
        )


def _read_torch(path: str) -> object:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith("data.pkl") for name in names):
            inside = ", ".join(names[:4])
            raise CheckpointFileError(
                f"{path} is a zip archive of other files ({inside}, ...), not a checkpoint. Unpack "
                "it and give the checkpoint inside."
            )
        if any(name.endswith("/constants.pkl") for name in names):
            raise CheckpointFileError(
                f"{path} is a TorchScript program, not a checkpoint. Save its state_dict() instead."
            )
    try:
        with restricted_pickle.numpy_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked_for = restricted_pickle.unsupported_global(error)
        if asked_for is not None:
            raise restricted_pickle.UnsafePickleError(asked_for) from error
        raise CheckpointFileError(f"{path} cannot be read ({_brief(error)}). {_DAMAGED}") from error
    except Exception as error:  # a damaged file can raise nearly anything
        raise CheckpointFileError(f"{path} cannot be read ({_brief(error)}). {_DAMAGED}") from error


def _is_safetensors(head: bytes) -> bool:
    """Whether the file begins with the length of a JSON header and its opening brace."""
    return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 1 << 27


def _read_safetensors(path: str) -> dict[str, object]:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointFileError(f"{path} cannot be read ({_brief(error)}). {_DAMAGED}") from error
    metadata.pop("format", None)  # names the library that wrote the file
    content: dict[str, object] = {name: _from_json(text) for name, text in metadata.items()}
    content["model"] = tensors
    return content


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read_pickle(path: str, head: bytes) -> object:
    if head[:1] not in b"\x80(c}])l":
        raise CheckpointFileError(
            f"{path} is not a checkpoint: it is neither a pickle, nor a file of torch.save, nor "
            "safetensors."
        )
    try:
        with open(path, "rb") as file:
            return restricted_pickle.load(file)
    except restricted_pickle.UnsafePickleError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointFileError(f"{path} cannot be read ({_brief(error)}). {_DAMAGED}") from error


def _brief(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _as_tensor(value: object) -> torch.Tensor | None:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        array = np.asarray(value)
        array = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
        return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    return None
