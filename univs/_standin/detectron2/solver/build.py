"""Parameter groups, gradient clipping, optimisers and schedules from a config."""

from __future__ import annotations

import copy
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import torch
from fvcore.common.param_scheduler import (
    CosineParamScheduler,
    MultiStepParamScheduler,
    ParamScheduler,
    StepWithFixedGammaParamScheduler,
)
from torch.optim.lr_scheduler import LRScheduler

from detectron2.config import CfgNode
from detectron2.solver.lr_scheduler import LRMultiplier, WarmupParamScheduler

logger = logging.getLogger(__name__)

_GradientClipper = Callable[[torch.Tensor], Any]

_NORM_MODULE_TYPES = (
    torch.nn.BatchNorm1d,
    torch.nn.BatchNorm2d,
    torch.nn.BatchNorm3d,
    torch.nn.SyncBatchNorm,
    torch.nn.GroupNorm,
    torch.nn.InstanceNorm1d,
    torch.nn.InstanceNorm2d,
    torch.nn.InstanceNorm3d,
    torch.nn.LayerNorm,
    torch.nn.LocalResponseNorm,
)


class GradientClipType(Enum):
    """Values of ``SOLVER.CLIP_GRADIENTS.CLIP_TYPE``."""

    VALUE = "value"
    NORM = "norm"


def _create_gradient_clipper(cfg: CfgNode) -> _GradientClipper:
    """A function that clips the gradient of one parameter as ``SOLVER.CLIP_GRADIENTS`` says."""
    clip_type = GradientClipType(cfg.CLIP_TYPE)
    clip_value, norm_type = cfg.CLIP_VALUE, cfg.NORM_TYPE
    if clip_type is GradientClipType.VALUE:
        return lambda parameter: torch.nn.utils.clip_grad_value_(parameter, clip_value)
    return lambda parameter: torch.nn.utils.clip_grad_norm_(parameter, clip_value, norm_type)


def _generate_optimizer_class_with_gradient_clipping(
    optimizer: type[torch.optim.Optimizer],
    *,
    per_param_clipper: _GradientClipper | None = None,
    global_clipper: Callable[[list[torch.Tensor]], Any] | None = None,
) -> type[torch.optim.Optimizer]:
    """A subclass of an optimiser that clips gradients as the first thing in ``step``."""
    assert per_param_clipper is None or global_clipper is None, (
        "Not allowed to use both per-parameter clipping and global clipping"
    )

    def step_with_clipping(self: Any, closure: Callable | None = None) -> Any:
        if per_param_clipper is not None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    per_param_clipper(parameter)
        else:
            parameters = itertools.chain(*(group["params"] for group in self.param_groups))
            global_clipper(list(parameters))
        return optimizer.step(self, closure)

    return type(optimizer.__name__ + "WithGradientClip", (optimizer,), {"step": step_with_clipping})


def maybe_add_gradient_clipping(
    cfg: CfgNode, optimizer: torch.optim.Optimizer | type[torch.optim.Optimizer]
) -> Any:
    """Add gradient clipping to an optimiser, or to a class of them, if the config asks for it.

    Args:
        cfg: ``SOLVER.CLIP_GRADIENTS`` is read.
        optimizer: an optimiser, changed in place, or a class, of which a subclass is returned.
    """
    if not cfg.SOLVER.CLIP_GRADIENTS.ENABLED:
        return optimizer
    is_instance = isinstance(optimizer, torch.optim.Optimizer)
    with_clipping = _generate_optimizer_class_with_gradient_clipping(
        type(optimizer) if is_instance else optimizer,
        per_param_clipper=_create_gradient_clipper(cfg.SOLVER.CLIP_GRADIENTS),
    )
    if not is_instance:
        return with_clipping
    optimizer.__class__ = with_clipping
    return optimizer


