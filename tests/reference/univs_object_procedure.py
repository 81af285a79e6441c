"""Segmentation of given and of described objects with UniVS as published, written down plainly.

The whole video is encoded at once, nothing is forgotten, and every prompt has a slot for every
frame. Objects appear in frame 0 or at least one stride later; clips fit the video exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.meta_arch.univs import UnivsBase
from univs.modeling.pixel_decoder import PixelFeatures
from univs.modeling.prompts.prompt_types import PromptTokens, VisualPrompts
from univs.modeling.prompts.visual_tokens import FrameFeatures


@dataclass
class Outcome:
    """What is compared: id maps ``(T, H, W)``, and by clip which slots are not blank, bool
    ``(N, slots)``."""

    id_maps: np.ndarray
    slots: list[np.ndarray]


@torch.no_grad()
def segment_objects(
    model: UnivsBase,
    video: np.ndarray,
    given: dict[int, tuple[int, np.ndarray]],
    *,
    clip_length: int,
    stride: int = 1,
    consistency_threshold: float = 0.5,
    seed: int = 0,
) -> Outcome:
    """
    Args:
        model: its input is the video as it is.
        video: ``(T, H, W, 3)``.
        given: frame and mask ``(H, W)`` of every object, by id, ascending.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width = video.shape[1:3]
    encoded = _encode(model, video)
    padded = tuple(4 * size for size in encoded.mask_features.shape[-2:])
    total, count = len(video), len(given)
    remembered = max(model.num_remembered, clip_length)

    logits = torch.zeros(count, total, *padded)
    embeddings: list[Tensor] = []  # of each frame so far, (N, C)
    first = torch.full((count,), -1)
    pool_features, pool_positions, slot_log = None, None, []
    truth = torch.zeros(count, *padded, dtype=torch.bool)
    for row, (_, mask) in enumerate(given.values()):
        truth[row, :height, :width] = torch.from_numpy(mask)

    for start in range(0, total - clip_length + 1, stride):
        frames = range(start, start + clip_length)
        part = _part(encoded, frames)
        memory = model.clip_memory(part, frames)
        # Targets.
        for row, (frame, _) in enumerate(given.values()):
            if frame in frames:
                logits[row, frame] = truth[row].float()
                first[row] = frame
        if embeddings:
            embeddings += [torch.stack(embeddings[-stride:]).mean(0)] * stride
        else:
            embeddings = [torch.zeros(count, memory.features[-1].shape[2])] * clip_length

        # Prompts.
        def sampled(frame, masks, memory=memory, start=start):
            where = FrameFeatures.of(memory, 0, frame - start)
            return model.token_sampler.from_masks(where, masks, generator=generator)

        if start == 0:
            features, positions = sampled(0, logits[:, 0] > 0)
            pool_features = [features] * clip_length
            pool_positions = [positions] * clip_length
        else:
            blank = torch.zeros_like(pool_features[0])
            pool_features += [blank] * stride
            pool_positions += [blank] * stride
            for frame in range(start, start + clip_length - stride):
                masks = logits[:, frame] > 0
                features, positions = sampled(frame, masks)
                seen = masks.flatten(1).any(1)[:, None, None]
                for slot in range(frame, len(pool_features)):
                    pool_features[slot] = torch.where(seen, features, pool_features[slot])
                    pool_positions[slot] = torch.where(seen, positions, pool_positions[slot])
        table = torch.stack([(slot != 0).flatten(1).any(1) for slot in pool_features], dim=1)
        slot_log.append(table.numpy())
        attended = []
        for pool in (pool_features, pool_positions):
            blocks = []
            for row in range(count):
                slot = int(first[row])
                if slot >= len(pool) - 1:
                    slot = -1
                blocks.append(torch.cat([pool[slot][row], *(x[row] for x in pool[-remembered:])]))
            attended.append(torch.stack(blocks)[None, None])
        own = [torch.stack(pool[-clip_length:])[None] for pool in (pool_features, pool_positions)]
        prompts = VisualPrompts(own=PromptTokens(*own), attended=PromptTokens(*attended))

        # Predictions.
        output = model.decode(memory, part.mask_features, prompts)
        predicted = F.interpolate(
            output.mask_logits[output.num_learnable :],
            size=padded,
            mode="bilinear",
            align_corners=False,
        )
        queries = output.queries[output.num_learnable :]  # N T C
        inside = predicted[..., :height, :width].flatten(1)
        quality = (inside > 1).sum(1) / (inside > -1).sum(1).clamp(min=1)
        new = [row for row in range(count) if int(first[row]) in frames]
        old = [row for row in range(count) if 0 <= int(first[row]) < start]
        weights = {}
        for row in new:
            weights[row] = _iou(predicted[row, first[row] - start] > 0, truth[row]) ** 2
            weights[row] = weights[row] * quality[row]
        for row, won in _compete(predicted, weights).items():
            f = int(first[row])
            least = 0.15 * min(float(truth[row].sum()) / 96**2, 1)
            if _iou(won[f - start], truth[row]) > least:
                logits[row, f + 1 : frames.stop] = (predicted[row] * won)[f + 1 - start :]
            for frame in frames:
                embeddings[frame] = _replaced(embeddings[frame], row, queries[row, frame - start])
        weights = {}
        for row in old:
            past = torch.stack([x[row] for x in embeddings[-remembered:]])  # V C
            similarity = _consistency(past, queries[row])
            if not similarity > consistency_threshold:
                predicted[row], similarity = 0, 0
            weights[row] = similarity**2 * quality[row]
        for row, won in _compete(predicted, weights).items():
            own = (predicted[row] > 0).sum().clamp(min=1)
            if won.sum() / own > 0.25:
                logits[row, frames] += predicted[row] * won
            for frame in frames:
                query, stored = queries[row, frame - start], embeddings[frame][row]
                if stored.any():
                    query = (stored + query) / 2
                embeddings[frame] = _replaced(embeddings[frame], row, query)

    visible = (logits[..., :height, :width] > 0).numpy()  # N T H W
    ids = np.array(list(given))
    maps = np.where(visible.any(0), ids[visible.argmax(0)], 0)
    return Outcome(maps, slot_log)


