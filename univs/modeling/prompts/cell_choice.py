"""Which cells of a feature map stand for an object."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Visual prompts are sampled from features of this stride.
PROMPT_STRIDE = 8


def cells_of_masks(masks: Tensor, *, published: bool = True) -> Tensor:
    """The cells whose top left pixel a mask covers.

    Args:
        masks: bool ``(P, H, W)``, H and W multiples of 8.
        published: if no mask of the call covers a cell, every cell stands for every object, and if
            another does, none stands for an object too small; otherwise a small object is the cell
            that has most of its pixels.

    Returns:
        bool ``(P, H / 8, W / 8)``.

    Raises:
        ValueError: the size is not a multiple of 8.
    """
    height, width = masks.shape[-2:]
    if height % PROMPT_STRIDE or width % PROMPT_STRIDE:
        raise ValueError(
            f"Prompt masks must be as large as the padded frames, multiples of {PROMPT_STRIDE}, "
            f"but are {height} x {width}."
        )
    cells = masks[:, ::PROMPT_STRIDE, ::PROMPT_STRIDE]
    if published:
        return cells | ~cells.any()
    counts = F.avg_pool2d(masks.float()[:, None], PROMPT_STRIDE)[:, 0].flatten(1)
    largest = F.one_hot(counts.argmax(1), counts.shape[1]).bool().view_as(cells)
    is_small = ~cells.flatten(1).any(1) & masks.flatten(1).any(1)
    return cells | (largest & is_small[:, None, None])


def cells_of_boxes(boxes: Tensor, size: tuple[int, int], *, published: bool = True) -> Tensor:
    """The cells that boxes touch.

    Args:
        boxes: ``(P, 4)``, xyxy relative to the frame, 0 to 1.
        size: (h, w) of the feature map.
        published: leave out the first column and row, and add one after the last.

    Returns:
        bool ``(P, h, w)``.
    """
    axes = []
    for length, first, last in ((size[0], 1, 3), (size[1], 0, 2)):
        cells = torch.arange(length, device=boxes.device)
        start = (boxes[:, first, None] * length).floor()
        end = (boxes[:, last, None] * length).ceil()
        inside = (cells > start) & (cells <= end) if published else (cells >= start) & (cells < end)
        axes.append(inside)
    return axes[0][:, :, None] & axes[1][:, None, :]


def choose_cells(
    cells: Tensor,
    num_tokens: int,
    *,
    at_random: bool,
    with_extremes: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Choose the same number of cells for every object.

    Objects with fewer cells repeat them, row by row; of the others some are left out.

    Args:
        cells: bool ``(P, h, w)``.
        num_tokens: R, how many to choose.
        at_random: draw them; otherwise they are spread evenly.
        with_extremes: the first four are the outermost cells to the left, top, right and bottom, if
            there are R cells or more.
        generator: draws on the CPU; default: torch's own.

    Returns:
        int64 ``(P, R)``, indices of cells row by row; meaningless for an object without cells.
    """
    flat = cells.flatten(1)
    counts = flat.sum(1).tolist()
    ranks = torch.stack([_ranks(n, num_tokens, at_random, generator) for n in counts])
    # The set cells first, in order; then the ranks among them become indices of cells.
    order = (~flat).to(torch.uint8).argsort(dim=1, stable=True)
    chosen = order.gather(1, ranks.to(order.device))
    if with_extremes:
        enough = torch.tensor([n >= num_tokens for n in counts], device=chosen.device)
        extremes = extreme_cells(cells)[:, :num_tokens]
        first = chosen[:, : extremes.shape[1]]
        chosen[:, : extremes.shape[1]] = torch.where(enough[:, None], extremes, first)
    return chosen


def _ranks(
    count: int, num_tokens: int, at_random: bool, generator: torch.Generator | None
) -> Tensor:
    if count < num_tokens:
        return torch.arange(num_tokens) % max(count, 1)
    if at_random:
        return torch.randperm(count, generator=generator)[:num_tokens]
    return ((torch.arange(num_tokens) + 0.5) * (count / num_tokens)).long()


def extreme_cells(cells: Tensor) -> Tensor:
    """The outermost cells: left, top, right, bottom; the topmost or leftmost of several.

    Args:
        cells: bool ``(P, h, w)``.

    Returns:
        int64 ``(P, 4)``, indices of cells row by row.
    """
    height, width = cells.shape[-2:]
    row = torch.arange(height, device=cells.device)[:, None]
    column = torch.arange(width, device=cells.device)
    area = height * width
    costs = torch.stack(
        [
            column * height + row,
            row * width + column,
            row - column * height,
            column - row * width,
        ]
    )  # 4 h w
    costs = costs.masked_fill(~cells[:, None], 2 * area)
    return costs.flatten(2).argmin(2)


def random_pixels(
    masks: Tensor, generator: torch.Generator | None = None, *, prefer_centre: bool = False
) -> Tensor:
    """A random pixel of each mask.

    Args:
        masks: bool ``(P, H, W)``.
        generator: draws on the CPU; default: torch's own.
        prefer_centre: take one in the central half of the mask's box, if there is any.

    Returns:
        ``(P, 2)``, centres as (x, y) relative to the frame; of the first pixel where a mask is
        empty.
    """
    height, width = masks.shape[-2:]
    candidates = masks
    if prefer_centre:
        central = masks & central_half(masks)
        candidates = torch.where(central.flatten(1).any(1)[:, None, None], central, masks)
    flat = candidates.flatten(1)
    ranks = [
        int(torch.randperm(n, generator=generator)[0]) if n else 0 for n in flat.sum(1).tolist()
    ]
    ranks = torch.tensor(ranks, device=masks.device)
    chosen = (flat.cumsum(1) > ranks[:, None]).to(torch.uint8).argmax(1)  # the first one
    x, y = chosen % width, torch.div(chosen, width, rounding_mode="floor")
    return torch.stack(((x + 0.5) / width, (y + 0.5) / height), dim=1)


def central_half(masks: Tensor) -> Tensor:
    """The central half, in each direction, of the box around each mask: bool ``(P, H, W)``."""
    axes = []
    for axis in (1, 2):
        occupied = masks.any(3 - axis)  # P length
        length = occupied.shape[1]
        index = torch.arange(length, device=masks.device)
        first = occupied.to(torch.uint8).argmax(1)
        last = length - 1 - occupied.flip(1).to(torch.uint8).argmax(1)
        centre, quarter = (first + last) / 2, (last - first) / 4
        axes.append((index - centre[:, None]).abs() <= quarter[:, None])
    return axes[0][:, :, None] & axes[1][:, None, :]
