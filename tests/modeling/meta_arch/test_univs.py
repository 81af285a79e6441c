from __future__ import annotations

import re

import pytest
import torch

from detectron2.modeling import build_model
from reference.cases import manifest, random_pinned
from reference.models import CONFIGS, subsampled, unpack_bits
from reference.univs_models import univs_config_file, univs_model, write_concept_table
from univs.config import load_config
from univs.modeling.prompts.prompt_types import CategoryPrompts, ExpressionPrompts

TOY = (
    "MODEL.DEVICE", "cpu",
    "MODEL.BACKBONE.NAME", "SmallCNN",
    "MODEL.SEM_SEG_HEAD.CONVS_DIM", 32,
    "MODEL.SEM_SEG_HEAD.MASK_DIM", 32,
    "MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS", 1,
    "MODEL.MASK_FORMER.HIDDEN_DIM", 32,
    "MODEL.MASK_FORMER.NHEADS", 2,
    "MODEL.MASK_FORMER.DIM_FEEDFORWARD", 64,
    "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", 6,
    "MODEL.MASK_FORMER.DEC_LAYERS", 4,
    "MODEL.UniVS.TEXT_ENCODER", "hashed",
    "MODEL.UniVS.TEXT_DIM", 24,
    "MODEL.UniVS.CONCEPTS", [["shapes", ["circle", "square", "ring"]], ["stuff", ["sky"]]],
)  # fmt: skip


@pytest.fixture(scope="module")
def concept_table(tmp_path_factory):
    return write_concept_table(tmp_path_factory.mktemp("concepts") / "table.pth")


def toy_model(*options, stage=2):
    torch.manual_seed(0)
    cfg = load_config(CONFIGS / "univs" / f"r50_stage{stage}.yaml", [*TOY, *options])
    return build_model(cfg).eval()


def toy_frames(count=2):
    generator = torch.Generator().manual_seed(0)
    return [255 * torch.rand(3, 60, 90, generator=generator) for _ in range(count)]


def check_stored(case, **outputs: torch.Tensor) -> None:
    """Compare the outputs that the case has an array of."""
    for name, actual in outputs.items():
        if name in case.arrays:
            case.check(name, subsampled(actual, case.arrays[name]))


def stored_heads(case) -> list[int]:
    return sorted(int(name[10:]) for name in case.arrays if name.startswith("attn_mask_"))


@pytest.mark.golden("univs", "r50_eval_learnable", "r50_eval_category", "r50_eval_text")
@torch.no_grad()
def test_every_prediction_head_equals_the_original(case, concept_table):
    model = univs_model(case, concept_table)
    targets = case.meta["config"]["targets"]
    video = case.tensor("video").float()
    indices = targets.get("frame_indices")
    indices = indices if isinstance(indices, list) else range(len(video))
    features = model.encode_frames(list(video))
    check_stored(case, mask_features=features.mask_features, multi_scale_0=features.multi_scale[0])
    prompts = None
    if targets["task"] == "grounding":
        words = case.tensor("in_exp_word_feats")
        prompts = ExpressionPrompts(words[None], case.tensor("in_exp_sentence_feats")[None])
    elif targets["prompt_type"] == "text":
        prompts = model.category_prompts(targets["dataset_name"].split()[0])
    output = model.sem_seg_head.predictor(
        model.clip_memory(features, torch.tensor(list(indices))),
        features.mask_features,
        prompts,
        keep_auxiliary=True,
    )
    if prompts is not None:
        check_stored(
            case,
            prompt_queries=output.prompts.content[0].transpose(0, 1),
            prompt_query_pos=output.prompts.position[0].transpose(0, 1),
            prompt_tokens=output.prompts.tokens[0].permute(1, 2, 0, 3),
        )
    assert stored_heads(case)
    for index in stored_heads(case):
        head = output.heads[index]
        packed = case.tensor(f"attn_mask_{index}")
        blocked = unpack_bits(packed, head.attention_mask.shape[-1])
        assert torch.equal(head.attention_mask[0], blocked), f"attention mask of head {index}"
        outputs = {
            "class_logits": head.class_logits,
            "mask_logits": head.mask_logits,
            "query_embeddings": head.queries,
            "reid": head.prompt_similarity,
        }
        check_stored(case, **{f"{name}_{index}": actual for name, actual in outputs.items()})


