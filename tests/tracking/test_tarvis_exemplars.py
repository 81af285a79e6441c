from __future__ import annotations

import pytest
import torch

from reference.tarvis import check, filled_model, frames, recorded, strided
from univs.modeling.prompts.tarvis_object_encoder import mean_by_owner
from univs.tracking.tarvis_exemplars import (
    GivenObject,
    ObjectMemory,
    hide_before_reference,
    objects_of_clip,
)


def given_objects(case) -> list[GivenObject]:
    """All objects of a case; masks at the size of the images, points relative to them."""
    columns = (case.arrays[name].tolist() for name in ("instance_ids", "ref_frame_indices"))
    given = []
    for index, (object_id, frame) in enumerate(zip(*columns, strict=True)):
        if "ref_masks" in case.arrays:
            mask = case.tensor("ref_masks")[index].bool()
            given.append(GivenObject(object_id, frame, mask=mask))
        else:
            y, x = case.arrays["ref_points"][index].tolist()
            given.append(GivenObject(object_id, frame, point=(x, y)))
    return given


def encoder_inputs(model, features, exemplars) -> dict[str, torch.Tensor]:
    """What the object encoder starts with, under the names of the cases."""
    encoder, parts = model.object_encoder, model.parts_per_mask
    tokens = encoder.mask_tokens(features.mask_features, exemplars, parts)
    num_queries = encoder.num_background_queries + len(exemplars.masks) * parts
    counts = torch.zeros(num_queries).index_add(0, tokens.owners, tokens.weights)
    results = {
        "encoder_ref_masks": exemplars.masks,
        "mask_query_inits": mean_by_owner(tokens, num_queries),
        "points_per_mask": counts.long(),
    }
    if len(exemplars.points):
        maps = [*features.multi_scale, features.mask_features]
        states, tokens = encoder.point_tokens(maps, exemplars, num_queries)
        num_points = len(states)
        results |= {
            "point_coords_padded": exemplars.points.flip(1),
            "point_query_inits": states,
            "point_tokens": tokens.features.unflatten(0, (-1, num_points)).transpose(0, 1),
            "point_pos_embed": tokens.positions[:num_points],
        }
    return results


@pytest.mark.slow
@pytest.mark.golden("tarvis", "vos", "pet")
@torch.no_grad()
def test_objects_of_successive_clips_equal_the_original(case):
    model = filled_model(case)
    encoder = model.object_encoder
    given, memory = given_objects(case), ObjectMemory()
    clips, height, width = case.meta["clips"], *case.arrays["images"].shape[2:4]
    names = list(clips)
    for name, after in zip(names, [*names[1:], None], strict=True):
        expected, (first, last) = clips[name], clips[name]["frames"]
        clip = range(first, last + 1)
        images = model.preprocess(frames(case, first, last)).tensor
        features = model.encode(model.backbone(images), len(clip))
        objects = objects_of_clip(
            memory,
            [thing for thing in given if thing.frame in clip],
            clip,
            input_size=(height, width),
            padded_size=tuple(images.shape[-2:]),
            device=images.device,
        )
        assert objects.ids == expected["instance_ids"]
        assert objects.lost == expected["lost_instance_ids"]
        results = {
            "map4_mask": strided(features.mask_features, 16, 1),
            **encoder_inputs(model, features, objects.exemplars),
        }
        layers = zip(
            encoder.self_attn_layers, encoder.cross_attn_layers, encoder.ffn_layers, strict=True
        )
        with recorded(block for layer in layers for block in layer) as outputs:
            queries, counts = model.object_queries(
                features, [objects.exemplars], len(clip), model.parts_per_mask
            )
        assert counts == expected["object_query_counts"]
        assert queries.groups == expected["query_groups"]
        for index, output in enumerate(outputs):
            block = ("self", "cross", "ffn")[index % 3]
            output = output.reshape(-1, output.shape[-1])
            results[f"encoder_layer{index // 3}_{block}"] = strided(output, 8)
        results["refined_queries"] = queries.states[0]
        heads = list(model.decode(features, queries, len(clip)))
        for index, head in enumerate(heads[:-1]):
            shape = case.meta["arrays"][f"{name}/attn_keep_{index}"]["packed_shape"]
            results[f"attn_keep_{index}"] = ~head.attention_mask[0].view(shape)
        masks = torch.stack([head.mask_logits[0] for head in heads])[:, ::3, ..., ::2, ::2]
        results["mask_logits_layers"] = masks
        prediction = model.predict_objects(features, len(clip), objects.exemplars)
        results["pred_background_logits"] = prediction.background_logits[..., ::2, ::2]
        references = {thing.id: thing.frame for thing in given}
        logits = hide_before_reference(prediction.mask_logits, objects.ids, references, clip)
        results["pred_vos_logits"] = logits

        stored = [
            array.partition("/")[2]
            for array in case.arrays
            if array.startswith(f"{name}/") and "note" not in array
        ]
        assert set(stored) <= results.keys()
        for array in sorted(stored, key=list(results).index):
            check(case, f"{name}/{array}", results[array])
        if after is not None:
            overlap = last + 1 - clips[after]["frames"][0]
            memory.update(clip, objects.ids, logits, overlap)


