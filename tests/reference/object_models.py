"""Models of VITA's and GenVIS' golden cases: config, weights and training samples."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Instances
from reference.cases import GoldenCase
from reference.deterministic_weights import fill
from reference.models import CONFIGS, fill_part, unpack_bits
from univs.config import load_config

_FOLDERS = {"coco": "coco", "ovis": "ovis", "youtubevis_2019": "ytvis/2019"}
_FOLDERS["youtubevis_2021"] = "ytvis/2021"


def own_config(config_file: str) -> Path:
    """The project's file for a published one, e.g. ``configs/ovis/vita_SWIN_bs8.yaml``."""
    path = Path(config_file)
    system, backbone = path.stem.split("_")[:2]
    name = {"swin": "swin_large_in21k"}.get(backbone.lower(), backbone.lower())
    if system == "genvis":
        name += "_semi_online" if "semi_online" in path.stem else "_online"
    return CONFIGS / system / _FOLDERS[path.parent.name] / f"{name}.yaml"


def object_config(case: GoldenCase, options: tuple = ()) -> CfgNode:
    """The project's config for the one that a case names, with the case's overrides."""
    config = case.meta["config"]
    published = () if case.system == "vita" else ("MODEL.GENVIS.PUBLISHED_BEHAVIOUR", True)
    return load_config(
        own_config(config["config_file"]),
        ["MODEL.DEVICE", "cpu", *published, *config["overrides"], *options],
    )


def filled_object_model(case: GoldenCase, config: CfgNode) -> nn.Module:
    """Build the model of ``config`` with the weights of ``case``, in evaluation mode."""
    model = build_model(config).eval()
    constants = {
        name: tensor.clone()
        for name, tensor in model.state_dict().items()
        if name.endswith("empty_weight")
    }
    fill(model)
    model.load_state_dict(constants, strict=False)
    apply_gains(case, model)
    return model


def filled_object_module(case: GoldenCase, module: nn.Module) -> nn.Module:
    """The object module alone with the weights that it has in the whole model."""
    fill_part(module, "vita_module.")
    apply_gains(case, module)
    return module


@torch.no_grad()
def apply_gains(case: GoldenCase, model: nn.Module) -> None:
    """Multiply the tensors that ``case`` lists; without that all queries would be much alike."""
    for gain in case.meta["weight_gains"]:
        rows = re.search(r"first (\d+)", gain["rows"])
        for name, parameter in model.named_parameters():
            whole_name = f"model.{name}"  # parts of names begin after a dot
            if whole_name.endswith("." + gain["name_ends_with"]) or (
                "." not in gain["name_ends_with"] and name.endswith(gain["name_ends_with"])
            ):
                parameter[: int(rows[1]) if rows else None] *= gain["factor"]


def training_samples(case: GoldenCase) -> list[dict]:
    """The clips of a training case, with class -1 where an object is absent."""
    samples = []
    prefixes = {re.match(r"(clip|video)(\d+)_images", name) for name in case.arrays} - {None}
    for prefix in sorted(match[1] + match[2] for match in prefixes):
        images = case.tensor(f"{prefix}_images")
        height, width = images.shape[-2:]
        masks = case.tensor(f"{prefix}_masks")
        masks = unpack_bits(masks, width) if masks.shape[-1] != width else masks.bool()
        ids, classes = case.tensor(f"{prefix}_ids"), case.tensor(f"{prefix}_classes")
        # The stored classes were filled in place where an object is absent from the first frames.
        absent = (ids == -1) | ~masks.flatten(2).any(2)
        classes = torch.where(absent, -1, classes)
        frames = []
        for t in range(len(images)):
            instances = Instances((height, width))
            instances.gt_classes, instances.gt_ids = classes[:, t], ids[:, t]
            frame = masks[:, t]
            instances.gt_masks = BitMasks(frame) if not samples else frame  # both are accepted
            frames.append(instances)
        samples.append({"image": list(images), "instances": frames})
    return samples


def thinned(tensor: Tensor, case: GoldenCase, name: str) -> Tensor:
    """The part of ``tensor`` that array ``name`` holds, as its ``subset`` says."""
    subset = case.meta["arrays"][name].get("subset", "")
    slices = re.match(r"\[(.*?)\]", subset)
    if slices is None:
        return tensor
    return tensor[
        tuple(
            slice(*(int(part) if part.strip() else None for part in axis.split(":")))
            for axis in slices[1].split(",")
        )
    ]


