"""AdamW with a learning rate and weight decay for every tensor (Mask2Former, appendix)."""

from __future__ import annotations

import torch
from torch import nn

_NORMS = (
    nn.modules.batchnorm._BatchNorm,  # also SyncBatchNorm and InstanceNorm
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)
_UNDECAYED_PARAMETERS = ("relative_position_bias_table", "absolute_pos_embed")


def parameter_groups(cfg, model: nn.Module) -> list[dict]:
    """Learning rate and weight decay of every trainable tensor, in registration order.

    The backbone's learning rate is multiplied by ``SOLVER.BACKBONE_MULTIPLIER``; parameters of
    normalisation layers and embeddings have a weight decay of their own, position parameters none.
    A model with a method ``undecayed_parameters`` names itself those that have none beside these
    kinds.
    """
    solver = cfg.SOLVER
    undecayed = getattr(model, "undecayed_parameters", None)
    undecayed = undecayed() if undecayed else None
    groups, seen = [], set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            learning_rate, weight_decay = solver.BASE_LR, solver.WEIGHT_DECAY
            if "backbone" in module_name:
                learning_rate *= solver.BACKBONE_MULTIPLIER
            if undecayed is None:
                is_undecayed = name in _UNDECAYED_PARAMETERS
            else:
                is_undecayed = f"{module_name}.{name}" in undecayed
            if is_undecayed:
                weight_decay = 0.0
            if isinstance(module, _NORMS):
                weight_decay = solver.WEIGHT_DECAY_NORM
            if isinstance(module, nn.Embedding):
                weight_decay = solver.WEIGHT_DECAY_EMBED
            groups.append(
                {"params": [parameter], "lr": learning_rate, "weight_decay": weight_decay}
            )
    return groups


def merged_groups(groups: list[dict]) -> list[dict]:
    """Join groups of equal learning rate and weight decay.

    An optimizer updates the tensors of a group together, so a few large groups take far less time
    than hundreds of one tensor each, and give the same weights.
    """
    merged: dict[tuple[float, float], dict] = {}
    for group in groups:
        key = group["lr"], group["weight_decay"]
        if key in merged:
            merged[key]["params"] += group["params"]
        else:
            merged[key] = {**group, "params": list(group["params"])}
    return list(merged.values())


def build_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer ``SOLVER.OPTIMIZER`` (``ADAMW`` or ``SGD``).

    With ``CLIP_GRADIENTS.CLIP_TYPE`` ``full_model`` the gradient of the whole model is clipped to
    ``CLIP_VALUE`` inside of ``step``, after a gradient scaler has unscaled it.

    Raises:
        ValueError: the optimizer or the type of clipping is unknown.
    """
    solver = cfg.SOLVER
    groups = merged_groups(parameter_groups(cfg, model))
    if solver.OPTIMIZER == "ADAMW":
        kind, options = torch.optim.AdamW, {"lr": solver.BASE_LR}
    elif solver.OPTIMIZER == "SGD":
        kind = torch.optim.SGD
        options = {"lr": solver.BASE_LR, "momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    else:
        raise ValueError(f"SOLVER.OPTIMIZER {solver.OPTIMIZER!r} is not known: use ADAMW or SGD")

    clipping = solver.CLIP_GRADIENTS
    if not clipping.ENABLED or clipping.CLIP_VALUE <= 0:
        return kind(groups, **options)
    if clipping.CLIP_TYPE != "full_model":
        raise ValueError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE {clipping.CLIP_TYPE!r} is not known: use full_model"
        )
    optimizer = kind(groups, **options)
    parameters = [parameter for group in groups for parameter in group["params"]]

    def clip_gradients(*_) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, clipping.CLIP_VALUE)

    optimizer.register_step_pre_hook(clip_gradients)
    return optimizer