SIZES = {"input_size": (64, 96), "padded_size": (64, 128), "device": torch.device("cpu")}


def remembered(*masks: tuple[int, int, int]) -> ObjectMemory:
    """Objects (id, first row, last row) in frames 2 and 3 of a clip."""
    memory = ObjectMemory()
    logits = torch.full((len(masks), 4, 16, 32), -1.0)
    for object_logits, (_, first, last) in zip(logits, masks, strict=True):
        object_logits[:, first:last] = 1.0
    memory.update(range(4), [object_id for object_id, _, _ in masks], logits, 2)
    return memory


def rectangle() -> torch.Tensor:
    mask = torch.zeros(64, 96, dtype=torch.bool)
    mask[10:20, 10:20] = True
    return mask


def test_nothing_given_and_nothing_remembered_is_no_clip():
    objects = objects_of_clip(ObjectMemory(), [], range(4), **SIZES)
    assert objects.exemplars is None and objects.ids == objects.lost == []


def test_objects_come_in_order_and_vanished_ones_are_lost():
    memory = remembered((5, 0, 8), (7, 3, 3), (2, 8, 16))
    given = [
        GivenObject(4, 5, point=(0.5, 0.5)),
        GivenObject(9, 4, mask=rectangle()),
    ]
    objects = objects_of_clip(memory, given, range(2, 6), **SIZES)
    assert objects.ids == [5, 2, 9, 4] and objects.lost == [7]
    assert objects.exemplars.frames.tolist() == [0, 1, 2, 3]
    assert objects.exemplars.masks.flatten(2).any(2).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, False],
    ]
    assert objects.exemplars.points.tolist() == [[0.375, 0.5]]
    assert objects.exemplars.point_frames.tolist() == [3]


def test_a_point_gives_way_to_the_predicted_mask_of_its_object():
    given = [GivenObject(5, 3, point=(0.5, 0.5)), GivenObject(7, 3, point=(0.5, 0.5))]
    objects = objects_of_clip(remembered((5, 0, 8), (7, 3, 3)), given, range(2, 6), **SIZES)
    assert objects.ids == [5, 7] and objects.lost == []
    assert len(objects.exemplars.masks) == len(objects.exemplars.points) == 1


def test_an_object_without_a_pixel_in_its_own_frame_is_lost():
    given = [GivenObject(3, 0, mask=torch.zeros(64, 96, dtype=torch.bool))]
    objects = objects_of_clip(ObjectMemory(), given, range(4), **SIZES)
    assert objects.exemplars is None and objects.lost == [3]


def test_a_given_mask_replaces_the_prediction_in_its_frame_only():
    given = [GivenObject(5, 3, mask=rectangle())]
    objects = objects_of_clip(remembered((5, 0, 8)), given, range(2, 6), **SIZES)
    assert objects.exemplars.masks[0].flatten(1).sum(1)[1] == 100
    assert objects.exemplars.masks[0, 0].sum() > 100


def test_objects_are_hidden_before_they_are_given():
    logits = hide_before_reference(torch.ones(2, 3, 1, 1), [5, 6], {5: 4, 6: 0}, range(3, 6))
    assert logits.flatten(1).tolist() == [[-1000, 1, 1], [1, 1, 1]]


def test_a_point_in_a_new_frame_replaces_what_is_known_of_its_object():
    given = [GivenObject(5, 4, point=(0.5, 0.5))]
    objects = objects_of_clip(remembered((5, 0, 8), (7, 0, 8)), given, range(2, 6), **SIZES)
    assert objects.ids == [7, 5] and objects.lost == []
    assert len(objects.exemplars.masks) == len(objects.exemplars.points) == 1
    assert objects.exemplars.point_frames.tolist() == [2]


@pytest.mark.parametrize(("mask_frame", "num_masks"), [(1, 0), (3, 1)])
def test_the_later_of_a_mask_and_a_point_counts(mask_frame, num_masks):
    given = [GivenObject(5, mask_frame, mask=rectangle()), GivenObject(5, 2, point=(0.5, 0.5))]
    objects = objects_of_clip(ObjectMemory(), given, range(4), **SIZES)
    assert objects.ids == [5] and objects.lost == []
    assert len(objects.exemplars.masks) == num_masks
    assert len(objects.exemplars.points) == 1 - num_masks


def test_forgotten_objects_are_not_followed():
    memory = remembered((5, 0, 8), (7, 0, 8))
    memory.forget(5)
    memory.forget(6)
    assert objects_of_clip(memory, [], range(2, 6), **SIZES).ids == [7]
    memory.forget(7)
    assert objects_of_clip(memory, [], range(2, 6), **SIZES).exemplars is None
