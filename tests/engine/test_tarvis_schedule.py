from __future__ import annotations

import pytest
import torch
from torch import nn

from detectron2.modeling import build_model
from detectron2.projects.deeplab import build_lr_scheduler
from reference.tarvis import published_names, tarvis_config
from univs.engine.optimizer import build_optimizer, parameter_groups


@pytest.mark.golden("tarvis", "rules")
def test_groups_of_the_optimizer_equal_the_original(case):
    published = published_names()
    rules = case.json("rules.json")["optimiser_groups"]
    backbones = [name for name in rules if name != "meaning"]
    assert backbones
    for backbone in backbones:
        config = tarvis_config(backbone)
        config.MODEL.DEVICE = "meta"
        with torch.device("meta"):
            model = build_model(config)
        names = {parameter: published[name] for name, parameter in model.named_parameters()}
        groups = {names[group["params"][0]]: group for group in parameter_groups(config, model)}
        expected = rules[backbone]
        undecayed = {name for name, group in groups.items() if group["weight_decay"] == 0}
        assert undecayed == set(expected["zero_weight_decay"])
        decayed = [group["weight_decay"] for name, group in groups.items() if name not in undecayed]
        assert set(decayed) == {0.05}
        slow = [name for name, group in groups.items() if group["lr"] == pytest.approx(1e-5)]
        assert len(slow) == expected["num_backbone_lr"]
        assert all(name.startswith(expected["backbone_lr_prefix"]) for name in slow)
        # The original also has groups for its dead tensors: two linear layers and an MLP of three.
        assert len(groups) == expected["num_groups"] - 10
        tables = [g for name, g in groups.items() if name.endswith("bias_table")]
        for group in tables:
            assert group["weight_decay"] == expected["relative_position_bias_table_weight_decay"]


@pytest.mark.golden("tarvis", "rules")
def test_learning_rates_equal_the_original(case):
    rules = case.json("rules.json")["lr_schedule"]
    for stage, folder in (("pretrain", "pretrain"), ("finetune", "video")):
        config = tarvis_config(stage=folder)
        for iteration, expected in rules[stage].items():
            optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=config.SOLVER.BASE_LR)
            scheduler = build_lr_scheduler(config, optimizer)
            scheduler.last_epoch = int(iteration)
            assert scheduler.get_lr() == [pytest.approx(expected, rel=1e-9, abs=1e-18)]


def test_the_whole_model_is_clipped_together():
    config = tarvis_config()
    model = nn.Linear(4, 4)
    optimizer = build_optimizer(config, model)
    model(torch.ones(1, 4)).square().sum().mul(1e6).backward()
    optimizer.step()
    norms = torch.stack([p.grad.norm() for p in model.parameters()])
    assert norms.norm() == pytest.approx(0.01, rel=1e-4)
