"""Copying the weights of a file into a model."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import nn

from univs.checkpoint.key_maps import is_dispensable, is_recomputed
from univs.checkpoint.names import current_names
from univs.checkpoint.report import CheckpointMismatchError, LoadReport, Misshaped
from univs.checkpoint.safe_reader import CheckpointFile, read_checkpoint
from univs.checkpoint.tarvis_vocabulary import vocabularies_of, with_class_queries
from univs.checkpoint.transfer import fit_copies


def load_weights(
    model: nn.Module, path: str | os.PathLike, *, strict: bool = False, prefix: str = ""
) -> LoadReport:
    """Load a checkpoint of any supported format and age into ``model``, in place.

    Args:
        model: the model; tensors that the file lacks or has in another shape keep their values. A
            teacher (``backbone_t``, ``sem_seg_head_t``) that the file lacks becomes a copy of the
            student; of a file with both, a model without a teacher takes that of its attribute
            ``prefers_teacher``, by default the teacher.
        path: a local file.
        strict: refuse a file that does not fit completely; the model is not changed then.
        prefix: load only this part of the model, e.g. ``"backbone."``, and expect only it.

    Returns:
        What was loaded and what was not.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointFileError: the file cannot be read, see :func:`read_checkpoint`.
        CheckpointMismatchError: nothing in the file fits the model, or not everything and
            ``strict``.
        ValueError: the model has no part ``prefix``.
    """
    return load_tensors(model, read_checkpoint(path), strict=strict, prefix=prefix)


def load_tensors(
    model: nn.Module, checkpoint: CheckpointFile, *, strict: bool = False, prefix: str = ""
) -> LoadReport:
    """As :func:`load_weights`, from a checkpoint that has been read already."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model = model.module
    name_map = current_names(checkpoint.tensors)
    report = LoadReport(
        checkpoint.path,
        ignored=[*checkpoint.not_tensors, *name_map.dropped],
        recognised=name_map.recognised,
    )
    state = model.state_dict(keep_vars=True)
    available, notes = fit_copies(
        {new: checkpoint.tensors[old] for old, new in name_map.names.items()},
        state,
        take_teacher=getattr(model, "prefers_teacher", True),
    )
    report.notes += notes
    available = {name: tensor for name, tensor in available.items() if name.startswith(prefix)}
    places = {
        name: tensor
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and name.startswith(prefix)
    }
    if prefix and not places:
        raise ValueError(f"The model has no tensors whose names begin with {prefix!r}.")
    if not strict:
        available = with_class_queries(available, places, vocabularies_of(model))
    copies = _match(available, places, report)
    if not copies and places:
        part = f"the part {prefix!r} of the model" if prefix else "the model"
        raise CheckpointMismatchError(
            f"{checkpoint.path} does not fit: none of its tensors belongs to {part}. Is it a "
            "checkpoint of this system, and the configuration the one it was trained with?",
            report,
        )
    if strict and not report.is_complete:
        raise CheckpointMismatchError(
            f"{checkpoint.path} does not fit the model completely. Use the configuration it was "
            "trained with.",
            report,
        )
    _copy(copies, available, places)
    return report


def _match(
    available: Mapping[str, torch.Tensor], places: Mapping[str, torch.Tensor], report: LoadReport
) -> list[str]:
    """Fill ``report`` and return the names to copy."""
    for name, tensor in available.items():
        if is_recomputed(name) or (name not in places and is_dispensable(name)):
            report.ignored.append(name)
        elif name not in places:
            report.unexpected.append(name)
        elif tensor.shape != places[name].shape:
            report.misshaped.append(Misshaped(name, tuple(places[name].shape), tuple(tensor.shape)))
        else:
            report.loaded.append(name)
    # A tensor that a model has under two names is there if either name is.
    filled = {id(places[name]) for name in report.loaded}
    report.missing += [
        name
        for name, tensor in places.items()
        if name not in available and not is_dispensable(name) and id(tensor) not in filled
    ]
    return report.loaded


@torch.no_grad()
def _copy(
    names: list[str], available: Mapping[str, torch.Tensor], places: Mapping[str, torch.Tensor]
) -> None:
    # Directly, not by load_state_dict: the loading hook of frozen norms resets their statistics
    # whenever a file without version metadata lacks them.
    for name in names:
        places[name].copy_(available[name])
