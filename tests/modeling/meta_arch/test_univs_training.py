from __future__ import annotations

import contextlib
import random
import re
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Instances
from reference import univs_original_quirks as quirks
from reference.cases import random_pinned
from reference.deterministic_weights import fill, tensor_for
from reference.models import CONFIGS, subsampled, unpack_bits
from univs.config import load_config
from univs.modeling.concepts import PUBLISHED_NUM_CONCEPTS
from univs.modeling.losses import UnivsMatcher, point_sampling
from univs.modeling.meta_arch.univs_training import ClipStep, UnivsTraining, clip_spans
from univs.modeling.prompts.text_features import TextFeatures

TEXT_DIM = 640


@pytest.fixture(scope="module")
def concept_table(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("concepts") / "table.pth"
    shape = (PUBLISHED_NUM_CONCEPTS, TEXT_DIM)
    torch.save(torch.from_numpy(tensor_for("clip_cls_text_emb", shape)), path)
    return str(path)


class StoredText:
    """The text features of a case, handed out in order."""

    def __init__(self, case, dtype: torch.dtype) -> None:
        self.case, self.dtype, self.used = case, dtype, 0

    def encode_expressions(self, expressions) -> TextFeatures:
        first, self.used = self.used, self.used + len(expressions)
        words, sentences = (
            self.case.tensor(f"text_{kind}").to(self.dtype) for kind in ("words", "sentence")
        )
        return TextFeatures(words[first : self.used], sentences[first : self.used])


def is_long(case) -> bool:
    return "SAMPLING_FRAME_VIDEO_NUM" in case.meta["config"]


def model_of(case, concept_table: str, dtype: torch.dtype):
    config = case.meta["config"]
    name = Path(config["config_file"]).name.removeprefix("univs_")
    cfg = load_config(
        CONFIGS / "univs" / name,
        ["MODEL.DEVICE", "cpu", "MODEL.UniVS.CLIP_CLASS_EMBED_PATH", concept_table],
    )
    # The cases of long videos have no teacher.
    cfg.MODEL.UniVS.EMA_ENABLED = False
    cfg.MODEL.UniVS.NUM_POS_QUERIES = config["NUM_POS_QUERIES"]
    cfg.INPUT.SAMPLING_FRAME_NUM = config["INPUT.SAMPLING_FRAME_NUM"]
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    options = cfg.MODEL.MASK_FORMER
    for key in (
        "NUM_OBJECT_QUERIES",
        "TRAIN_NUM_POINTS",
        "OVERSAMPLE_RATIO",
        "IMPORTANCE_SAMPLE_RATIO",
    ):
        options[key] = type(options[key])(config[key])
    model = fill(build_model(cfg)).train()
    with torch.no_grad():
        shape = (PUBLISHED_NUM_CONCEPTS, TEXT_DIM)
        table = torch.from_numpy(tensor_for("clip_cls_text_emb", shape))
        assert torch.equal(model.concepts.embeddings, table)
        bias = model.sem_seg_head.pixel_decoder.mask_features.bias
        bias.copy_(case.tensor("override_mask_features_bias"))
    model.training_step.text_encoder = StoredText(case, dtype)
    return model.to(dtype)


def batch_of(case) -> list[dict]:
    samples = []
    for index, video in enumerate(case.meta["videos"]):
        frames, packed, ids, classes = (
            case.tensor(f"{name}_{index}") for name in ("video", "masks", "ids", "classes")
        )
        masks = unpack_bits(packed, frames.shape[-1])
        instances = []
        for frame in range(len(frames)):
            instance = Instances(tuple(frames.shape[-2:]))
            instance.gt_masks = BitMasks(masks[:, frame])
            instance.gt_boxes = instance.gt_masks.get_bounding_boxes()
            instance.gt_ids = ids[:, frame]
            # Classes of cases count from 1.
            instance.gt_classes = torch.where((ids[:, frame] >= 0) & (classes > 0), classes - 1, -1)
            instances.append(instance)
        sample = {"image": list(frames), "instances": instances, "task": video["task"]}
        sample |= {"dataset_name": video["dataset"], "frame_indices": video["frames"]}
        samples.append(
            sample | {key: video[key] for key in ("expressions", "exp_obj_ids") if key in video}
        )
    return samples


@contextlib.contextmanager
def original_quirks(case):
    """Switch on what the original does otherwise, as far as the case has captured it."""
    captured = "Quirk captured on purpose" in case.meta["what"]
    with contextlib.ExitStack() as stack:
        if captured and case.meta["videos"][0]["task"] == "grounding":
            stack.enter_context(quirks.objects_taken_for_rows())
        elif captured:
            stored = sampler_calls(case, "prompt_tokens_pos")
            stack.enter_context(quirks.points_of(case, stored))
            stack.enter_context(quirks.features_in_order_of_kinds())
        if is_long(case):
            stack.enter_context(quirks.memory_without_time())
        yield


@contextlib.contextmanager
def recorded(kind: type, method: str):
    """What every call of a method returns."""
    results, original = [], getattr(kind, method)

    def recording(self, *arguments):
        results.append(original(self, *arguments))
        return results[-1]

    with mock.patch.object(kind, method, recording):
        yield results


def sampler_calls(case, array: str) -> list[str]:
    """Stored arrays of the prompts of each clip, without those of the memory of a long video."""
    names = [name for name in case.arrays if name.endswith(array)]
    names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    has_memory = len(names) > len(
        [name for name in case.arrays if name.endswith("final_mask_logits")]
    )
    return names[:1] + names[2:] if has_memory else names


def prompts_first(tensor: Tensor) -> Tensor:
    """``(B, T, P, ..., C)`` as cases have it, ``(P, ..., B * T, C)``."""
    return tensor.flatten(0, 1).transpose(0, 1).movedim(1, -2)


def check_prompts(case, queries, prefix: str) -> None:
    stored = case.arrays[f"{prefix}prompt_queries"]
    case.check(f"{prefix}prompt_queries", subsampled(prompts_first(queries.content), stored))
    frames = queries.content.shape[1]
    for name, tokens in (
        ("prompt_tokens", queries.tokens),
        ("prompt_tokens_pos", queries.token_positions),
    ):
        if tokens is not None:
            tokens = prompts_first(tokens.expand(-1, frames, -1, -1, -1))
            case.check(prefix + name, subsampled(tokens, case.arrays[prefix + name]))


def check_step(case, step: ClipStep, prefix: str) -> None:
    final = step.output.final
    # The original divides similarities to sentences, which nothing is made of, by 256 in training.
    is_text = final.class_logits.shape[-1] < PUBLISHED_NUM_CONCEPTS
    logits = final.class_logits / 256 if is_text else final.class_logits
    for name, actual in (
        ("mask_logits", final.mask_logits),
        ("class_logits", logits),
        ("query_embeddings", final.queries),
    ):
        name = f"{prefix}final_{name}"
        case.check(name, subsampled(actual, case.arrays[name]))


# Points are chosen by rank and attention is masked by sign. Where the choice hangs on less than
# float32 resolves, the same mathematics may decide otherwise, so a case may be met in float64 as
# well, where position encodings still are float32: the last point that is chosen and the first
# that is not may change places if they differ by less than this.
_TIE = 2e-7
ATTEMPTS = ((torch.float32, False), (torch.float64, False), (torch.float64, True))


@contextlib.contextmanager
def ties_the_other_way():
    """Exchange the last point that is chosen and the first that is not if they are almost tied."""
    choose = point_sampling.points_by_uncertainty

    def exchanging(uncertainty, num_maps, num_points, oversample, share, *, device):
        def exchanged(candidates: Tensor) -> Tensor:
            values = uncertainty(candidates)
            count = int(share * num_points)
            top = values.topk(count + 1, dim=1)
            last, first = top.indices[:, -2:].unbind(1)
            tied = (top.values[:, -2] - top.values[:, -1] < _TIE).nonzero().flatten()
            swapped = values.clone()
            swapped[tied, last[tied]] = values[tied, first[tied]]
            swapped[tied, first[tied]] = values[tied, last[tied]]
            return swapped

        return choose(exchanged, num_maps, num_points, oversample, share, device=device)

    with mock.patch.object(point_sampling, "points_by_uncertainty", exchanging):
        yield


@pytest.mark.slow
@pytest.mark.golden("univs", "r50_train", "r50_stage3")
def test_a_training_step_equals_the_original(case, concept_table):
    failures = []
    for dtype, exchanges_ties in ATTEMPTS:
        model = model_of(case, concept_table, dtype)
        with ties_the_other_way() if exchanges_ties else contextlib.nullcontext():
            try:
                check_training_step(case, model)
                return
            except AssertionError as failure:
                failures.append(failure)
    raise failures[0]


def check_training_step(case, model) -> None:
    masks_only = case.name.endswith("_masks_only")
    with (
        recorded(UnivsTraining, "step") as steps,
        recorded(UnivsMatcher, "__call__") as matches,
        original_quirks(case),
        random_pinned(masks_only=masks_only),
    ):
        losses = model(batch_of(case))

    calls = sampler_calls(case, "prompt_queries")
    for index, step in enumerate(steps):
        check_step(case, step, f"clip{index}_" if is_long(case) else "")
        check_prompts(case, step.output.prompts, calls[index].removesuffix("prompt_queries"))
    # Cases match the final head first.
    heads = [head for clip in matches for head in [clip[-1], *clip[:-1]]]
    for index, clips in enumerate(heads):
        for clip, pair in enumerate(clips):
            case.check(f"match_{index}_{clip}", torch.stack(pair))

    names = case.meta["loss_names"]
    assert sorted(losses) == sorted(names)
    case.check("losses", torch.stack([losses[name] for name in names]))
    total = sum(losses.values())
    case.check("total", total)
    total.backward()
    parameters = dict(model.named_parameters())
    gradients = [parameters[name].grad for name in case.meta["parameter_names"]]
    norms = [total.new_tensor(-1.0) if grad is None else grad.norm() for grad in gradients]
    case.check("grad_norms", torch.stack(norms))
    for array, expected in case.arrays.items():
        kind, _, name = array.partition("::")
        if kind == "grad":
            case.check(array, parameters[name].grad.flatten()[: len(expected)])


@pytest.mark.parametrize(
    ("frames", "length", "spans"),
    [
        (7, 5, [(0, 5), (2, 7)]),
        (5, 3, [(0, 3), (2, 5)]),
        (5, 5, [(0, 5)]),
        (4, 1, [(0, 1), (1, 2), (2, 3), (3, 4)]),
        (10, 4, [(0, 4), (3, 7), (6, 10)]),
    ],
)
def test_clips_cover_a_video(frames, length, spans):
    assert clip_spans(frames, length) == spans


def test_a_video_shorter_than_a_clip_is_refused():
    with pytest.raises(ValueError, match="SAMPLING_FRAME_VIDEO_NUM"):
        clip_spans(3, 5)


@pytest.fixture(scope="module")
def toy_config(tmp_path_factory):
    """A UniVS model so small that it trains in a moment, with made-up text features."""
    classes = [["fish", ["shark", "ray", "eel"]]]
    cfg = load_config(
        CONFIGS / "univs" / "r50_stage2.yaml",
        ["MODEL.DEVICE", "cpu", "MODEL.UniVS.TEXT_ENCODER", "hashed", "MODEL.UniVS.TEXT_DIM", 16],
    )
    cfg.MODEL.UniVS.CONCEPTS = classes
    cfg.MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE = 4
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.SEM_SEG_HEAD.CONVS_DIM = cfg.MODEL.SEM_SEG_HEAD.MASK_DIM = 32
    cfg.MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS = 1
    options = cfg.MODEL.MASK_FORMER
    options.HIDDEN_DIM, options.DIM_FEEDFORWARD, options.NUM_OBJECT_QUERIES = 32, 32, 5
    options.DEC_LAYERS, options.TRAIN_NUM_POINTS = 3, 40
    cfg.INPUT.SAMPLING_FRAME_NUM = 2
    return cfg


def toy_sample(task: str, num_frames: int, num_objects: int = 3) -> dict:
    instances = []
    for _ in range(num_frames):
        instance = Instances((64, 96))
        masks = torch.zeros(num_objects, 64, 96, dtype=torch.bool)
        for index in range(num_objects):
            masks[index, 5 + index : 40, 8 * index : 8 * index + 40] = True
        instance.gt_masks = BitMasks(masks)
        instance.gt_boxes = instance.gt_masks.get_bounding_boxes()
        instance.gt_ids = torch.arange(num_objects)
        instance.gt_classes = torch.arange(num_objects) % 3
        instances.append(instance)
    frames = [torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8) for _ in range(num_frames)]
    sample = {"image": frames, "instances": instances, "frame_indices": list(range(num_frames))}
    sample |= {"task": task, "domain": "fish" if task == "detection" else None}
    sample |= {"dataset_name": "toy", "expressions": ["the eel"] * num_objects}
    return sample | {"exp_obj_ids": list(range(num_objects))}


