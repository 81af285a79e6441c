"""Several frames in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

_PAPER = 255
_INK = (32, 32, 32)


def contact_sheet(
    frames: Sequence[np.ndarray],
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell_width: int = 320,
    gap: int = 8,
) -> np.ndarray:
    """Arrange frames in a grid, row by row.

    Args:
        frames: N uint8 RGB [H, W, 3], N >= 1; sizes may differ.
        captions: a line below each frame.
        columns: frames per row; by default about as many as there are rows.
        cell_width: frames wider than this many pixels are made smaller.
        gap: pixels between the cells and around them.

    Returns:
        uint8 RGB picture; `write_png` writes it to a file.

    Raises:
        ValueError: no frames, or not one caption for each.
    """
    if not frames:
        raise ValueError("A contact sheet needs at least one frame.")
    if captions is not None and len(captions) != len(frames):
        raise ValueError(f"{len(frames)} frames need as many captions, not {len(captions)}.")
    columns = columns or math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    cells = [_shrink(frame, cell_width) for frame in frames]
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    caption_height = 0 if captions is None else 20
    pitch = height + caption_height + gap, width + gap
    sheet = np.full((rows * pitch[0] + gap, columns * pitch[1] + gap, 3), _PAPER, dtype=np.uint8)
    for index, cell in enumerate(cells):
        y, x = gap + index // columns * pitch[0], gap + index % columns * pitch[1]
        sheet[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
        if captions is not None:
            text = captions[index].encode("ascii", "replace").decode()
            origin = (x, y + height + 15)
            cv2.putText(sheet, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    return sheet


def _shrink(frame: np.ndarray, width: int) -> np.ndarray:
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
