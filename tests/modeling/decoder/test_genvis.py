from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
import torch

from reference.object_models import (
    check_gradients,
    check_part,
    filled_object_module,
    object_config,
    recorded,
)
from univs.modeling.decoder.genvis import GenvisObjectModule


@pytest.mark.golden("genvis", "object_module_eval")
@torch.no_grad()
def test_a_video_clip_by_clip_equals_the_original(case):
    module = filled_object_module(case, GenvisObjectModule(object_config(case)))
    queries = case.tensor("frame_queries")  # 1 T fQ C
    bounds = pairwise(accumulate(case.meta["clip_lengths"], initial=0))
    prototypes, outputs, inputs = None, [], []
    for clip, (start, stop) in enumerate(bounds):
        inputs.append(module.read(prototypes, 1))
        output, prototypes = module(queries[:, start:stop], prototypes)
        check_part(case, f"clip{clip}_pred_fq_embed", output.frame_identities[None])
        outputs.append(output)
    check_part(case, "decoder_input", torch.cat(inputs))
    check_part(case, "output", torch.cat([output.decoded for output in outputs]))
    check_part(case, "pred_logits", torch.cat([output.final.class_logits for output in outputs]))
    embeddings = torch.cat([output.final.mask_embeddings for output in outputs])
    check_part(case, "pred_mask_embed", embeddings)
    check_part(case, "pred_cq_embed", torch.cat([output.final.identities for output in outputs]))
    check_part(case, "memory_k", prototypes.keys[0].movedim(1, 0))  # M Q C
    check_part(case, "memory_v", prototypes.values[0].movedim(1, 0))


@pytest.mark.golden("genvis", "object_module_train")
def test_gradients_through_the_memory_equal_the_original(case):
    config = object_config(case)
    module = filled_object_module(case, GenvisObjectModule(config)).train()
    queries = case.tensor("frame_queries").requires_grad_()  # L B T fQ C
    groups, num_frames = queries.shape[:2], queries.shape[2]
    clip_length = config.MODEL.GENVIS.LEN_CLIP_WINDOW
    prototypes, loss = None, 0.0
    for clip, start in enumerate(range(0, num_frames, clip_length)):
        frames = queries.flatten(0, 1)[:, start : start + clip_length]
        output, prototypes = module(frames, prototypes)
        heads = {f"aux{i}": head for i, head in enumerate(output.auxiliary)}
        for name, head in (heads | {"last": output.final}).items():
            logits, embeddings = head.class_logits, head.mask_embeddings
            check_part(case, f"clip{clip}_{name}_pred_logits", logits.unflatten(0, groups))
            check_part(case, f"clip{clip}_{name}_pred_mask_embed", embeddings.unflatten(0, groups))
            for part in (logits, embeddings, head.identities):
                loss = loss + part.square().mean()
        for name, memory in (("k", prototypes.keys), ("v", prototypes.values)):
            written = memory[:, :, -1].unflatten(0, groups)[None]
            check_part(case, f"clip{clip}_memory_{name}", written)
        check_part(case, f"clip{clip}_output", output.decoded.transpose(0, 1))
    case.check("loss", loss[None])
    loss.backward()
    check_part(case, "grad_frame_queries", queries.grad)
    check_gradients(case, module)


def small_module(memory_size: int = 0) -> GenvisObjectModule:
    torch.manual_seed(0)
    return GenvisObjectModule(
        memory_size=memory_size,
        in_channels=8,
        num_classes=3,
        hidden_dim=8,
        num_frame_queries=4,
        num_video_queries=5,
        nheads=2,
        dim_feedforward=16,
        enc_layers=1,
        dec_layers=2,
        window=0,
        pre_norm=False,
        mask_dim=8,
        enforce_input_project=True,
        deep_supervision=True,
        embeds_frames=True,
        embeds_video=True,
    ).eval()


def run(module: GenvisObjectModule, num_clips: int):
    torch.manual_seed(1)
    prototypes, outputs = None, []
    for clip in torch.randn(num_clips, 1, 2, 4, 8):
        output, prototypes = module(clip, prototypes)
        outputs.append(output.final.class_logits)
    return outputs, prototypes


@torch.no_grad()
def test_memory_is_bounded_and_the_bound_matters_beyond_it_only():
    unlimited, all_of_it = run(small_module(), 6)
    limited, prototypes = run(small_module(memory_size=4), 6)
    assert all_of_it.keys.shape[2] == 6 and prototypes.keys.shape[2] == 4
    for index in range(5):  # the clip after the fourth reads four clips
        torch.testing.assert_close(limited[index], unlimited[index])
    assert not torch.allclose(limited[5], unlimited[5])


@torch.no_grad()
def test_the_first_clip_begins_with_the_learned_queries():
    module = small_module()
    learned = module.query_feat.weight
    expected = learned + module.pre_query_embed_v(learned)
    torch.testing.assert_close(module.read(None, 2), expected.expand(2, -1, -1))


@torch.no_grad()
def test_a_query_reads_its_own_memory_only():
    module = small_module()
    _, prototypes = run(module, 3)
    before = module.read(prototypes, 1)
    prototypes.values[:, 2] += 1
    changed = (module.read(prototypes, 1) != before).any(-1)[0]
    assert changed.tolist() == [False, False, True, False, False]


@torch.no_grad()
def test_prototypes_are_not_changed_in_place():
    module = small_module()
    _, prototypes = run(module, 2)
    keys = prototypes.keys.clone()
    with recorded(module.pre_query_embed_k) as read:
        module(torch.randn(1, 1, 4, 8), prototypes)
    assert len(read) == 1
    assert torch.equal(prototypes.keys, keys)
