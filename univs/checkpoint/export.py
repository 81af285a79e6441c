"""Writing checkpoints for others: weights only, today's names, with what they were trained for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from univs.checkpoint.atomic import write_atomically
from univs.checkpoint.names import NameMap, current_names
from univs.checkpoint.safe_reader import read_checkpoint
from univs.checkpoint.transfer import Transfer

# Entries beside the weights that say what a model is, see UnivsCheckpointer.
PROVENANCE_KEYS = ("config", "class_names", "tasks", "__author__")


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the new file.
        tensors: today's names of the tensors in it.
        name_map: what became of the names of the old file.
        provenance: keys of :data:`PROVENANCE_KEYS` that were carried over.
        left_out: top-level entries of the old file that the new one lacks.
        transfer: what became of the tensors, if the file was made for another model.
    """

    path: str
    tensors: tuple[str, ...]
    name_map: NameMap
    provenance: tuple[str, ...]
    left_out: tuple[str, ...]
    transfer: Transfer | None = None

    def summary(self) -> str:
        """Several lines for the user."""
        lines = [f"{len(self.tensors)} tensors written to {self.path}"]
        if self.name_map.recognised:
            lines.append(f"read as: {', '.join(self.name_map.recognised)}")
        renamed = sum(old != new for old, new in self.name_map.names.items())
        lines.append(f"{renamed} renamed, {len(self.name_map.dropped)} of no use and dropped")
        if self.provenance:
            lines.append(f"kept: {', '.join(self.provenance)}")
        if self.left_out:
            lines.append(f"left out: {', '.join(self.left_out)}")
        if self.transfer is not None:
            lines.append(self.transfer.summary())
        return "\n".join(lines)


# Chooses the tensors of a file that go into another model.
Converter = Callable[[Mapping[str, torch.Tensor]], Transfer]


def export_safetensors(
    path_in: str | os.PathLike, path_out: str | os.PathLike, convert: Converter | None = None
) -> Export:
    """Convert any supported checkpoint to safetensors, under today's names.

    The config, class names and tasks of the file, where it has them, go into the metadata as JSON,
    unless the weights are made into those of another model.

    Args:
        path_in: file to read.
        path_out: file to write.
        convert: makes the weights into those of another model; default: they stay as they are.

    Raises:
        FileNotFoundError: there is no ``path_in``.
        CheckpointFileError: it cannot be read.
    """
    return _export(path_in, path_out, _write_safetensors, convert)


def export_torch(
    path_in: str | os.PathLike, path_out: str | os.PathLike, convert: Converter | None = None
) -> Export:
    """As :func:`export_safetensors`, to a ``.pth`` file that Detectron2 can load."""
    return _export(path_in, path_out, _write_torch, convert)


def _export(
    path_in: str | os.PathLike,
    path_out: str | os.PathLike,
    write: Callable[[dict[str, torch.Tensor], dict, Path], None],
    convert: Converter | None,
) -> Export:
    checkpoint = read_checkpoint(path_in)
    name_map = current_names(checkpoint.tensors)
    tensors = {new: checkpoint.tensors[old] for old, new in name_map.names.items()}
    extras = checkpoint.extras
    provenance = {key: extras[key] for key in PROVENANCE_KEYS if key in extras}
    transfer = None
    if convert is not None:
        transfer, provenance = convert(tensors), {}
        tensors = transfer.tensors
    write_atomically(path_out, lambda path: write(tensors, provenance, path))
    return Export(
        os.fspath(path_out),
        tuple(tensors),
        name_map,
        tuple(provenance),
        (*(key for key in extras if key not in provenance), *checkpoint.not_tensors),
        transfer,
    )


def _write_safetensors(tensors: dict[str, torch.Tensor], provenance: dict, path: Path) -> None:
    # The format holds each tensor on its own, so tensors that share memory are separated.
    separate = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    metadata = {key: json.dumps(value) for key, value in provenance.items()}
    safetensors.torch.save_file(separate, path, metadata={"format": "pt", **metadata})


def _write_torch(tensors: dict[str, torch.Tensor], provenance: dict, path: Path) -> None:
    torch.save({"model": tensors, "__author__": "univs", **provenance}, path)
