from __future__ import annotations

import pytest
import torch

from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Instances
from reference.cases import manifest, random_pinned
from reference.models import (
    filled_model,
    mask2former_config,
    numbered,
    published_config,
    subsampled,
    unpack_bits,
)
from univs.engine.optimizer import build_optimizer, parameter_groups


@pytest.mark.golden("mask2former", "image_forward")
@torch.no_grad()
def test_every_prediction_head_equals_the_original(case):
    model = filled_model(case, mask2former_config(case))
    images = model.preprocess(list(numbered(case, "image_")))
    features = model.backbone(images.tensor)
    case.check("res5", subsampled(features["res5"], case.arrays["res5"]))
    for index, head in enumerate(model.sem_seg_head(features).heads):
        case.check(f"attn_mask_{index}", head.attention_mask)
        name = f"class_logits_{index}"
        case.check(name, subsampled(head.class_logits, case.arrays[name]))
        name = f"mask_logits_{index}"
        case.check(name, subsampled(head.mask_logits[:, :, 0], case.arrays[name]))


def training_batch(case) -> list[dict]:
    images = list(numbered(case, "image_"))
    batch = []
    columns = zip(images, numbered(case, "labels_"), numbered(case, "masks_"), strict=True)
    for image, labels, packed in columns:
        instances = Instances(tuple(image.shape[-2:]))
        instances.gt_classes = labels
        instances.gt_masks = BitMasks(unpack_bits(packed, image.shape[-1]))
        batch.append({"image": image, "instances": instances})
    return batch


@pytest.mark.slow
@pytest.mark.golden("mask2former", "train_step")
def test_a_training_step_equals_the_original(case):
    config = mask2former_config(case)
    model = filled_model(case, config).train()
    groups = case.json("param_groups.json")["groups"]
    optimizer = build_optimizer(config, model)
    names = {parameter: name for name, parameter in model.named_parameters()}
    actual = {
        names[parameter]: [group["lr"], group["weight_decay"]]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    in_order = [names[group["params"][0]] for group in parameter_groups(config, model)]
    assert in_order == list(groups)
    assert actual == {name: pytest.approx(values) for name, values in groups.items()}

    with random_pinned():
        losses = model(training_batch(case))
    case.check("losses", torch.stack([losses[name] for name in sorted(losses)]))
    total = sum(losses.values())
    case.check("total", total)
    total.backward()
    parameters = dict(model.named_parameters())
    ordered = [parameters[name] for name in case.meta["parameter_names"]]
    norms = torch.stack([p.grad.norm() for p in ordered])
    case.check("grad_norms", norms)
    case.check("total_grad_norm", norms.norm())
    before = [p.detach().clone() for p in ordered]
    gradients = {n: p.grad.flatten().clone() for n, p in parameters.items()}
    optimizer.step()
    changes = [(p.detach() - old).norm() for p, old in zip(ordered, before, strict=True)]
    case.check("step_norms", torch.stack(changes))
    for array, expected in case.arrays.items():
        kind, _, name = array.partition("::")
        if kind == "grad":
            case.check(array, gradients[name][: len(expected)])
        elif kind == "after":
            case.check(array, parameters[name].flatten()[: len(expected)])


@pytest.mark.parametrize("name", manifest("mask2former"))
def test_names_and_shapes_equal_the_published_model(name):
    published = manifest("mask2former")[name]
    with torch.device("meta"):
        model = build_model(published_config(published["config_file"], device="meta"))
    actual = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert actual == published["state_dict"]
