"""Every system trains, and segments still images, on a device that is not the CPU."""

from __future__ import annotations

import pytest
import torch

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from reference.miniatures import FAMILY_OF, benchmark_config
from reference.pretended_device import DeviceMismatch, pretended_device
from univs.data import build_test_loader, build_train_loader
from univs.engine.optimizer import build_optimizer
from univs.engine.trainer import Trainer


def first_step(cfg: CfgNode, device: torch.device) -> dict[str, torch.Tensor]:
    """Losses of the first batch, and the norm of all gradients."""
    seed_all_rng(0)
    samples = next(iter(build_train_loader(cfg)))
    seed_all_rng(0)
    model = build_model(cfg).train()
    model.to(device)
    optimizer = build_optimizer(cfg, model)
    with EventStorage():
        losses = model(samples)
    sum(losses.values()).backward()
    gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    optimizer.step()
    assert {parameter.device for parameter in model.parameters()} == {device}
    return {name: loss.detach().cpu() for name, loss in losses.items()} | {
        "gradients": torch.stack(gradients).norm().cpu()
    }


@pytest.mark.parametrize(
    ("system", "dataset"),
    [
        ("mask2former_image", "coco_instance_train"),
        ("mask2former_video", "ytvis19_train"),
        ("genvis_online", "ovis_train"),
        ("univs", "vipseg_train"),
        ("univs", "davis17_train"),
        ("univs", "refytvos_train"),
        ("tarvis", "vipseg_train"),
        ("tarvis", "davis17_train"),
        ("tarvis", "burst_train"),
    ],
)
def test_a_step_on_another_device_is_that_on_the_cpu(system, dataset, miniatures):
    miniatures.ready(FAMILY_OF[dataset])
    cfg = benchmark_config(system, dataset)
    expected = first_step(cfg, torch.device("cpu"))
    with pretended_device() as device:
        found = first_step(cfg, device)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("system", "dataset"),
    [
        ("mask2former_image", "coco_instance_val"),
        ("mask2former_image", "coco_panoptic_val"),
        ("semantic", "ade20k_semantic_val"),
        ("univs", "coco_panoptic_val"),
        ("vita", "coco_instance_val"),
    ],
)
def test_still_images_on_another_device(system, dataset, miniatures):
    miniatures.ready(FAMILY_OF[dataset.replace("_val", "_train")])
    cfg = benchmark_config(system, dataset)
    seed_all_rng(0)
    model = build_model(cfg).eval()
    samples = next(iter(build_test_loader(cfg, dataset)))
    with torch.no_grad(), pretended_device() as device:
        model.to(device)
        (found,) = Trainer.inference_function(cfg, model)(samples)
    assert found


def test_tensors_of_two_devices_do_not_meet():
    numbers = torch.arange(3)
    with pretended_device() as device:
        moved = numbers.to(device)
        assert (moved + torch.tensor(1)).tolist() == [1, 2, 3]  # a single number may be elsewhere
        assert moved[numbers].cpu().tolist() == [0, 1, 2] and moved[[0, 2]].sum().item() == 2
        for meet in (
            lambda: moved + numbers,
            lambda: torch.cat([moved, numbers]),
            lambda: numbers[moved],
            lambda: torch.randperm(3, generator=torch.Generator(), device=device),
        ):
            with pytest.raises(DeviceMismatch):
                meet()
        with pytest.raises((TypeError, RuntimeError)):
            moved.numpy()
