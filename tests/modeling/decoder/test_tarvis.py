from __future__ import annotations

import contextlib

import pytest
import torch
from torch.testing import assert_close

from reference.tarvis import check, decoder_blocks, filled, recorded, strided
from univs.modeling.decoder.tarvis import TarVisDecoder, merge_object_queries
from univs.modeling.decoder.tarvis_queries import Queries, TargetQueries

DECODER = "sem_seg_head.predictor."


def published_decoder() -> TarVisDecoder:
    decoder = TarVisDecoder(
        256, hidden_dim=256, nheads=8, dim_feedforward=2048, dec_layers=9, mask_dim=256
    )
    return filled(decoder, DECODER)


def groups_of(case, style: str) -> dict[str, int]:
    """The groups of both styles, from the sizes that the arrays tell."""
    num_queries = case.arrays["queries_init"].shape[1]
    num_instances, num_classes = case.arrays["vis/class_logits"].shape[1:]
    semantic = num_classes - 1
    background = num_queries - num_instances - semantic
    if style == "vis":
        return {"instance": num_instances, "background": background, "semantic": semantic}
    return {"background_vos": background, "vos": num_queries - background}


@pytest.mark.golden("tarvis", "decoder_isolated")
@torch.no_grad()
def test_every_layer_equals_the_original(case):
    decoder = published_decoder()
    maps = [
        case.tensor(name)[0].transpose(0, 1) for name in ("map32", "map16", "map8", "map4_mask")
    ]
    num_frames = len(maps[0])
    for style, step in (("vis", 1), ("vos", 3)):
        queries = Queries(
            states=case.tensor("queries_init"),
            embeddings=case.tensor("query_embed")[0],
            groups=groups_of(case, style),
        )
        with contextlib.ExitStack() as stack:
            seen = {
                name: stack.enter_context(recorded(layers))
                for name, layers in decoder_blocks(decoder).items()
            }
            heads = list(decoder(maps[:3], maps[3], queries, num_frames))

        results = {
            "queries": strided(torch.stack([head.queries[0] for head in heads]), 4),
            "mask_logits": torch.stack([head.mask_logits[0] for head in heads])[..., ::2, ::2],
        }
        for name, result in results.items():
            check(case, f"{style}/{name}", strided(result, step, 1))
        for index, head in enumerate(heads[:-1]):
            name = f"{style}/attn_keep_{index}"
            shape = case.meta["arrays"][name]["packed_shape"]
            check(case, name, ~head.attention_mask[0].view(shape))
        for name, outputs in seen.items():
            for layer, output in enumerate(outputs):
                if (array := f"{style}/layer{layer}_{name}") in case.arrays:
                    check(case, array, strided(output[0], 2))
        if style == "vis":
            logits = torch.stack([head.class_logits[0] for head in heads])
            check(case, "vis/class_logits", logits)
        else:
            assert all(head.class_logits is None for head in heads)


VOCABULARIES = {"ZOO": 3, "ANTS": 2, "MEN": 4}


def target_queries() -> TargetQueries:
    torch.manual_seed(0)
    return TargetQueries(
        embed_dim=16, num_instance_queries=5, num_background_queries=2, vocabularies=VOCABULARIES
    )


def test_class_rows_follow_the_alphabet():
    queries = target_queries()
    assert queries.class_rows("ANTS").tolist() == [1, 2]
    assert queries.class_rows("MEN").tolist() == [3, 4, 5, 6]
    assert queries.class_rows("ZOO", [2, 0]).tolist() == [9, 7]
    assert queries.semantic.shape == (10, 16)


@pytest.mark.parametrize(("vocabulary", "classes"), [("CATS", None), ("ANTS", [2]), ("ANTS", [-1])])
def test_unknown_classes_are_refused(vocabulary, classes):
    with pytest.raises(ValueError, match="ANTS"):
        target_queries().class_rows(vocabulary, classes)


def test_queries_of_a_group_share_their_embedding():
    table = target_queries()
    queries = table.categories("ZOO", batch_size=2)
    assert queries.groups == {"instance": 5, "background": 2, "semantic": 3}
    assert queries.states.shape == (2, 10, 16) and queries.embeddings.shape == (10, 16)
    where = queries.slices()
    assert where["semantic"] == slice(7, 10)
    assert_close(queries.embeddings[where["semantic"]], table.semantic[:1].expand(3, -1))
    assert_close(queries.states[1, where["semantic"]], table.semantic[7:])


def small_decoder() -> TarVisDecoder:
    torch.manual_seed(0)
    return TarVisDecoder(
        16, hidden_dim=16, nheads=2, dim_feedforward=32, dec_layers=4, mask_dim=16
    ).eval()


def maps(num_frames: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(num_frames, 16, 2 * s, 2 * s) for s in (1, 2, 4, 8)]


@torch.no_grad()
def test_background_is_the_first_class_and_the_best_of_its_queries():
    decoder, features = small_decoder(), maps(2)
    queries = target_queries().categories("MEN")
    *_, final = decoder(features[:3], features[3], queries, 2)
    assert final.class_logits.shape == (1, 5, 5)
    normed = decoder.decoder_norm(final.queries)[0]
    instance = decoder.class_proj["instance"](normed[:5])
    background = decoder.class_proj["background"](normed[5:7])
    assert_close(final.class_logits[0, :, 0], (instance @ background.T).amax(1))


@torch.no_grad()
def test_fewer_classes_keep_the_logits_of_initial_queries():
    decoder, features = small_decoder(), maps(1)
    table = target_queries()
    all_classes = next(decoder(features[:3], features[3], table.categories("ZOO"), 1))
    two = next(decoder(features[:3], features[3], table.categories("ZOO", [2, 0]), 1))
    assert_close(two.class_logits, all_classes.class_logits[..., [0, 3, 1]])


def test_objects_are_where_any_of_their_queries_is():
    logits = torch.arange(5.0).view(1, 5, 1, 1, 1)
    assert merge_object_queries(logits, [2, 1, 2]).flatten().tolist() == [1, 2, 4]


def test_memory_of_another_width_is_refused():
    with pytest.raises(ValueError, match="CONVS_DIM"):
        TarVisDecoder(8, hidden_dim=16, nheads=2, dim_feedforward=8, dec_layers=1, mask_dim=8)