@torch.no_grad()
def segment_expressions(
    model: UnivsBase,
    video: np.ndarray,
    expressions: list[str],
    *,
    clip_length: int,
    consistency_threshold: float = 0.5,
) -> np.ndarray:
    """Masks ``(E, T, H, W)`` of expressions, all of which are given in frame 0; the stride is 1."""
    height, width = video.shape[1:3]
    encoded = _encode(model, video)
    padded = tuple(4 * size for size in encoded.mask_features.shape[-2:])
    remembered = max(model.num_remembered, clip_length)
    prompts = model.expression_prompts(expressions)
    logits = torch.zeros(len(expressions), len(video), *padded)
    embeddings: list[Tensor] = []
    for start in range(len(video) - clip_length + 1):
        frames = range(start, start + clip_length)
        part = _part(encoded, frames)
        output = model.decode(model.clip_memory(part, frames), part.mask_features, prompts)
        predicted = F.interpolate(
            output.mask_logits[output.num_learnable :],
            size=padded,
            mode="bilinear",
            align_corners=False,
        )
        queries = output.queries[output.num_learnable :]
        if start == 0:
            logits[:, frames] = predicted
            embeddings = list(queries.unbind(1))
            continue
        embeddings.append(embeddings[-1].clone())
        for row in range(len(expressions)):
            past = torch.stack([x[row] for x in embeddings[-remembered:]])
            if _consistency(past, queries[row]) > consistency_threshold:
                logits[row, frames] += predicted[row]
        for frame in frames:
            embeddings[frame] = (embeddings[frame] + queries[:, frame - start]) / 2
    return (logits[..., :height, :width] > 0).numpy()


def _encode(model: UnivsBase, video: np.ndarray) -> PixelFeatures:
    return model.encode_frames([torch.from_numpy(x.transpose(2, 0, 1).copy()) for x in video])


def _part(encoded: PixelFeatures, frames: range) -> PixelFeatures:
    return PixelFeatures(
        encoded.mask_features[frames],
        [level[frames] for level in encoded.multi_scale],
        encoded.finest[frames],
    )


def _iou(a: Tensor, b: Tensor) -> Tensor:
    return (a & b).sum() / (a | b).sum().clamp(min=1)


def _compete(predicted: Tensor, weights: dict[int, Tensor]) -> dict[int, Tensor]:
    if not weights:
        return {}
    rows = list(weights)
    scores = torch.stack([weights[row] * predicted[row].sigmoid() for row in rows])
    background = torch.stack([predicted[row] <= 0 for row in rows]).all(0)
    best = scores.argmax(0)
    return {row: (best == index) & ~background for index, row in enumerate(rows)}


def _consistency(past: Tensor, current: Tensor) -> Tensor:
    unit = [x / x.norm(dim=-1, keepdim=True).clamp(min=1e-3) for x in (past, current)]
    similarities = (unit[0] @ unit[1].T).mean(1)  # V
    steps = torch.arange(1, len(past) + 1) / len(past)
    weights = (5 * steps).exp() * past.any(1)
    return (similarities * weights).sum() / weights.sum().clamp(min=1e-3)


def _replaced(rows: Tensor, row: int, value: Tensor) -> Tensor:
    rows = rows.clone()
    rows[row] = value
    return rows
