"""Matching the names of a backbone's file with those of a model that contains the backbone."""

from __future__ import annotations

import logging

import torch

__all__ = ["align_and_update_state_dicts"]


def align_and_update_state_dicts(
    model_state_dict: dict[str, torch.Tensor], ckpt_state_dict: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Rename the entries of a checkpoint to those of a model that end in their names.

    An entry ``res2.0.conv1.weight`` fits ``backbone.res2.0.conv1.weight``. Of several entries that
    fit a name the longest counts, and it is used only if its shape agrees.

    Args:
        model_state_dict: names and shapes of the model.
        ckpt_state_dict: the checkpoint.

    Returns:
        The checkpoint under the names of the model; entries without a match keep their own.

    Raises:
        ValueError: one entry fits several names of the model.
    """
    logger = logging.getLogger(__name__)
    by_name = dict(ckpt_state_dict)
    result: dict[str, torch.Tensor] = {}
    used: dict[str, str] = {}  # name in the checkpoint -> name in the model
    for model_name in sorted(model_state_dict):
        parts = model_name.split(".")
        suffixes = (".".join(parts[start:]) for start in range(len(parts)))  # longest first
        name = next((suffix for suffix in suffixes if suffix in by_name), None)
        if name is None:
            continue
        value, expected = by_name[name], model_state_dict[model_name]
        if tuple(value.shape) != tuple(expected.shape):
            logger.warning(
                "Shape of %s in checkpoint is %s, while shape of %s in model is %s. "
                "%s will not be loaded. Please double check and see if this is desired.",
                name,
                tuple(value.shape),
                model_name,
                tuple(expected.shape),
                name,
            )
            continue
        if name in used:
            raise ValueError(
                f"Cannot match one checkpoint key to multiple keys in the model: {name} fits "
                f"{used[name]} and {model_name}. Give the file the model's full names."
            )
        used[name] = model_name
        result[model_name] = value
    logger.info("Matched %d of %d entries of the checkpoint by name", len(used), len(by_name))
    result.update({name: value for name, value in by_name.items() if name not in used})
    return result
