"""Every system trains under autocast (``SOLVER.AMP.ENABLED``), with nearly the same losses."""

from __future__ import annotations

import pytest
import torch

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from reference.miniatures import FAMILY_OF, benchmark_config
from univs.data import build_train_loader


def total_loss(cfg: CfgNode, samples: list[dict], precision: torch.dtype | None) -> torch.Tensor:
    """The sum of all losses, after its gradients were found to be finite."""
    seed_all_rng(0)
    model = build_model(cfg).train()
    with EventStorage(), torch.autocast("cpu", precision, enabled=precision is not None):
        losses = model(samples)
    total = sum(losses.values())
    total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    return total.detach()


@pytest.mark.parametrize(
    ("system", "dataset"),
    [
        ("mask2former_video", "ytvis19_train"),
        ("vita", "ytvis21_train"),
        ("univs", "vipseg_train"),
        ("univs", "refytvos_train"),
        ("tarvis", "vipseg_train"),
    ],
)
def test_losses_under_autocast_are_nearly_those_without(system, dataset, miniatures):
    miniatures.ready(FAMILY_OF[dataset])
    cfg = benchmark_config(system, dataset)
    seed_all_rng(0)
    samples = next(iter(build_train_loader(cfg)))
    expected = total_loss(cfg, samples, None)
    found = total_loss(cfg, samples, torch.float16)
    # The untrained UniVS has losses in the thousands, from logits that are far too large.
    torch.testing.assert_close(found, expected, rtol=0.04, atol=0.0)