def vos_masks(case, clip: int, first_frames: torch.Tensor, length: int) -> dict[int, torch.Tensor]:
    """Masks of the frames before and in the clip, as the original knew them when it began.

    The state is stored at half resolution, which is all that prompts see of it.
    """
    given = unpack_bits(case.tensor("object_masks"), case.arrays["video"].shape[-1])
    if clip == 0:
        return {0: given & (first_frames == 0)[:, None, None]}
    state = case.tensor(f"clip{clip - 1}_state_mask_logits") > 0
    state = state.repeat_interleave(2, 2).repeat_interleave(2, 3)
    masks = {clip - 1 + frame: state[:, frame].clone() for frame in range(length)}
    for target, frame in enumerate(first_frames.tolist()):
        if frame in masks:
            masks[frame][target] = given[target]
    return masks


@pytest.mark.golden("univs", "r50_eval_visual_vos")
@torch.no_grad()
def test_prompt_memory_and_predictions_of_a_video_equal_the_original(case, concept_table):
    model = univs_model(case, concept_table)
    video = case.tensor("video").float()
    length = case.meta["config"]["INPUT.SAMPLING_FRAME_NUM"]
    last = case.meta["num_clips"] - 1
    first_frames = case.tensor(f"clip{last}_first_appear")
    prompt_memory = model.prompt_memory()
    prompt_memory.add(first_frames)
    features = model.encode_frames(list(video))
    with random_pinned():
        for clip in range(last + 1):
            frames = slice(clip, clip + length)
            part = type(features)(
                mask_features=features.mask_features[frames],
                multi_scale=[maps[frames] for maps in features.multi_scale],
                finest=features.finest[frames],
            )
            memory = model.clip_memory(part, range(len(video))[frames])
            prompts = prompt_memory.update(
                memory,
                clip,
                length if clip == 0 else 1,
                vos_masks(case, clip, first_frames, length),
            )
            output = model.sem_seg_head.predictor(memory, part.mask_features, prompts)
            own = output.prompts
            for name, actual in (
                ("prompt_queries", own.content[0].transpose(0, 1)),
                ("prompt_query_pos", own.position[0].transpose(0, 1)),
                ("prompt_tokens", own.tokens[0].expand(length, -1, -1, -1).permute(1, 2, 0, 3)),
                (
                    "prompt_tokens_pos",
                    own.token_positions[0].expand(length, -1, -1, -1).permute(1, 2, 0, 3),
                ),
                ("memory_feats", prompt_memory.features.transpose(1, 2)),
                ("memory_pe", prompt_memory.positions.transpose(1, 2)),
                ("class_logits", output.final.class_logits),
                ("mask_logits", output.final.mask_logits),
                ("query_embeddings", output.final.queries),
            ):
                name = f"clip{clip}_{name}"
                case.check(name, subsampled(actual, case.arrays[name]))


@pytest.mark.parametrize("name", [name for name in manifest("univs") if "stage" in name])
def test_names_and_shapes_equal_the_published_model(name, concept_table):
    published = manifest("univs")[name]
    names = published["state_dict"]
    if isinstance(names, str):  # "as univs_r50_stage2, plus a second copy ..."
        student = manifest("univs")[re.match(r"as (\w+),", names)[1]]["state_dict"]
        teacher = {re.sub(r"^(\w+)\.", r"\1_t.", key): shape for key, shape in student.items()}
        names = student | teacher
    overrides = ["MODEL.DEVICE", "meta", "MODEL.UniVS.CLIP_CLASS_EMBED_PATH", str(concept_table)]
    config = load_config(univs_config_file(published["config_file"]), overrides)
    config.MODEL.BACKBONE.FREEZE_AT = 5  # as the published files, not the published commands, say
    with torch.device("meta"):
        model = build_model(config)
    assert {key: list(tensor.shape) for key, tensor in model.state_dict().items()} == names
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable == published["num_trainable"]


