from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from univs.modeling.decoder.temporal_windows import cut, in_windows


def part_lengths(parts) -> list[int]:
    return [part.shape[1] for part in parts]


def frame_numbers(num_frames: int) -> torch.Tensor:
    """Tokens ``(G, T, Q, C)`` that tell their frame and, after the point, video and query."""
    frames = torch.arange(float(num_frames)).view(1, -1, 1, 1)
    return frames + torch.tensor([[0.0, 0.25], [0.5, 0.75]]).view(2, 1, 2, 1)


def window_sets(num_frames: int, window: int, shift: int) -> list[list[int]]:
    """The frames of every window, as the layers see them; videos must not be mixed."""
    found = []

    def look(tokens: torch.Tensor) -> torch.Tensor:
        for one in tokens:  # w*Q C
            assert (one.frac() >= 0.5).all() or (one.frac() < 0.5).all()
            found.append(sorted({int(value) for value in one.flatten()}))
        return tokens

    for _ in in_windows([look], [frame_numbers(num_frames)], window, shift):
        pass
    return found


def test_windows_by_hand():
    assert window_sets(5, 3, 0) == [[0, 1, 2], [0, 1, 2], [3, 4], [3, 4]]
    assert window_sets(5, 3, 2) == [[0], [0], [1, 2, 3], [1, 2, 3], [4], [4]]
    assert window_sets(2, 6, 3) == [[0, 1], [0, 1]]
    assert window_sets(4, 0, 0) == [[0, 1, 2, 3]] * 2


@given(
    num_frames=st.integers(1, 80),
    window=st.integers(1, 7),
    is_shifted=st.booleans(),
    part_length=st.integers(1, 90),
)
def test_windows_hold_every_frame_once_and_keep_the_order(
    num_frames, window, is_shifted, part_length
):
    shift = (window + 1) // 2 if is_shifted and window > 1 else 0
    tokens = frame_numbers(num_frames)
    parts = list(in_windows([torch.neg], tokens.split(part_length, dim=1), window, shift))
    torch.testing.assert_close(-torch.cat(parts, dim=1), tokens)


def test_layers_are_applied_one_after_the_other():
    tokens = frame_numbers(3)
    (part,) = in_windows([lambda x: 2 * x, lambda x: x + 1], [tokens], 3)
    torch.testing.assert_close(part, 2 * tokens + 1)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    first=st.integers(0, 5),
    following=st.integers(1, 12),
)
def test_a_stream_is_cut_anew(lengths, first, following):
    tokens = frame_numbers(sum(lengths))
    parts = list(cut(tokens.split(lengths, dim=1), first, following))
    torch.testing.assert_close(torch.cat(parts, dim=1), tokens)
    sizes = part_lengths(parts)
    assert sizes[0] == min(first or following, sum(lengths))
    assert all(size == following for size in sizes[1:-1])
    assert len(sizes) == 1 or 1 <= sizes[-1] <= following
