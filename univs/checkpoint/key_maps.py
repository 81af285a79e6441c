"""How the tensor names of published files become today's names, one rule per kind of file.

A rule is recognised by the names that a file has, never by version metadata, which files converted
to NumPy have lost. Each rule leaves names alone that it has already produced, so applying all of
them twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

_HEAD = "sem_seg_head."
_PIXEL_DECODER = "sem_seg_head.pixel_decoder."
_PREDICTOR = "sem_seg_head.predictor."
_POINT_QUERY = "object_encoder.point_query.layers."


@dataclass(frozen=True)
class KeyMap:
    """One rule.

    Attributes:
        description: what kind of file it is for, for the user.
        applies: tells from all names of a file whether the rule is for it.
        rename: the new name of a tensor; None if the tensor is of no use.
    """

    description: str
    applies: Callable[[Set[str]], bool]
    rename: Callable[[str], str | None]


def _is_wrapped(names: Set[str]) -> bool:
    return bool(names) and all(name.startswith("module.") for name in names)


def _unwrap(name: str) -> str:
    return re.sub(r"^(module\.)+", "", name)


def _is_torchvision_resnet(names: Set[str]) -> bool:
    return {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight"} <= names


def _torchvision_resnet(name: str) -> str | None:
    if name.startswith("fc."):
        return None
    name = re.sub(r"^layer([1-4])\.", lambda match: f"res{int(match[1]) + 1}.", name)
    if not re.match(r"res[2-5]\.", name):
        name = f"stem.{name}"
    name = re.sub(r"\bbn([123])\.", r"conv\1.norm.", name)
    return name.replace("downsample.0.", "shortcut.").replace("downsample.1.", "shortcut.norm.")


_BACKBONE_ROOTS = {"stem.conv1.weight", "patch_embed.proj.weight"}  # ResNet, Swin
_IMAGENET_LEFTOVER = re.compile(r"(stem\.fc|fc|head|norm)\.|.*\.attn_mask$")


def _is_bare_backbone(names: Set[str]) -> bool:
    return not names.isdisjoint(_BACKBONE_ROOTS)


def _bare_backbone(name: str) -> str | None:
    if name.startswith("backbone."):
        return name
    return None if _IMAGENET_LEFTOVER.match(name) else f"backbone.{name}"


def _has_static_query(names: Set[str]) -> bool:
    return any("static_query" in name.split(".") for name in names)


def _static_query(name: str) -> str:
    return ".".join("query_feat" if part == "static_query" else part for part in name.split("."))


def _lacks_pixel_decoder(names: Set[str]) -> bool:
    return not any(name.startswith(_PIXEL_DECODER) for name in names) and any(
        name.startswith(_HEAD) and not name.startswith(_PREDICTOR) for name in names
    )


def _insert_pixel_decoder(name: str) -> str:
    if name.startswith(_HEAD) and not name.startswith(_PREDICTOR):
        return _PIXEL_DECODER + name[len(_HEAD) :]
    return name


def _is_tarvis(names: Set[str]) -> bool:
    return any(
        name.startswith(("backbone.fpn.", "embedding_container.", "vos_query_extractor."))
        for name in names
    )


# Tensors that published TarViS models have but never use.
_TARVIS_DEAD = re.compile(
    r"decoder\.mask_embeds\.free\.|decoder\.proj_layers\.(vos|background_vos)\."
    r"|vos_query_extractor\.bg_grid_size$"
)
_TARVIS_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^backbone\.backbone\.", "backbone."),
        (r"^backbone\.fpn\.", _PIXEL_DECODER),
        (r"^decoder\.", _PREDICTOR),
        (r"\.multihead_attn\._attn\.", ".multihead_attn."),
        (r"\.scale_embed\.", ".level_embed."),
        (r"\.proj_layers\.", ".class_proj."),
        (r"^embedding_container\._(\w+)_queries$", r"target_queries.\1"),
        (r"^vos_query_extractor\.point_vos_query_extractor\.layers\.0\.", _POINT_QUERY + "0."),
        (r"^vos_query_extractor\.point_vos_query_extractor\.layers\.2\.", _POINT_QUERY + "1."),
        (r"^vos_query_extractor\.point_vos_query_extractor\.layers\.4\.", _POINT_QUERY + "2."),
        (r"^vos_query_extractor\.(self_attn_layers\.\d+)\.attn\.", r"object_encoder.\1.self_attn."),
        (r"^vos_query_extractor\.(ffn_layers\.\d+)\.mlp\.0\.", r"object_encoder.\1.linear1."),
        (r"^vos_query_extractor\.(ffn_layers\.\d+)\.mlp\.2\.", r"object_encoder.\1.linear2."),
        (r"^vos_query_extractor\.", "object_encoder."),
    )
)


def _tarvis(name: str) -> str | None:
    if _TARVIS_DEAD.match(name):
        return None
    for pattern, replacement in _TARVIS_RULES:
        name = pattern.sub(replacement, name)
    return name


# In the order in which they are applied.
KEY_MAPS = (
    KeyMap("wrapped for distributed training", _is_wrapped, _unwrap),
    KeyMap("ResNet of torchvision", _is_torchvision_resnet, _torchvision_resnet),
    KeyMap("ImageNet backbone", _is_bare_backbone, _bare_backbone),
    KeyMap("TarViS as published", _is_tarvis, _tarvis),
    KeyMap("Mask2Former with static_query", _has_static_query, _static_query),
    KeyMap("MaskFormer without pixel_decoder", _lacks_pixel_decoder, _insert_pixel_decoder),
)

# Tensors that models compute themselves or that only other kinds of a layer have. A file may hold
# them in vain and a model may miss them.
_DISPENSABLE = re.compile(
    r"(^|\.)(relative_position_index|attn_mask|num_batches_tracked|pixel_mean|pixel_std)$"
)


def is_dispensable(name: str) -> bool:
    """Whether nothing is lost if the tensor ``name`` of a file or a model has no counterpart."""
    return _DISPENSABLE.search(name) is not None


def is_recomputed(name: str) -> bool:
    """Whether models compute the tensor ``name`` from their sizes, so that it is never loaded."""
    return name.rpartition(".")[2] == "relative_position_index"