@pytest.fixture(scope="module", params=["UniVS_Prompt", "UniVS_Prompt_LongVideo"])
def toy_model(request, toy_config):
    torch.manual_seed(0)
    cfg = toy_config.clone()
    cfg.MODEL.META_ARCHITECTURE = request.param
    cfg.MODEL.UniVS.EMA_ENABLED = True
    return build_model(cfg).train()


def toy_batch(model, task: str, **options) -> list[dict]:
    if hasattr(model, "clip_length"):
        return [toy_sample(task, 5, **options)]
    return [toy_sample(task, 2, **options), toy_sample(task, 2, num_objects=1)]


@pytest.mark.parametrize("task", ["detection", "sot", "grounding"])
def test_each_task_trains_what_it_should(toy_model, task):
    toy_model.zero_grad(set_to_none=True)
    torch.manual_seed(2)  # detection is prompted by categories
    sum(toy_model(toy_batch(toy_model, task)).values()).backward()
    predictor = toy_model.sem_seg_head.predictor

    def is_trained(name: str) -> bool:
        return predictor.get_parameter(f"{name}.weight").grad is not None

    assert is_trained("vis2text_projection") == is_trained("cls_temp") == (task == "detection")
    assert is_trained("text2vis_projection") == (task in ("detection", "grounding"))
    for prompt in ("detection", "sot", "grounding"):
        assert is_trained(f"prompt_{prompt}") == (task == prompt)
    assert is_trained("mask_embed.layers.0") and not is_trained("reid_temp")
    assert not any(p.grad is not None for p in toy_model.sem_seg_head_t.parameters())


