"""Entities of a video as the original of UniVS finds and follows them, in its own order of steps.

Everything is kept for the whole video and at the padded size of the input, and loops are plain, so
that it can be compared to what is described line by line. The network and the prompt memory are
those of the project, which have golden cases of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from univs.modeling.meta_arch.univs import UnivsBase
from univs.modeling.pixel_decoder import PixelFeatures


@dataclass(frozen=True)
class Settings:
    """Published keys, by their old names."""

    clip_length: int
    num_prev_frames: int
    window: int
    rows: slice
    cls_thres: float
    new_thres: float
    consistency_thres: float
    nms_thres: float
    stability_thres: float
    overlap_entity: float
    overlap: float
    detections: int
    things: Collection[int] = ()
    stride: int = 1


@dataclass
class State:
    logits: Tensor  # N c K
    embds: Tensor  # N c C
    masks: Tensor  # N T Hp Wp, sums of logits
    quality: Tensor  # N
    windows: list[dict] = field(default_factory=list)


def quality(logits: Tensor) -> Tensor:
    return torch.stack([(x > 1).sum() / max(int((x > -1).sum()), 1) for x in logits])


def up(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a / a.norm().clamp(min=1e-3)) @ (b / b.norm().clamp(min=1e-3))


def consistent(past: Tensor, current: Tensor) -> Tensor:
    values = []
    for p, e in zip(past, current, strict=True):
        weights = torch.tensor(
            [np.exp(5 * (t + 1) / len(p)) for t in range(len(p))], dtype=torch.float32
        )
        weights = weights / weights.sum() * torch.tensor([float(bool((x != 0).any())) for x in p])
        weights = weights / weights.sum().clamp(min=1e-3)
        means = torch.stack([torch.stack([cosine(x, y) for y in e]).mean() for x in p])
        values.append((weights * means).sum())
    return torch.stack(values)


def pairs_of(past: Tensor, current: Tensor, threshold: float) -> list[tuple[int, int, float]]:
    products = torch.stack(
        [torch.stack([(p @ e.T).flatten() for e in current]) for p in past]
    )  # N M V*t
    similarity = (products.softmax(0) + products.softmax(1)).mean(2) / 2
    similarity[similarity < threshold] = 0
    rows, columns = linear_sum_assignment(1 - similarity.numpy())
    values = [float(similarity[r, c]) for r, c in zip(rows, columns, strict=True)]
    return [
        x for x in zip(rows.tolist(), columns.tolist(), values, strict=True) if x[2] > threshold
    ]


def boxes(masks: Tensor) -> np.ndarray:
    result = np.zeros((*masks.shape[:2], 4))
    for k, frames in enumerate(masks.numpy()):
        for t, mask in enumerate(frames):
            y, x = np.nonzero(mask)
            if len(y):
                result[k, t] = x.min(), y.min(), x.max(), y.max()
    height, width = masks.shape[-2:]
    return result / [width, height, width, height]


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inside = np.prod(np.clip(sides, 0, None))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inside
    return inside / max(union, 1e-3)


def nms(order: list[int], masks: Tensor, threshold: float) -> list[int]:
    of_masks = boxes(masks)
    return [
        k
        for place, k in enumerate(order)
        if not any(max(map(box_iou, of_masks[j], of_masks[k])) >= threshold for j in order[:place])
    ]


def iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / max(int((a | b).sum()), 1))


def segment_entities(
    model: UnivsBase, video: np.ndarray, settings: Settings, *, panoptic: bool
) -> tuple[State, tuple[int, int]]:
    """The state after the last clip, with the windows that results are made of, and their size."""
    s, total = settings, len(video)
    frames = [torch.from_numpy(x.transpose(2, 0, 1).copy()).float() for x in video]
    features = model.encode_frames(frames)
    size = tuple(4 * x for x in features.mask_features.shape[-2:])
    height, width = video.shape[1:3]
    memory = model.prompt_memory(torch.Generator().manual_seed(0))
    state, flushed = None, 0
    for i in range(0, total, s.stride):
        if i > 0 and i - s.stride + s.clip_length >= total:
            break
        clip = slice(i, min(i + s.clip_length, total))
        length = clip.stop - i
        new = length if i == 0 else clip.stop - (i - s.stride + s.clip_length)
        if state is not None:
            state.logits = torch.cat((state.logits, state.logits[:, -1:]), 1)
            state.embds = torch.cat((state.embds, state.embds[:, -3:].mean(1, True)), 1)
        part = PixelFeatures(
            features.mask_features[clip],
            [level[clip] for level in features.multi_scale],
            features.finest[clip],
        )
        clip_memory = model.clip_memory(part, range(i, clip.stop))
        prompts = None
        if state is not None:
            known = {f: state.masks[:, f] > 0 for f in range(max(i - new, 0), clip.stop - new)}
            prompts = memory.update(clip_memory, i, new, known)
        output = model.decode(clip_memory, part.mask_features, prompts)
        q = output.num_learnable
        if state is not None:
            write_prompts(
                state, clip, output.mask_logits[q:], output.queries[q:], s, size, (height, width),
                not panoptic,
            )  # fmt: skip
        scores = output.class_logits[:q, s.rows].sigmoid()
        masks, embds = output.mask_logits[:q], output.queries[:q]
        certain = quality(masks)
        scores = scores * certain[:, None]
        choose = choose_panoptic if panoptic else choose_instances
        new_rows = choose(state, clip, scores, masks, embds, certain, s, size)
        if new_rows:
            count, clips = len(new_rows), 1 if state is None else state.logits.shape[1]
            added = State(
                torch.zeros(count, clips, scores.shape[1]),
                torch.zeros(count, clips, embds.shape[2]),
                torch.zeros(count, total, *size),
                certain[new_rows],
            )
            added.logits[:, -1] = scores[new_rows]
            added.embds[:, -1] = embds[new_rows].mean(1)
            added.masks[:, clip] = up(masks[new_rows], size)
            if state is None:
                state = added
            else:
                for name in ("logits", "embds", "masks", "quality"):
                    joined = torch.cat((getattr(state, name), getattr(added, name)))
                    setattr(state, name, joined)
            memory.add(torch.full((count,), i))
        is_last = i + s.clip_length >= total
        if is_last or (i > s.num_prev_frames and i % s.window == s.num_prev_frames):
            stop = total if is_last else flushed + s.window
            if state is not None:
                logits = state.masks[:, flushed:stop, :height, :width].clone()
                state.windows.append(
                    {"frames": (flushed, stop), "scores": state.logits.mean(1), "logits": logits}
                )
            flushed = stop
    return state, (height, width)


def write_prompts(state, clip, masks, embds, s, size, out, competes) -> None:
    past = state.embds[:, -max(int(s.num_prev_frames / s.stride), 3) :]
    similarity = consistent(past, embds)
    threshold = s.consistency_thres / (2 if clip.start < s.clip_length else 1)
    enlarged = up(masks, size)
    certain = quality(enlarged[..., : out[0], : out[1]])
    found = similarity > threshold
    if competes:
        strength = state.logits.mean(1).amax(1) * similarity * certain
        probabilities = enlarged.sigmoid()
        owner = (strength[:, None, None, None] * probabilities).argmax(0)
        owner[(probabilities < 0.5).all(0)] = -1
        for k in range(len(found)):
            won, own = owner == k, probabilities[k] >= 0.5
            share = int(won.sum()) / max(int(own.sum()), 1)
            found[k] &= share > s.overlap_entity and bool((won & (probabilities[k] > 0.5)).any())
    for k in found.nonzero().flatten().tolist():
        state.masks[k, clip] += enlarged[k]
        update_query(state, k, embds[k])
        state.quality[k] += certain[k]


def update_query(state: State, k: int, embds: Tensor) -> None:
    latest, mean = state.embds[k, -1], embds.mean(0)
    state.embds[k, -1] = (latest + mean) / 2 if bool((latest != 0).any()) else mean


def is_new(state, clip, mask, size) -> bool:
    stored = up(state.masks[:, clip], mask.shape[-2:]) > 0
    return all(iou(mask[t] > 0, x[t]) < 0.5 for x in stored for t in range(len(mask)))


def choose_instances(state, clip, scores, masks, embds, certain, s, size) -> list[int]:
    best = scores.amax(1)
    kept = [k for k in range(len(best)) if s.stability_thres <= 0 or certain[k] > s.stability_thres]
    kept = sorted(kept, key=lambda k: -float(best[k]))[: s.detections]
    kept = nms(kept, masks > 0, s.nms_thres)
    if state is None and clip.start == 0:
        return [k for k in kept if best[k] > max(s.cls_thres, 0.1)]
    taken = []
    if state is not None and kept:
        for row, column, value in pairs_of(state.embds[:, -3:], embds[kept], s.new_thres):
            k = kept[column]
            state.logits[row, -1] = (state.logits[row, -1] + scores[k]) / 2
            update_query(state, row, embds[k])
            if value > 2 * s.new_thres:
                state.masks[row, clip] += up(masks[k : k + 1], size)[0]
                state.quality[row] += certain[k]
                taken.append(k)
    return [
        k
        for k in kept
        if k not in taken
        and best[k] > s.cls_thres
        and (state is None or is_new(state, clip, masks[k], size))
    ]


def choose_panoptic(state, clip, scores, masks, embds, certain, s, size) -> list[int]:
    best, classes = scores.max(1)
    if state is None and clip.start == 0:
        order = sorted(range(len(best)), key=lambda k: -float(best[k]))[:100]
        things = [k for k in order if int(classes[k]) in s.things][:70]
        stuff = [k for k in order if int(classes[k]) not in s.things][:30]
        things = nms(things, masks > 0, s.nms_thres)
        stuff = [
            k
            for place, k in enumerate(stuff)
            if all(iou(masks[j, 0] > 0, masks[k, 0] > 0) < 0.6 for j in stuff[:place])
        ]
        return [k for k in (*things, *stuff) if best[k] > s.cls_thres]
    taken = []
    if state is not None:
        for row, k, _ in pairs_of(state.embds[:, -3:], embds, s.new_thres):
            state.masks[row, clip] += up(masks[k : k + 1], size)[0]
            state.logits[row, -1] = (state.logits[row, -1] + scores[k]) / 2
            update_query(state, row, embds[k])
            state.quality[row] += certain[k]
            taken.append(k)
    return [
        k
        for k in range(len(best))
        if k not in taken
        and best[k] > 2 * s.cls_thres
        and (state is None or is_new(state, clip, masks[k], size))
    ]


def instance_results(state: State, num_frames: int, s: Settings) -> list[tuple[float, int, Tensor]]:
    """Score, class and masks ``(T, H, W)`` of all results, best first."""
    certain = state.quality / (int(state.quality.max()) + 1)
    results, num_likely = [], 0
    for k in range(len(certain)):
        windows = [w for w in state.windows if k < len(w["scores"])]
        masks = torch.zeros(num_frames, *windows[0]["logits"].shape[-2:], dtype=torch.bool)
        for window in windows:
            masks[slice(*window["frames"])] = window["logits"][k] > 0
        positive = [float(w["scores"][k].sum() > 0) for w in windows]
        total = torch.zeros_like(windows[0]["scores"][k])
        for t, window in enumerate(windows):
            nearby = positive[max(t - 1, 0) : t + 1]
            total += positive[t] * (sum(nearby) / len(nearby)) * window["scores"][k]
        scores = total / max(sum(positive), 1)
        num_likely += int((scores > 0.05).sum())
        results += [
            (float(value * certain[k]), c, masks)
            for c, value in enumerate(scores)
            if value >= 0.1 * 0.05
        ]
    results.sort(key=lambda x: -x[0])
    most = max(int(1.5 * num_likely), s.detections)
    if len(results) > most:
        results = [x for x in results if x[0] >= results[most][0]]
    return results


def panoptic_results(state: State, s: Settings) -> tuple[Tensor, dict[int, int]]:
    """Map of segment ids ``(T, H, W)``, and the class of every segment."""
    ids, maps, thing_of = {}, [], {}
    for window in state.windows:
        logits = window["logits"]
        best, classes = window["scores"].max(1)
        is_thing = [int(c) in s.things for c in classes]
        strength = best * quality(logits) * torch.tensor([1.0 if x else 0.75 for x in is_thing])
        probabilities = logits.sigmoid()
        owner = (strength[:, None, None, None] * probabilities).argmax(0)
        owner[(probabilities < 0.5).all(0)] = -1
        painted = torch.zeros(owner.shape, dtype=torch.int64)
        for k in range(len(logits)):
            won = owner == k
            mask = won & (probabilities[k] >= 0.5)
            if not bool(mask.any()):
                continue
            key = ("thing", k) if is_thing[k] else ("stuff", int(classes[k]))
            if is_thing[k]:
                least = s.overlap / (2 if key in ids else 1)
                if int(won.sum()) / max(int((probabilities[k] >= 0.5).sum()), 1) < least:
                    continue
            ids.setdefault(key, len(ids) + 1)
            if is_thing[k]:
                thing_of[ids[key]] = k
            painted[mask] = ids[key]
        maps.append(painted)
    final = state.logits.mean(1).argmax(1)
    categories = {
        segment: int(final[thing_of[segment]]) if kind == "thing" else value
        for (kind, value), segment in ids.items()
    }
    return torch.cat(maps), categories
