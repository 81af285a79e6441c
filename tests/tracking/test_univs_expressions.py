from __future__ import annotations

import numpy as np
import pytest
import torch

from reference.small_univs import Runner, follow, noise_video, small_univs_model
from reference.univs_object_procedure import segment_expressions
from univs.structures import MaskTarget, TextTarget
from univs.tracking.univs_expressions import ExpressionTask

TEXTS = ["the red circle", "a ring", "the largest square on the left"]


@pytest.fixture(scope="module")
def model():
    return small_univs_model()


def task_of(model, *texts: str, frame: int = 0, **options) -> ExpressionTask:
    task = ExpressionTask(model.expression_prompts, published=True, **options)
    for index, text in enumerate(texts):
        target = TextTarget(id=index + 1, text=text, frame_index=frame)
        task.add_target(target, next_start=0)
    return task


def masks_of(result) -> np.ndarray:
    return np.stack([track.masks() for track in result.tracks])


@pytest.mark.parametrize("threshold", [0.5, 0.9999])
def test_masks_of_expressions_equal_the_plain_procedure(model, threshold):
    task = task_of(model, *TEXTS, consistency_threshold=threshold)
    actual = masks_of(follow(model, task, noise_video(8), clip_length=3))
    expected = segment_expressions(
        model, noise_video(8), TEXTS, clip_length=3, consistency_threshold=threshold
    )
    np.testing.assert_array_equal(actual, expected)
    assert (actual.sum(0) > 1).any()  # they may overlap


def test_any_number_of_expressions_gives_each_the_masks_that_it_has_alone(model):
    texts = [f"ring number {index}" for index in range(33)]
    together = masks_of(follow(model, task_of(model, *texts), noise_video(4), clip_length=3))
    for index in (0, 29, 30, 32):
        alone = follow(model, task_of(model, texts[index]), noise_video(4), clip_length=3)
        assert (masks_of(alone)[0] == together[index]).mean() > 0.999  # batches round differently


def test_expressions_come_and_go(model):
    task = task_of(model, TEXTS[0])
    runner = Runner(model, task, clip_length=3)
    runner.push(noise_video(12)[:6])
    late = TextTarget(id=7, text=TEXTS[1], frame_index=8)
    task.add_target(late, next_start=runner.next_start)
    task.remove_target(1)
    runner.push(noise_video(12)[6:])
    first, second = runner.finish().tracks
    assert max(first.visible_frames) < 4
    assert min(second.visible_frames) == 8
    known = follow(model, task_of(model, TEXTS[1], frame=8), noise_video(12), clip_length=3)
    np.testing.assert_array_equal(known.tracks[0].masks(), second.masks())


def test_an_expression_can_be_replaced(model):
    task = task_of(model, TEXTS[0])
    runner = Runner(model, task, clip_length=3)
    runner.push(noise_video(9)[:6])
    task.refine_target(1, TextTarget(id=1, text=TEXTS[1], frame_index=5), next_start=4)
    runner.push(noise_video(9)[6:])
    after = runner.finish().tracks[0].masks()
    before, other = (
        masks_of(follow(model, task_of(model, text, frame=frame), noise_video(9), clip_length=3))[0]
        for text, frame in ((TEXTS[0], 0), (TEXTS[1], 5))
    )
    np.testing.assert_array_equal(after[:4], before[:4])
    assert (after[5:] == other[5:]).mean() > 0.99
    assert (after[5:] != before[5:]).any()


def test_masks_of_earlier_frames_can_prompt_expressions_too(model):
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    plain, prompted = (
        masks_of(follow(model, task_of(model, *TEXTS, **options), noise_video(6), clip_length=3))
        for options in ({}, {"with_masks": True, "generator": generators[0]})
    )
    np.testing.assert_array_equal(plain[:, 0], prompted[:, 0])  # of the first clip only
    assert (plain[:, 2:] != prompted[:, 2:]).any()
    again = task_of(model, *TEXTS, with_masks=True, generator=generators[1])
    np.testing.assert_array_equal(
        masks_of(follow(model, again, noise_video(6), clip_length=3)), prompted
    )


def test_a_model_without_text_encoder_says_so(model, tmp_path):
    published = small_univs_model()
    from univs.modeling.prompts.text_encoder import DeferredClipTextEncoder

    missing = str(tmp_path / "none.pth")
    published.text_encoder = DeferredClipTextEncoder("RN50x4", missing, missing, "cpu")
    with pytest.raises(ValueError, match="target 1 is an expression, but the text encoder .*none"):
        task_of(published, "a ring")


def test_other_targets_are_refused(model):
    target = MaskTarget(id=1, mask=np.ones((4, 6), bool))
    with pytest.raises(ValueError, match="target 1 is a MaskTarget: this task takes a TextTarget"):
        task_of(model).add_target(target, next_start=0)
