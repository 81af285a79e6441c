from __future__ import annotations

import math
import re

import pytest
import torch

from univs.modeling.position_encoding import (
    clip_frame_positions,
    indexed_frame_positions,
    sine_encoding_2d,
    sine_encoding_2d_masked,
    sine_encoding_3d,
    sine_encoding_of_cells,
    sine_encoding_points,
)


@pytest.mark.golden("mask2former", "position_encoding_2d")
def test_equals_the_published_encoding(case):
    for name, expected in case.arrays.items():
        channels, height, width = expected.shape
        if name.endswith("_masked"):
            # the case: the last row and the last two columns are padding
            padding = torch.zeros(1, height, width, dtype=torch.bool)
            padding[:, -1] = True
            padding[:, :, -2:] = True
            case.check(name, sine_encoding_2d_masked(padding, channels)[0])
        else:
            assert re.fullmatch(r"pos_\d+x\d+", name)
            case.check(name, sine_encoding_2d(height, width, channels, like=torch.zeros(())))


def test_without_padding_the_masked_encoding_is_the_plain_one():
    masked = sine_encoding_2d_masked(torch.zeros(1, 5, 7, dtype=torch.bool), 16)[0]
    torch.testing.assert_close(masked, sine_encoding_2d(5, 7, 16, like=masked))


def test_a_clip_adds_the_encoding_of_the_frame():
    like = torch.zeros((), dtype=torch.float64)
    frames = clip_frame_positions(3, like=like)
    assert frames[-1].item() == pytest.approx(2 * math.pi, abs=1e-5)
    encoding = sine_encoding_3d(frames, 2, 4, 8, like=like)
    assert encoding.shape == (3, 8, 2, 4) and encoding.dtype == torch.float64
    difference = encoding[1] - encoding[0]
    torch.testing.assert_close(difference, difference[:, :1, :1].expand_as(difference))


@pytest.mark.golden("tarvis", "pos_embed")
def test_encodings_equal_those_of_tarvis(case):
    flat, clip = case.arrays["sine2d_normalised"], case.arrays["sine3d_normalised"]
    like = torch.zeros(())
    case.check(
        "sine2d_normalised", sine_encoding_2d(*flat.shape[2:], flat.shape[1], like=like)[None]
    )
    frames = clip_frame_positions(clip.shape[2], like=like)
    encoding = sine_encoding_3d(frames, *clip.shape[3:], clip.shape[1], like=like)
    case.check("sine3d_normalised", encoding.transpose(0, 1)[None])
    raw = case.arrays["sine2d_raw"]
    rows, columns = torch.meshgrid(*map(torch.arange, raw.shape[2:]), indexing="ij")
    encoding = sine_encoding_of_cells(rows, columns, raw.shape[1])
    case.check("sine2d_raw", encoding.permute(2, 0, 1)[None])


@pytest.mark.golden("univs", "position_encoding_3d")
def test_encodings_of_clips_and_points_equal_the_original(case):
    num_frames, _, height, width = case.arrays["fixed_3x4x6"].shape
    points = case.tensor("points")
    like = torch.zeros(())
    channels = 2 * case.meta["config"]["num_pos_feats"]
    default = torch.arange(num_frames)
    indices = torch.tensor([[0, 5, 9], [2, 40, 130]])
    fixed = clip_frame_positions(num_frames, like=like)
    for name, frames in (
        ("fixed_3x4x6", fixed),
        ("arbitrary_default", indexed_frame_positions(default)),
        ("arbitrary_indices", indexed_frame_positions(indices)),
    ):
        encoding = sine_encoding_3d(frames, height, width, channels, like=like)
        case.check(name, encoding[..., ::2, :, :])
    for name, frames in (
        ("fixed_points", fixed),
        ("arbitrary_points_default", indexed_frame_positions(default)),
        ("arbitrary_points_frame7", indexed_frame_positions(torch.full((num_frames,), 7))),
    ):
        case.check(name, sine_encoding_points(points, frames[:, None], channels))
