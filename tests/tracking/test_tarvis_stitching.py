from __future__ import annotations

import pytest
import torch

from univs.tracking.tarvis_stitching import (
    FrameMasks,
    ObjectStitcher,
    SemanticStitcher,
    TrackStitcher,
    averaged,
    check_overlap,
    mask_ious,
)


def windows(num_frames: int) -> list[range]:
    """Clips of four frames that share two; the last one may be shorter."""
    starts = range(0, max(num_frames - 2, 1), 2)
    return [range(start, min(start + 4, num_frames)) for start in starts]


@pytest.mark.parametrize(("clip_length", "overlap"), [(4, 0), (4, 3), (1, 1)])
def test_overlaps_that_do_not_fit_are_refused(clip_length, overlap):
    with pytest.raises(ValueError, match="FRAME_OVERLAP"):
        check_overlap(clip_length, overlap)


def stitcher(**options) -> TrackStitcher:
    arguments = {
        "overlap": 2,
        "max_tracks_per_clip": 3,
        "score_threshold": 0.0,
        "iou_threshold": 0.5,
        "keep_earlier": True,
    }
    return TrackStitcher(**(arguments | options))


def squares(num_frames: int, *columns: int) -> torch.Tensor:
    """One mask for each column: logits 2 in a 4 x 4 square, else -2."""
    masks = torch.full((len(columns), num_frames, 4, 12), -2.0)
    for mask, column in zip(masks, columns, strict=True):
        mask[..., column : column + 4] = 2.0
    return masks


def class_logits(*scores: float) -> torch.Tensor:
    """Two classes: the first one with these logits."""
    return torch.tensor([[0.0, score, 0.0] for score in scores])


def test_ids_follow_the_masks_not_the_order():
    tracks = stitcher()
    final = tracks.add(range(4), class_logits(3, 2), squares(4, 0, 8))
    assert [frame.frame for frame in final] == list(range(4)) and tracks.last_ids == [1, 2]
    final += tracks.add(range(2, 6), class_logits(3, 2), squares(4, 8, 0))
    assert tracks.last_ids == [2, 1]
    assert [frame.frame for frame in final + tracks.finish()] == list(range(6))
    torch.testing.assert_close(tracks.class_logits()[1], torch.tensor([0, 2.5, 0]))


def test_instances_elsewhere_are_new_and_only_good_ones_are_kept():
    tracks = stitcher(score_threshold=0.5, max_tracks_per_clip=1)
    tracks.add(range(4), class_logits(0.1, 3, 4), squares(4, 0, 4, 8))
    tracks.add(range(2, 6), class_logits(4), squares(4, 0))
    assert tracks.last_ids == [2] and list(tracks.class_sums) == [1, 2]


def test_a_clip_without_instances_ends_all_tracks():
    tracks = stitcher(score_threshold=0.9)
    final = tracks.add(range(4), class_logits(9), squares(4, 0))
    final += tracks.add(range(2, 6), class_logits(-9), squares(4, 0))
    final += tracks.add(range(4, 8), class_logits(9), squares(4, 0))
    assert tracks.last_ids == [2]
    assert [frame.ids for frame in final] == [[1]] * 4 + [[]] * 2 + [[2]] * 2


@pytest.mark.parametrize(("keep_earlier", "expected"), [(True, 2.0), (False, 1.5)])
def test_shared_frames_keep_the_earlier_masks_or_are_averaged(keep_earlier, expected):
    tracks = stitcher(keep_earlier=keep_earlier)
    frames = tracks.add(range(4), class_logits(1), squares(4, 0))
    assert len(frames) == (4 if keep_earlier else 2)
    frames += tracks.add(range(2, 6), class_logits(1), squares(4, 0) / 2)
    assert len(frames) == (6 if keep_earlier else 4)
    frames += tracks.finish()
    assert [frame.frame for frame in frames] == list(range(6))
    peaks = [float(frame.mask_logits.max()) for frame in frames]
    assert peaks == [2, 2, expected, expected, 1, 1]


def test_empty_masks_match_only_as_published():
    empty = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    assert mask_ious(empty, empty, empty_match=True) == 1
    assert mask_ious(empty, empty, empty_match=False) == 0


def test_averages_keep_tracks_of_one_clip():
    before = FrameMasks(0, [1, 2], torch.tensor([1.0, 2]).view(2, 1, 1))
    after = FrameMasks(0, [3, 2], torch.tensor([5.0, 4]).view(2, 1, 1))
    both = averaged(before, after)
    assert both.ids == [1, 2, 3] and both.mask_logits.flatten().tolist() == [1, 3, 5]
    nothing = FrameMasks(0, [], torch.zeros(0, 1, 1))
    assert averaged(nothing, nothing).mask_logits.shape == (0, 1, 1)


@pytest.mark.parametrize("num_frames", [1, 3, 4, 6, 8, 9])
def test_semantic_logits_are_averaged_and_memory_is_bounded(num_frames):
    semantic, final = SemanticStitcher(overlap=2), []
    for clip in windows(num_frames):
        final += semantic.add(torch.full((2, len(clip), 1, 1), float(clip.start)))
        assert len(semantic._waiting) <= 2
    final += semantic.finish()
    assert len(final) == num_frames
    for index, logits in enumerate(final):
        starts = [c.start for c in windows(num_frames) if index in c]
        assert logits[0] == sum(starts) / len(starts)


def object_layers(num_frames: int, **options) -> list[list[FrameMasks]]:
    """One object whose logits are the number of the clip."""
    objects, layers = ObjectStitcher(overlap=2, **options), []
    for number, clip in enumerate(windows(num_frames)):
        layers += objects.add(clip, [5], torch.full((1, len(clip), 1, 1), float(number)))
    return layers + objects.finish()


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (3, [[0], [0], [0]]),
        (4, [[0], [0], [0], [0]]),
        (5, [[0], [0], [0], [0], [1]]),
        (8, [[0], [0], [0, 1], [0, 1], [1], [1], [2], [2]]),
    ],
)
def test_objects_of_a_middle_clip_replace_and_those_of_the_last_do_not(num_frames, expected):
    layers = object_layers(num_frames, overwrite=True)
    assert [[float(layer.mask_logits) for layer in frame] for frame in layers] == expected
    assert [frame[0].frame for frame in layers] == list(range(num_frames))


def test_objects_can_be_averaged():
    layers = object_layers(7, overwrite=False)
    assert [len(frame) for frame in layers] == [1] * 7
    values = [float(frame[0].mask_logits) for frame in layers]
    assert values == [0, 0, 0.5, 0.5, 1.5, 1.5, 2]


def test_frames_of_objects_come_when_it_is_known_whether_their_clip_was_the_last():
    objects = ObjectStitcher(overlap=2, overwrite=True)
    assert len(objects.add(range(4), [5], torch.zeros(1, 4, 1, 1))) == 2
    assert objects.add(range(2, 6), [5], torch.zeros(1, 4, 1, 1)) == []
    assert [frame[0].frame for frame in objects.proceed()] == [2, 3]
    assert objects.proceed() == []
    assert [frame[0].frame for frame in objects.finish()] == [4, 5]
    assert objects.finish() == []