def build_optimizer(cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum as the config says."""
    params = get_default_optimizer_params(
        model,
        base_lr=cfg.SOLVER.BASE_LR,
        weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
        bias_lr_factor=cfg.SOLVER.BIAS_LR_FACTOR,
        weight_decay_bias=cfg.SOLVER.WEIGHT_DECAY_BIAS,
    )
    optimizer = torch.optim.SGD(
        params,
        lr=cfg.SOLVER.BASE_LR,
        momentum=cfg.SOLVER.MOMENTUM,
        nesterov=cfg.SOLVER.NESTEROV,
        weight_decay=cfg.SOLVER.WEIGHT_DECAY,
        foreach=True,
    )
    return maybe_add_gradient_clipping(cfg, optimizer)


def get_default_optimizer_params(
    model: torch.nn.Module,
    base_lr: float | None = None,
    weight_decay: float | None = None,
    weight_decay_norm: float | None = None,
    bias_lr_factor: float | None = 1.0,
    weight_decay_bias: float | None = None,
    lr_factor_func: Callable[[str], float] | None = None,
    overrides: dict[str, dict[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """Parameter groups with their own learning rates and weight decays.

    Args:
        model: the model; only parameters that require gradients are listed, shared ones once.
        base_lr: learning rate of every group; may be None unless ``bias_lr_factor`` or
            ``lr_factor_func`` needs it.
        weight_decay: of every group; the optimiser's own if None.
        weight_decay_norm: of the parameters of normalisation layers.
        bias_lr_factor: factor of the learning rate of parameters called "bias".
        weight_decay_bias: of parameters called "bias".
        lr_factor_func: factor of the learning rate as a function of the parameter's full name.
        overrides: ``{"embedding": {"lr": 0.01, "weight_decay": 0.1}}`` sets values for parameters
            whose last name is "embedding".

    Returns:
        Groups for an optimiser, those with equal options merged.
    """
    defaults = {}
    if base_lr is not None:
        defaults["lr"] = base_lr
    if weight_decay is not None:
        defaults["weight_decay"] = weight_decay

    overrides = dict(overrides or {})
    bias_overrides = {}
    if bias_lr_factor is not None and bias_lr_factor != 1.0:
        if base_lr is None:
            raise ValueError("bias_lr_factor requires base_lr")
        bias_overrides["lr"] = base_lr * bias_lr_factor
    if weight_decay_bias is not None:
        bias_overrides["weight_decay"] = weight_decay_bias
    if bias_overrides:
        if "bias" in overrides:
            raise ValueError("Conflicting overrides for 'bias'")
        overrides["bias"] = bias_overrides
    if lr_factor_func is not None and base_lr is None:
        raise ValueError("lr_factor_func requires base_lr")

    params: list[dict[str, Any]] = []
    seen: set[torch.nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            options = copy.copy(defaults)
            if isinstance(module, _NORM_MODULE_TYPES) and weight_decay_norm is not None:
                options["weight_decay"] = weight_decay_norm
            if lr_factor_func is not None:
                options["lr"] *= lr_factor_func(f"{module_name}.{name}")
            options.update(overrides.get(name, {}))
            params.append({"params": [parameter], **options})
    return reduce_param_groups(params)


def _expand_param_groups(params: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One group per parameter; a parameter that comes twice takes its later options."""
    expanded: dict[Any, dict[str, Any]] = defaultdict(dict)
    for group in params:
        assert "params" in group
        options = {name: value for name, value in group.items() if name != "params"}
        for parameter in group["params"]:
            expanded[parameter].update({"params": [parameter], **options})
    return list(expanded.values())


def reduce_param_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge groups with equal options: optimisers are faster on fewer groups."""
    merged: dict[tuple, list[torch.nn.Parameter]] = defaultdict(list)
    for group in _expand_param_groups(params):
        options = tuple((name, value) for name, value in group.items() if name != "params")
        merged[options].extend(group["params"])
    return [{**dict(options), "params": members} for options, members in merged.items()]


def build_lr_scheduler(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
    """The learning-rate schedule that ``SOLVER.LR_SCHEDULER_NAME`` names.

    Raises:
        ValueError: there is no schedule of this name.
    """
    name = cfg.SOLVER.LR_SCHEDULER_NAME
    max_iter = cfg.SOLVER.MAX_ITER
    schedule: ParamScheduler
    if name == "WarmupMultiStepLR":
        steps = [step for step in cfg.SOLVER.STEPS if step <= max_iter]
        if len(steps) != len(cfg.SOLVER.STEPS):
            logger.warning(
                "SOLVER.STEPS contains values larger than SOLVER.MAX_ITER. "
                "These values will be ignored."
            )
        schedule = MultiStepParamScheduler(
            values=[cfg.SOLVER.GAMMA**k for k in range(len(steps) + 1)],
            milestones=steps,
            num_updates=max_iter,
        )
    elif name == "WarmupCosineLR":
        end_value = cfg.SOLVER.BASE_LR_END / cfg.SOLVER.BASE_LR
        assert 0.0 <= end_value <= 1.0, "SOLVER.BASE_LR_END must lie between 0 and SOLVER.BASE_LR"
        schedule = CosineParamScheduler(1, end_value)
    elif name == "WarmupStepWithFixedGammaLR":
        schedule = StepWithFixedGammaParamScheduler(
            base_value=1.0,
            gamma=cfg.SOLVER.GAMMA,
            num_decays=cfg.SOLVER.NUM_DECAYS,
            num_updates=max_iter,
        )
    else:
        raise ValueError(f"Unknown LR scheduler: {name}")
    schedule = WarmupParamScheduler(
        schedule,
        cfg.SOLVER.WARMUP_FACTOR,
        min(cfg.SOLVER.WARMUP_ITERS / max_iter, 1.0),
        cfg.SOLVER.WARMUP_METHOD,
        cfg.SOLVER.RESCALE_INTERVAL,
    )
    return LRMultiplier(optimizer, multiplier=schedule, max_iter=max_iter)
