"""What the original of UniVS does in training and this project does not, for captured cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from reference.cases import GoldenCase
from univs.modeling.clip_memory import ClipMemory
from univs.modeling.meta_arch import univs_training
from univs.modeling.position_encoding import indexed_frame_positions, sine_encoding_3d
from univs.modeling.prompts import training_prompts
from univs.modeling.prompts.prompt_types import (
    PromptKind,
    PromptTokens,
    SampledPrompts,
    VisualPrompts,
)
from univs.modeling.prompts.training_prompts import TrainingPromptSampler
from univs.modeling.univs_targets import PromptTargets


@contextmanager
def features_in_order_of_kinds() -> Iterator[None]:
    """Prompt features stay in the order masks, points, boxes; positions are in that of objects."""
    sample = TrainingPromptSampler.__call__

    def in_order_of_kinds(self, *arguments) -> SampledPrompts:
        sampled = sample(self, *arguments)
        if sampled.prompts is None:
            return sampled
        tokens, features = sampled.prompts.own, []
        for clip, (rows, kinds) in enumerate(zip(sampled.rows, sampled.kinds, strict=True)):
            drawn = kinds[: len(rows.unique())]  # the rest are repetitions
            order = torch.cat(
                [
                    torch.nonzero(drawn == kind).flatten()
                    for kind in (PromptKind.MASK, PromptKind.POINT, PromptKind.BOX)
                ]
            )
            repeated = torch.arange(len(rows)) % len(order)
            features.append(tokens.features[clip][:, order[repeated]])
        prompts = VisualPrompts.of(
            PromptTokens(torch.stack(features), tokens.positions),
            position_from_features=sampled.prompts.position_from_features,
        )
        return replace(sampled, prompts=prompts)

    with mock.patch.object(TrainingPromptSampler, "__call__", in_order_of_kinds):
        yield


@contextmanager
def objects_taken_for_rows() -> Iterator[None]:
    """The n-th object that expressions name is looked up as if it were the n-th expression."""
    prompts_of = univs_training.UnivsTraining.prompts

    def mistaken(self, *arguments):
        prompts, targets = prompts_of(self, *arguments)
        return prompts, [mistake(target) for target in targets]

    def mistake(target: PromptTargets) -> PromptTargets:
        objects = list(dict.fromkeys(target.identities.tolist()))
        rows = torch.tensor([objects.index(i) for i in target.identities.tolist()])
        return replace(target, rows=rows, ids=target.ids[rows], identities=rows)

    with mock.patch.object(univs_training.UnivsTraining, "prompts", mistaken):
        yield


@contextmanager
def memory_without_time() -> Iterator[None]:
    """Prompts of the first clip are remembered as if its frames were the first of the video."""
    tokens_of = training_prompts.key_frame_tokens

    def forgetful(sampler, memory: ClipMemory, *arguments) -> PromptTokens:
        counted = indexed_frame_positions(torch.arange(memory.frame_positions.shape[1]))[None]
        positions = [
            sine_encoding_3d(counted, *level.shape[-2:], level.shape[2], like=counted)
            for level in memory.features
        ]
        memory = replace(memory, positions=positions, frame_positions=counted)
        return tokens_of(sampler, memory, *arguments)

    with mock.patch.object(univs_training, "key_frame_tokens", forgetful):
        yield


@contextmanager
def points_of(case: GoldenCase, stored_positions: list[str]) -> Iterator[None]:
    """Point prompts take the pixels that the case took; which these are its positions tell.

    Args:
        case: the case.
        stored_positions: its arrays of prompt positions, one per call of the sampler.
    """
    tokens_of, calls = TrainingPromptSampler._tokens_of, []
    sample = TrainingPromptSampler.__call__

    def counted(self, memory, *arguments) -> SampledPrompts:
        calls.append(0)
        return sample(self, memory, *arguments)

    def with_stored_points(self, frame, clip, key_frame, *arguments) -> PromptTokens:
        stored = case.tensor(stored_positions[len(calls) - 1])
        column = calls[-1] * clip.masks.shape[1]  # of the first frame; all are alike
        calls[-1] += 1
        pixels = decode_pixels(stored[:, -1, column], frame, clip.masks.shape[-2:])

        def chosen(masks: Tensor, generator: torch.Generator | None = None) -> Tensor:
            points = pixels[: len(masks)]
            height, width = masks.shape[-2:]
            columns = (points * torch.tensor([width, height])).long()
            inside = masks[torch.arange(len(masks)), columns[:, 1], columns[:, 0]]
            assert len(points) == len(masks) and inside.all()
            return points

        with mock.patch.object(training_prompts, "random_pixels", chosen):
            return tokens_of(self, frame, clip, key_frame, *arguments)

    with (
        mock.patch.object(TrainingPromptSampler, "__call__", counted),
        mock.patch.object(TrainingPromptSampler, "_tokens_of", with_stored_points),
    ):
        yield


def decode_pixels(encodings: Tensor, frame, size: tuple[int, int]) -> Tensor:
    """The pixel centres among encodings ``(P, c)``, as (x, y): ``(P', 2)``; others are left out."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = torch.stack(((x.flatten() + 0.5) / width, (y.flatten() + 0.5) / height), dim=1)
    every = frame.features.shape[0] // encodings.shape[1]
    candidates = frame.encode_points(centres)[:, ::every]
    distance = torch.cdist(encodings.to(candidates), candidates, p=np.inf)
    nearest = distance.min(1)
    return centres[nearest.indices[nearest.values < 1e-4]]