@pytest.mark.parametrize("task", ["detection", "sot", "grounding"])
def test_a_batch_without_objects_can_be_trained(toy_model, task):
    toy_model.zero_grad(set_to_none=True)
    batch = [
        sample | {"instances": toy_sample(task, len(sample["image"]), num_objects=0)["instances"]}
        for sample in toy_batch(toy_model, task, num_objects=0)
    ]
    batch = [sample | {"expressions": [], "exp_obj_ids": []} for sample in batch]
    total = sum(toy_model(batch).values())
    total.backward()
    assert total == 0


@pytest.mark.parametrize("task", ["detection", "sot", "grounding"])
def test_mixed_precision_trains(toy_model, task):
    toy_model.zero_grad(set_to_none=True)
    torch.manual_seed(2)
    with torch.autocast("cpu", torch.bfloat16):
        losses = toy_model(toy_batch(toy_model, task))
    total = sum(losses.values())
    total.backward()
    assert total.isfinite() and all(loss.dtype == torch.float32 for loss in losses.values())


def test_the_same_seed_gives_the_same_losses(toy_model):
    batch = toy_batch(toy_model, "sot")
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        random.seed(3)
        runs.append(torch.stack(list(toy_model(batch).values())))
    assert torch.equal(*runs)


def test_the_teacher_is_moved_before_every_step(toy_model):
    teacher = toy_model.sem_seg_head_t.predictor.query_feat.weight
    with torch.no_grad():
        toy_model.sem_seg_head.predictor.query_feat.weight += 1
    gap = (toy_model.sem_seg_head.predictor.query_feat.weight - teacher).detach()
    before = teacher.clone()
    toy_model(toy_batch(toy_model, "sot"))
    torch.testing.assert_close(teacher - before, gap * 1e-4, atol=1e-6, rtol=0.02)


def test_long_videos_come_one_at_a_time(toy_config):
    cfg = toy_config.clone()
    cfg.MODEL.META_ARCHITECTURE = "UniVS_Prompt_LongVideo"
    model = build_model(cfg).train()
    with pytest.raises(ValueError, match="IMS_PER_BATCH"):
        model([toy_sample("sot", 3), toy_sample("sot", 3)])
