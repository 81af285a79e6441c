from __future__ import annotations

import contextlib
import re

import pytest
import torch

from detectron2.modeling import build_model
from reference.cases import manifest
from reference.models import CONFIGS
from reference.tarvis import (
    check,
    decoder_blocks,
    filled_model,
    frames,
    recorded,
    strided,
    tarvis_config,
)
from univs.checkpoint.names import current_names
from univs.config import load_config
from univs.modeling.prompts.tarvis_object_encoder import Exemplars

_DEAD = r"decoder\.(mask_embeds\.free|proj_layers\.(vos|background_vos))\.|.*bg_grid_size"


@pytest.mark.slow
@pytest.mark.golden("tarvis", "vis", "vps")
@torch.no_grad()
def test_every_head_of_a_category_pass_equals_the_original(case):
    model = filled_model(case)
    vocabulary = case.meta["semantic_rows_used"]["dataset"]
    num_frames = case.arrays["images"].shape[1]
    features = model.encode(model.backbone(model.preprocess(frames(case)).tensor), num_frames)
    queries = model.target_queries.categories(vocabulary)
    rows = case.meta["semantic_rows_used"]["rows_of_embedding_container._semantic_queries"]
    assert model.target_queries.class_rows(vocabulary).tolist() == list(range(*rows))
    for groups in case.meta["query_order"]:
        for group, (first, last) in groups.items():
            assert queries.slices()[group] == slice(first, last)

    with contextlib.ExitStack() as stack:
        seen = {
            name: stack.enter_context(recorded(layers))
            for name, layers in decoder_blocks(model.sem_seg_head.predictor).items()
        }
        heads = list(model.decode(features, queries, num_frames))
    prediction = model.predict_categories(features, num_frames, vocabulary)
    semantic = prediction.semantic_logits
    if case.arrays["out_semantic_seg_logits_stats"].shape[1] == len(semantic) + 1:
        # Data sets without stuff show background first.
        semantic = torch.cat((prediction.background_logits[None], semantic))
    semantic, scores = semantic.flatten(1), prediction.class_logits.softmax(-1)

    results = {
        "map32": strided(features.multi_scale[0], 16, 1),
        "map16": strided(features.multi_scale[1], 16, 1),
        "map8": strided(features.multi_scale[2], 16, 1),
        "map4_mask": strided(features.mask_features, 16, 1),
        "stats/map32": features.multi_scale[0],
        "stats/map16": features.multi_scale[1],
        "stats/map8": features.multi_scale[2],
        "stats/map4_mask": features.mask_features,
        "queries": strided(torch.stack([head.queries[0] for head in heads]), 8),
        "class_logits": torch.stack([head.class_logits[0] for head in heads]),
        "mask_logits_final": heads[-1].mask_logits[0, ..., ::2, ::2],
        "out_semantic_seg_logits_stats": torch.stack((semantic.mean(1), semantic.std(1))),
        "class_argmax": scores.argmax(-1).int(),
        "fg_score": scores[:, 1:].amax(-1),
    }
    for index, head in enumerate(heads):
        results[f"stats/mask_logits_{index}"] = head.mask_logits
        results[f"stats/class_logits_{index}"] = head.class_logits
    for index, head in enumerate(heads[:-1]):
        shape = case.meta["arrays"][f"attn_keep_{index}"]["packed_shape"]
        results[f"attn_keep_{index}"] = ~head.attention_mask[0].view(shape)
    subset = case.meta.get("query_subset", [])
    for name, outputs in seen.items():
        for layer, output in enumerate(outputs):
            results[f"layer{layer}_{name}"] = output[0, subset]
    results["mask_logits_layers"] = torch.stack(
        [head.mask_logits[0, subset, ..., ::2, ::2] for head in heads]
    )
    assert case.arrays.keys() - {"images"} <= results.keys()
    # In the order of computation, so that the first difference is the cause.
    for name in sorted(case.arrays.keys() - {"images"}, key=list(results).index):
        check(case, name, results[name])


@pytest.mark.parametrize("name", manifest("tarvis"))
def test_names_and_shapes_equal_the_published_model(name):
    published = manifest("tarvis")[name]
    backbone, stage = re.match(r"tarvis_(.*)_(pretrain|finetune)", name).groups()
    backbone = {"r50": "ResNet50", "swin_tiny": "SwinTiny", "swin_large": "SwinLarge"}[backbone]
    config = tarvis_config(backbone, {"pretrain": "pretrain", "finetune": "video"}[stage])
    config.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        model = build_model(config)
    today = current_names(published["state_dict"])
    expected = {
        new: published["state_dict"][old]
        for old, new in today.names.items()
        if new not in ("pixel_mean", "pixel_std")  # constants
    }
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == expected
    assert len(today.dropped) == 11 and all(re.match(_DEAD, old) for old in today.dropped)
    for vocabulary, (first, last) in published["semantic_rows"].items():
        sizes = model.target_queries.vocabularies
        assert first == 1 + sum(size for name, size in sizes.items() if name < vocabulary)
        assert last == first + sizes[vocabulary]


def small_clip(model, num_frames: int = 2):
    frames = [torch.randint(0, 255, (3, 64, 96)) for _ in range(num_frames)]
    return model.preprocess(frames).tensor


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_masks_of_attention_are_hard_also_in_half_precision(dtype):
    torch.manual_seed(0)
    model = build_model(load_config(CONFIGS / "toy" / "tarvis.yaml")).eval()
    exemplars = Exemplars(
        frames=torch.tensor([0]),
        masks=torch.rand(2, 1, 64, 128) < 0.1,
        points=torch.tensor([[0.3, 0.4]]),
        point_frames=torch.tensor([1]),
    )
    with torch.autocast("cpu", dtype=dtype):
        images = small_clip(model)
        features = model.encode(model.backbone(images), 2)
        heads = list(model.decode(features, model.target_queries.categories("TOY_VIS"), 2))
        objects = model.predict_objects(features, 2, exemplars)
    for head in heads:
        assert head.attention_mask.dtype == torch.bool
        assert head.mask_logits.isfinite().all() and head.class_logits.isfinite().all()
    assert objects.mask_logits.isfinite().all() and len(objects.mask_logits) == 3


@torch.no_grad()
def test_the_number_of_queries_of_an_object_is_a_setting_not_a_mode():
    torch.manual_seed(0)
    model = build_model(load_config(CONFIGS / "toy" / "tarvis.yaml"))
    features = model.encode(model.backbone(small_clip(model)), 2)
    masks = torch.rand(1, 1, 64, 128) < 0.1
    exemplars = Exemplars(torch.tensor([0]), masks, torch.zeros(0, 2), torch.zeros(0).long())
    for mode in (True, False):
        for parts in (4, 8):
            _, counts = model.train(mode).object_queries(features, [exemplars], 2, parts)
            assert counts == [parts]
    assert (model.parts_per_mask_in_training, model.parts_per_mask) == (4, 8)