def test_prompts_frames_and_their_numbers_change_from_call_to_call():
    model = toy_model()
    for frames, prompts, count in (
        (2, None, 0),
        (1, model.category_prompts("shapes"), 3),
        (3, model.expression_prompts(["the red circle", "a ring"]), 2),
        (2, CategoryPrompts(torch.zeros(1, 0, dtype=torch.int64)), 0),
        # More than MODEL.UniVS.NUM_POS_QUERIES, which counts in training only.
        (2, model.expression_prompts(["a ring"] * 33), 33),
    ):
        clip = model.predict_clip(toy_frames(frames), prompts=prompts)
        assert clip.num_learnable == 6
        assert clip.mask_logits.shape == (6 + count, frames, 16, 24)
        assert clip.queries.shape == (6 + count, frames, 32)


def test_without_prompts_evaluation_predicts_one_clip_per_sample():
    model = toy_model()
    clips = model([{"image": toy_frames()}, {"image": toy_frames(), "frame_indices": [4, 5]}])
    assert [clip.class_logits.shape for clip in clips] == [(6, 4), (6, 4)]
    assert not torch.equal(clips[0].class_logits, clips[1].class_logits)  # time is encoded


def test_frames_alone_and_together_have_the_same_features():
    model = toy_model()
    frames = toy_frames(3)
    together = model.encode_frames(frames)
    alone = model.encode_frames(frames[1:2])
    torch.testing.assert_close(together.mask_features[1:2], alone.mask_features)


def test_the_same_seed_gives_the_same_masks():
    model = toy_model()
    features = model.encode_frames(toy_frames())
    clip = model.clip_memory(features, range(2))
    whole_frame = torch.ones(1, 64, 96, dtype=torch.bool)  # more cells than tokens

    def masks(seed: int) -> torch.Tensor:
        memory = model.prompt_memory(torch.Generator().manual_seed(seed))
        memory.add(torch.tensor([0]))
        prompts = memory.update(clip, start=0, num_new=1, masks={0: whole_frame})
        return model.decode(clip, features.mask_features, prompts).mask_logits

    assert torch.equal(masks(1), masks(1))
    assert not torch.equal(masks(1), masks(2))


@pytest.mark.parametrize("which", ["teacher", "student"])
def test_inference_uses_the_chosen_copy(which):
    model = toy_model("MODEL.UniVS.EMA_INFERENCE", which, stage=3)
    before = model.predict_clip(toy_frames()).mask_logits
    changed = model.sem_seg_head_t if which == "teacher" else model.sem_seg_head
    with torch.no_grad():
        changed.predictor.query_feat.weight += 1
    assert not torch.equal(model.predict_clip(toy_frames()).mask_logits, before)
    other = model.sem_seg_head if which == "teacher" else model.sem_seg_head_t
    with torch.no_grad():
        other.predictor.query_feat.weight += 1
        changed.predictor.query_feat.weight -= 1
    torch.testing.assert_close(model.predict_clip(toy_frames()).mask_logits, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.UniVS.EMA_INFERENCE", "both"], "EMA_INFERENCE must be teacher or student"),
        (["MODEL.UniVS.TEXT_ENCODER", "RN51"], "CLIP_CLASS_EMBED_PATH: there is no file"),
        (["MODEL.UniVS.CONCEPTS", []], "hashed needs MODEL.UniVS.CONCEPTS"),
        (["MODEL.UniVS.MASKDEC_SELF_ATTN_MASK_TYPE", "p2l-alpha"], "must be one of sep"),
        (["MODEL.UniVS.POSITION_EMBEDDING_SINE3D", "Fixed"], "must be one of ArbitraryT"),
        (["MODEL.UniVS.PROMPT_SELF_ATTN_LAYERS", 9], "from 1 to 3"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        toy_model(*options)


def test_an_unknown_class_list_is_named():
    with pytest.raises(ValueError, match="no classes of 'coco'; it has those of shapes, stuff"):
        toy_model().category_prompts("coco")
