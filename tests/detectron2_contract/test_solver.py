"""Learning-rate schedules, parameter groups and gradient clipping."""

from __future__ import annotations

import ast

import pytest
import torch

from detectron2.config import get_cfg
from detectron2.projects.deeplab import add_deeplab_config
from detectron2.projects.deeplab import build_lr_scheduler as build_poly_lr_scheduler
from detectron2.solver import (
    LRMultiplier,
    WarmupCosineLR,
    WarmupMultiStepLR,
    build_lr_scheduler,
    build_optimizer,
    get_default_optimizer_params,
)
from detectron2.solver.build import maybe_add_gradient_clipping, reduce_param_groups


def _sgd(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def _rates(scheduler, optimizer, count: int) -> list[float]:
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_schedules(contract):
    for fact in contract["lr_schedules"]:
        cfg = get_cfg()
        for key, value in fact["solver"].items():
            cfg.SOLVER[key] = tuple(value) if isinstance(value, list) else value
        optimizer = _sgd(cfg.SOLVER.BASE_LR)
        scheduler = build_lr_scheduler(cfg, optimizer)
        expected = fact["lr_per_iteration"]
        assert _rates(scheduler, optimizer, len(expected)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.golden("mask2former", "lr_schedule")
def test_schedules_of_mask2former(case):
    names = [name for name in case.arrays if name.startswith("iterations_")]
    assert names
    for name in names:
        multiplier = name.replace("iterations_", "multiplier_", 1)
        meaning = case.meta["arrays"][name]["meaning"]
        cfg = get_cfg()
        add_deeplab_config(cfg)
        cfg.SOLVER.BASE_LR = 1.0
        cfg.merge_from_list(ast.literal_eval(meaning[meaning.index("[") :]))
        scheduler = build_poly_lr_scheduler(cfg, _sgd())
        rates = []
        for iteration in case.arrays[name]:
            scheduler.last_epoch = int(iteration)
            rates.append(scheduler.get_lr()[0])
        case.check(multiplier, torch.tensor(rates, dtype=torch.float32))


def test_poly_schedule_steps_from_config():
    cfg = get_cfg()
    add_deeplab_config(cfg)
    assert cfg.SOLVER.LR_SCHEDULER_NAME == "WarmupPolyLR"
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.WARMUP_ITERS = 10, 0
    optimizer = _sgd()
    rates = _rates(build_poly_lr_scheduler(cfg, optimizer), optimizer, 10)
    assert rates == pytest.approx([(1 - i / 10) ** 0.9 for i in range(10)])


def test_unknown_schedule():
    cfg = get_cfg()
    cfg.SOLVER.LR_SCHEDULER_NAME = "Nothing"
    with pytest.raises(ValueError, match="Nothing"):
        build_lr_scheduler(cfg, _sgd())


def test_step_and_cosine_classes_agree_with_the_built_schedules():
    cfg = get_cfg()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER = 1.0, 30
    cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = (12, 20), 5
    first, second = _sgd(), _sgd()
    built = _rates(build_lr_scheduler(cfg, first), first, 30)
    direct = _rates(WarmupMultiStepLR(second, [12, 20], warmup_iters=5), second, 30)
    assert direct == pytest.approx(built)
    third = _sgd()
    cosine = _rates(WarmupCosineLR(third, 30, warmup_iters=0), third, 30)
    assert cosine[15] == pytest.approx(0.5)


def test_multiplier_continues_from_its_state():
    cfg = get_cfg()
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = 12, (8,), 4
    first, second = _sgd(), _sgd()
    scheduler = build_lr_scheduler(cfg, first)
    expected = _rates(scheduler, first, 12)
    scheduler = build_lr_scheduler(cfg, second)
    _rates(scheduler, second, 5)
    state = scheduler.state_dict()
    assert set(state) == {"base_lrs", "last_epoch"}
    third = _sgd()
    resumed = build_lr_scheduler(cfg, third)
    resumed.load_state_dict(state)
    third.load_state_dict(second.state_dict())
    assert _rates(resumed, third, 7) == pytest.approx(expected[5:])
    assert isinstance(resumed, LRMultiplier)
    with pytest.raises(ValueError, match="ParamScheduler"):
        LRMultiplier(_sgd(), multiplier=lambda progress: 1.0, max_iter=3)


def _model() -> torch.nn.Module:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2)
    )
    model.append(model[2])  # shared
    model[0].bias.requires_grad_(False)
    return model


def test_parameter_groups():
    model = _model()
    groups = get_default_optimizer_params(
        model, base_lr=0.1, weight_decay=0.5, weight_decay_norm=0.0, bias_lr_factor=2.0
    )
    by_parameter = {
        parameter: (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    assert sum(len(group["params"]) for group in groups) == len(by_parameter) == 5
    assert by_parameter[model[0].weight] == (0.1, 0.5)
    assert model[0].bias not in by_parameter
    assert by_parameter[model[1].weight] == (0.1, 0.0)
    assert by_parameter[model[1].bias] == (0.2, 0.0)
    assert by_parameter[model[2].bias] == (0.2, 0.5)
    assert len(groups) == 4


def test_parameter_group_overrides():
    model = _model()
    groups = get_default_optimizer_params(
        model,
        base_lr=0.1,
        overrides={"weight": {"lr": 0.3}},
        lr_factor_func=lambda name: 0.5 if name.startswith("2.") else 1.0,
    )
    rates = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    assert rates[model[2].weight] == 0.3
    assert rates[model[2].bias] == pytest.approx(0.05)
    for bad in ({"bias_lr_factor": 2.0}, {"lr_factor_func": len}):
        with pytest.raises((ValueError, AssertionError)):
            get_default_optimizer_params(model, **bad)


def test_equal_groups_are_merged():
    a, b, c = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups = [
        {"params": [a], "lr": 0.1},
        {"params": [b], "lr": 0.2},
        {"params": [c], "lr": 0.1},
        {"params": [b], "lr": 0.1},
    ]
    merged = reduce_param_groups(groups)
    assert len(merged) == 1
    assert set(merged[0]["params"]) == {a, b, c}


def test_default_optimizer():
    cfg = get_cfg()
    optimizer = build_optimizer(cfg, _model())
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["momentum"] == cfg.SOLVER.MOMENTUM
    assert not optimizer.defaults["nesterov"]


@pytest.mark.parametrize("as_class", [True, False])
@pytest.mark.parametrize(
    ("clip_type", "expected"), [("value", [-1.0, -0.5]), ("norm", [-0.8574929, -0.5144958])]
)
def test_gradient_clipping(as_class, clip_type, expected):
    cfg = get_cfg()
    assert maybe_add_gradient_clipping(cfg, torch.optim.SGD) is torch.optim.SGD
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = clip_type
    parameter = torch.nn.Parameter(torch.zeros(2))
    if as_class:
        optimizer = maybe_add_gradient_clipping(cfg, torch.optim.SGD)([parameter], lr=1.0)
    else:
        optimizer = maybe_add_gradient_clipping(cfg, torch.optim.SGD([parameter], lr=1.0))
    assert isinstance(optimizer, torch.optim.SGD)
    parameter.grad = torch.tensor([5.0, 3.0] if clip_type == "norm" else [5.0, 0.5])
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.tensor(expected))