def check_part(case: GoldenCase, name: str, tensor: Tensor) -> None:
    """Assert that the stored part of ``tensor`` equals array ``name``."""
    case.check(name, thinned(tensor, case, name))


def padded_matches(matches: list, like: np.ndarray) -> np.ndarray:
    """Matches (query, target) as ``like`` stores them: sorted by target, padded by -1."""
    stored = np.full(like.shape, -1)
    for row, (queries, targets) in enumerate(matches):
        order = targets.argsort()
        stored[row, 0, : len(order)] = queries[order]
        stored[row, 1, : len(order)] = targets[order]
    return stored


@contextlib.contextmanager
def recorded(*modules: nn.Module) -> Iterator[list[Tensor]]:
    """Record what ``modules`` return, in the order of their calls."""
    outputs = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        for module in modules
    ]
    yield outputs
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def recorded_encoder(module: nn.Module) -> Iterator[Callable[[], Tensor]]:
    """Record what the encoder layers of an object module make of one video.

    Yields:
        a function that gives them afterwards, ``(layer, T, fQ, 1, C)``; a layer works on windows.
    """
    with contextlib.ExitStack() as stack:
        layers = [stack.enter_context(recorded(layer)) for layer in module.enc_ffn]
        num_queries = len(module.fq_pos.weight)
        yield lambda: torch.stack(
            [
                torch.cat([windows.flatten(0, 1) for windows in layer]).unflatten(
                    0, (-1, num_queries)
                )
                for layer in layers
            ]
        ).unsqueeze(3)


def check_encoded(case: GoldenCase, name: str, tokens: Tensor) -> None:
    """Assert that tokens ``(..., T, fQ, 1, C)`` equal array ``name``, less the padding at its end.

    The original encodes whole windows; what becomes of padding does not matter.
    """
    num_frames = tokens.shape[-4]
    np.testing.assert_allclose(
        thinned(tokens, case, name),
        case.arrays[name][..., :num_frames, :, :, :],
        **case.tolerance(name),
        err_msg=f"{case.name}: {name}",
    )


def decoder_sublayers(module: nn.Module) -> list[nn.Module]:
    """Cross-attention, self-attention and feed-forward network of every layer, in order."""
    layers = zip(
        module.transformer_cross_attention_layers,
        module.transformer_self_attention_layers,
        module.transformer_ffn_layers,
        strict=True,
    )
    return [sublayer for layer in layers for sublayer in layer]


def check_gradients(case: GoldenCase, module: nn.Module) -> None:
    """Assert that the gradients of all parameters have the norms that ``case`` stores."""
    parameters = dict(module.named_parameters())
    assert {n for n, p in parameters.items() if p.requires_grad and p.grad is None} == set(
        case.meta["grad_is_none"]
    )
    gradients = [parameters[name].grad for name in case.meta["grad_param_names"]]
    norms = [torch.zeros(()) if gradient is None else gradient.norm() for gradient in gradients]
    case.check("grad_norms", torch.stack(norms))
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    assert len(frozen) == case.meta.get("frozen_param_count", 0)


def stored_assignment(
    assignment: list[list[Tensor]], seen: list[Tensor], *, like: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Queries of all objects seen so far, as assigned and as ``like`` stores them.

    What is stored for other objects are placeholders that nothing uses.

    Args:
        assignment: indexed by head (the final one first), then by group.
        seen: of each video, bool ``(N,)``.
        like: int64 (heads in the order of computation x groups, (query, object), N).
    """
    actual = [queries for head in [*assignment[1:], assignment[0]] for queries in head]
    assert len(actual) == len(like)
    rows = [(row, seen[row % len(seen)]) for row in range(len(like))]
    for row, visible in rows:
        np.testing.assert_array_equal(like[row, 1, : len(visible)], np.arange(len(visible)))
    expected = [like[row, 0, : len(visible)][visible.numpy()] for row, visible in rows]
    found = [actual[row][visible].numpy() for row, visible in rows]
    return np.concatenate(found), np.concatenate(expected)
