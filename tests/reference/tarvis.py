"""TarViS models of golden cases: the project's configs, filled under the published names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

import numpy as np
import torch
from torch import Tensor, nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from reference.cases import GoldenCase, manifest
from reference.deterministic_weights import fill
from reference.models import CONFIGS
from univs.checkpoint.names import current_names
from univs.config import load_config

# Indexed by the name that cases give the backbone.
_FILES = {"ResNet50": "r50", "SwinTiny": "swin_tiny", "SwinLarge": "swin_large"}


def tarvis_config(backbone: str = "ResNet50", stage: str = "video") -> CfgNode:
    """The project's config, on the CPU."""
    path = CONFIGS / "tarvis" / stage / f"{_FILES[backbone]}.yaml"
    return load_config(path, ["MODEL.DEVICE", "cpu"])


def published_names() -> dict[str, str]:
    """The published name of every tensor of the video models, by today's name."""
    names = {}
    for configuration, content in manifest("tarvis").items():
        if configuration.endswith("finetune"):
            today = current_names(content["state_dict"]).names
            names.update({new: old for old, new in today.items()})
    return names


def filled(part: nn.Module, prefix: str = "") -> nn.Module:
    """Fill a model, or the part of it that is called ``prefix``, with the values of its cases."""
    published = published_names()
    return fill(part, rename=lambda name: published[prefix + name]).eval()


def filled_model(case: GoldenCase, config: CfgNode | None = None) -> nn.Module:
    """The model of a case, in evaluation mode."""
    if config is None:
        config = tarvis_config(case.meta["model"]["MODEL.BACKBONE"])
    model = filled(build_model(config))
    if "weight_scaling" in case.meta:
        _scale(model)
    return model


@torch.no_grad()
def _scale(model: nn.Module) -> None:
    published = published_names()
    endings = ("out_proj", "linear2", "mlp.2")
    for name, parameter in model.named_parameters():
        original = published[name]
        if not original.startswith(("decoder.", "vos_query_extractor.")):
            continue
        if original.rpartition(".")[0].endswith(endings):
            parameter.mul_(0.05)
        elif original.startswith("decoder.proj_layers."):
            parameter.mul_(0.4)


def bits(case: GoldenCase, name: str) -> Tensor:
    """A packed boolean array of a case."""
    shape = case.meta["arrays"][name]["packed_shape"]
    flat = np.unpackbits(case.arrays[name], count=int(np.prod(shape)))
    return torch.from_numpy(flat.reshape(shape).astype(bool))


def frames(case: GoldenCase, first: int = 0, last: int | None = None) -> list[Tensor]:
    """Frames ``first`` to ``last`` of all clips of ``images``, uint8 ``(3, H, W)`` each."""
    images = case.tensor("images")
    images = images if images.dim() == 5 else images[None]
    stop = None if last is None else last + 1
    return [frame.permute(2, 0, 1) for clip in images for frame in clip[first:stop]]


def tolerance(case: GoldenCase, name: str) -> dict[str, float]:
    """``rtol`` and ``atol`` of an array: those of the exception that names it, or of the case."""
    for patterns, value in case.meta["tolerance"].get("exceptions", {}).items():
        if isinstance(value, dict) and any(fnmatch(name, p) for p in patterns.split(", ")):
            return value
    return case.tolerance(name)


def check(case: GoldenCase, name: str, actual: Tensor, **bounds: float) -> None:
    """Assert that ``actual`` equals array ``name`` within the tolerance, shape included.

    A packed array must be equal, and an array of statistics is compared with those of ``actual``.

    Args:
        bounds: ``rtol`` and ``atol`` if the case tells them in words only.
    """
    expected = case.arrays[name]
    if "packed_shape" in case.meta["arrays"].get(name, {}):
        assert torch.equal(actual.bool(), bits(case, name)), f"{case.name}: {name} differs"
        return
    if name.startswith("stats/"):
        x = actual.double()
        actual = torch.stack((x.mean(), x.std(unbiased=False), x.abs().mean(), x.min(), x.max()))
    actual = actual.detach().cpu().numpy()
    assert actual.shape == expected.shape, f"{name}: {actual.shape} is not {expected.shape}"
    np.testing.assert_allclose(
        actual, expected, **(bounds or tolerance(case, name)), err_msg=f"{case.name}: {name}"
    )


@contextlib.contextmanager
def recorded(modules: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Record the outputs of ``modules`` in the order of their calls."""
    outputs: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        for module in modules
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def decoder_blocks(decoder: nn.Module) -> dict[str, nn.ModuleList]:
    """The layers of the decoder by the name that cases give them."""
    return {
        "cross_attention": decoder.transformer_cross_attention_layers,
        "self_attention": decoder.transformer_self_attention_layers,
        "ffn": decoder.transformer_ffn_layers,
    }


def strided(tensor: Tensor, step: int, dim: int = -1) -> Tensor:
    """Every ``step``-th element along ``dim``."""
    index = [slice(None)] * tensor.dim()
    index[dim] = slice(None, None, step)
    return tensor[tuple(index)]
