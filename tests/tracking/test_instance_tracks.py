from __future__ import annotations

import numpy as np
import pytest
import torch

from univs.structures import decode_masks
from univs.tracking.frame_size import FrameSize
from univs.tracking.instance_tracks import InstanceTracks, best_pairs


def tracks_of(num_queries: int) -> InstanceTracks:
    return InstanceTracks(FrameSize((16, 24), min_size=0, max_size=64), num_queries)


def test_mask_score_is_the_mean_probability_inside_of_all_masks():
    tracks = tracks_of(2)
    first = torch.full((1, 4, 6), -3.0)
    first[0, :, :3] = 2.0
    tracks.add_frame(torch.tensor([1]), first)
    tracks.add_frame(torch.tensor([1]), torch.full((1, 4, 6), 1.0))
    logits = torch.nn.functional.interpolate(first[None], size=(16, 24), mode="bilinear")
    probabilities = torch.cat([logits.flatten(), torch.ones(16 * 24)]).sigmoid()
    expected = probabilities[probabilities > 0.5].mean()
    assert tracks.mask_scores[0] == 0
    assert tracks.mask_scores[1] == pytest.approx(float(expected), rel=1e-5)


def test_more_masks_than_are_resized_at_once():
    tracks, generator = tracks_of(40), torch.Generator().manual_seed(0)
    logits = torch.randn(40, 4, 6, generator=generator)
    tracks.add_frame(torch.arange(40), logits)
    result = tracks.video_result(torch.rand(40, 3), max_tracks=40, one_category_per_track=True)
    assert len(result.tracks) == 40
    restored = FrameSize((16, 24), min_size=0, max_size=64).restore(logits) > 0
    for track in result.tracks:
        mask = decode_masks(track.segmentations, (16, 24))[0]
        np.testing.assert_array_equal(mask, restored[track.id - 1].numpy())


def test_frames_without_masks_and_empty_masks():
    tracks = tracks_of(3)
    tracks.add_frame(torch.zeros(0, dtype=torch.long), torch.zeros(0, 4, 6))
    tracks.add_frame(
        torch.tensor([0, 2]), torch.stack([torch.full((4, 6), v) for v in (-1.0, 1.0)])
    )
    scores = torch.rand(3, 2)
    assert tracks.frame_result(0, scores).segments == []
    assert [s.track_id for s in tracks.frame_result(1, scores).segments] == [3]
    result = tracks.video_result(scores, max_tracks=3, one_category_per_track=True)
    visible = {track.id: track.visible_frames for track in result.tracks}
    assert visible == {1: [], 2: [], 3: [1]}


def test_best_pairs():
    scores = torch.tensor([[0.9, 0.8], [0.1, 0.3], [0.2, 0.7]])
    pairs = best_pairs(scores, 3, one_category_per_track=False)
    assert [pair[:2] for pair in pairs] == [(0, 0), (0, 1), (2, 1)]
    pairs = best_pairs(scores, 5, one_category_per_track=True)
    assert [pair[:2] for pair in pairs] == [(0, 0), (2, 1), (1, 1)]
