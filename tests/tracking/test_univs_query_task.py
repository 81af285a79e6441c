from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from reference.small_univs import Runner
from reference.univs_entity_procedure import consistent, quality
from reference.univs_scenes import scene, scene_model
from univs.tracking.univs_query_task import QueryTask

MAX_TRACKS = 4


@pytest.fixture(scope="module")
def model():
    return scene_model()


def published_results(model, video: np.ndarray, length: int, zero_shot: bool):
    """Score, class and masks of all results, best first, in the order of steps of the original."""
    frames = [torch.from_numpy(x.transpose(2, 0, 1).copy()).float() for x in video]
    starts = range(max(len(frames) - length, 0) + 1)
    clips = [
        model.predict_clip(frames[i : i + length], range(i, len(frames))[:length]) for i in starts
    ]
    first = clips[0]
    certain = quality(first.mask_logits)
    rows = (first.class_logits.sigmoid().amax(1) + certain).argsort(descending=True)
    logits, masks, queries = [], [], []
    for clip in clips:
        if queries:
            past = torch.stack(queries[-2:], dim=1)
            similarity = torch.stack(
                [consistent(past, x.expand(len(past), -1, -1)) for x in clip.queries], dim=1
            )
            rows = linear_sum_assignment(1 - similarity.numpy())[1]
        logits.append(clip.class_logits[rows])
        masks.append(clip.mask_logits[rows])
        queries.append(clip.queries[rows].mean(1))
    scores = torch.stack(logits).mean(0)[:, model.concepts.rows("toy_vis")].sigmoid()
    if zero_shot:
        scores = (20 * scores).softmax(1)
    mean_masks = []
    for frame in range(len(video)):
        of_frame = [
            m[:, frame - i]
            for i, m in zip(starts, masks, strict=True)
            if 0 <= frame - i < m.shape[1]
        ]
        mean_masks.append(torch.stack(of_frame).mean(0))
    size = [4 * x for x in first.mask_logits.shape[-2:]]
    height, width = video.shape[1:3]
    final = F.interpolate(
        torch.stack(mean_masks, dim=1), size=size, mode="bilinear", align_corners=False
    )[..., :height, :width]
    best_rows = scores.amax(1).argsort(descending=True)[:MAX_TRACKS]
    scores, final = scores[best_rows], final[best_rows]
    most = min(MAX_TRACKS, max(int((scores > 2 / scores.shape[1]).sum()), 5))
    results = []
    for pair in scores.flatten().argsort(descending=True)[:most].tolist():
        row, category = divmod(pair, scores.shape[1])
        certain = quality(final[row : row + 1, :: max(len(video) // 10, 1)])[0].clamp(min=0.1)
        results.append((float(scores[row, category] * certain), category, final[row] > 0))
    return sorted(results, key=lambda x: -x[0])


@pytest.mark.parametrize(
    ("num_frames", "length", "zero_shot"), [(7, 3, False), (20, 2, False), (2, 3, True)]
)
def test_results_equal_those_of_the_published_steps(model, num_frames, length, zero_shot):
    task = QueryTask(
        "toy_vis",
        max_tracks=MAX_TRACKS,
        one_category_per_track=False,
        prefers_quality=True,
        zero_shot=zero_shot,
    )
    video = scene(num_frames)
    runner = Runner(model, task, clip_length=length)
    runner.push(video)
    result = runner.finish()
    expected = published_results(model, video, length, zero_shot)
    assert [track.category for track in result.tracks] == [x[1] for x in expected]
    np.testing.assert_allclose(
        [track.score for track in result.tracks], [x[0] for x in expected], atol=1e-4
    )
    for track, (_, _, masks) in zip(result.tracks, expected, strict=True):
        assert (track.masks() != masks.numpy()).mean() < 1e-4


def test_a_track_has_one_category_if_so_wanted(model):
    task = QueryTask(
        "toy_vis",
        max_tracks=MAX_TRACKS,
        one_category_per_track=True,
        prefers_quality=False,
        zero_shot=False,
    )
    runner = Runner(model, task, clip_length=3)
    runner.push(scene(5))
    tracks = runner.finish().tracks
    assert len({track.id for track in tracks}) == len(tracks) == MAX_TRACKS
    frame = task.frame_result(4, (48, 64))
    assert {segment.track_id for segment in frame.segments} <= {track.id for track in tracks}
