from __future__ import annotations

import json
from collections import Counter

import pytest
import torch

from detectron2.modeling import build_model
from reference.cases import manifest
from reference.object_models import own_config
from univs.config import load_config
from univs.engine.optimizer import build_optimizer


def settings(system: str, name: str) -> dict[str, list[float]]:
    """Learning rate and weight decay of every tensor that is trained, by name."""
    path = own_config(manifest(system)[name]["config_file"])
    config = load_config(path, ["MODEL.DEVICE", "meta"])
    with torch.device("meta"):
        model = build_model(config)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: [group["lr"], group["weight_decay"]]
        for group in build_optimizer(config, model).param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize(
    ("system", "name"), [(s, name) for s in ("vita", "genvis") for name in manifest(s)]
)
def test_learning_rates_and_decays_equal_the_published_ones(system, name, request):
    actual = settings(system, name)
    expected = Counter()
    for group in manifest(system)[name]["optimizer_groups"]:
        expected[round(group["lr"], 9), group["weight_decay"]] += group["tensors"]
    assert Counter((round(lr, 9), decay) for lr, decay in actual.values()) == expected

    root = request.config.getoption("--golden")
    for path in (root / system / "param_groups.json", root / "param_groups.json"):
        groups = json.loads(path.read_text()) if path.is_file() else {}
        if name in groups:  # the clone holds the tensors of some configurations only
            assert actual == {key: pytest.approx(value) for key, value in groups[name].items()}
