"""Draw what was found onto a frame: coloured masks with outlines, and a label for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from univs.structures import FrameResult, Segment, compose_id_map
from univs.visualization.palette import readable_on, track_colors

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST_REGION = 0.01  # share of the frame from which on a region of a label map gets its name


def draw_frame(
    frame: np.ndarray,
    result: FrameResult,
    class_names: Sequence[str] = (),
    *,
    opacity: float = 0.45,
    with_labels: bool = True,
) -> np.ndarray:
    """Draw a result onto a frame.

    Where masks overlap, the one with the highest score lies on top. A label map, if there is one,
    is drawn below the masks.

    Args:
        frame: uint8 RGB [H, W, 3]; it is not changed.
        result: segments and label map of this frame, of its size.
        class_names: indexed by category; a category beyond its end is shown by its number.
        opacity: of the masks, 0 to 1.
        with_labels: write class, score and track id beside each mask, and class names into the
            regions of a label map.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        ValueError: the frame has not the size of the result.
    """
    if frame.shape != (*result.size, 3) or frame.dtype != np.uint8:
        raise ValueError(
            f"The frame must be uint8 {[*result.size, 3]}: {frame.dtype} {list(frame.shape)}."
        )
    canvas = frame.copy()
    labels: list[_Label] = []
    if result.label_map is not None:
        regions = result.label_map.astype(np.int64) + 1  # 0 is void
        categories, index_map = np.unique(np.append(0, regions), return_inverse=True)
        index_map = index_map[1:].reshape(result.size).astype(np.uint16)
        colors = track_colors(categories)
        _blend(canvas, index_map, colors, opacity)
        labels += _region_labels(index_map, categories, colors, class_names)
    if result.segments:
        index_map = compose_id_map(
            [segment.rle for segment in result.segments],
            range(1, len(result.segments) + 1),
            [segment.score for segment in result.segments],
            result.size,
            np.uint16,
        )
        colors = track_colors([0, *(segment.track_id for segment in result.segments)])
        _blend(canvas, index_map, colors, opacity)
        labels += _segment_labels(index_map, result.segments, colors, class_names)
    if with_labels:
        _write(canvas, labels)
    return canvas


@dataclass(frozen=True)
class _Label:
    """A text and where it wants to be.

    Attributes:
        texts: the text and shorter forms of it, for want of room.
        color: of its background, RGB.
        box: x0, y0, x1, y1 of what it describes, in pixels.
        is_inside: centred in the box instead of above it.
    """

    texts: tuple[str, ...]
    color: np.ndarray
    box: tuple[int, int, int, int]
    is_inside: bool = False


def _blend(canvas: np.ndarray, index_map: np.ndarray, colors: np.ndarray, opacity: float) -> None:
    """Colour ``canvas`` in place by index; index 0 stays clear and edges are drawn opaque.

    Args:
        canvas: uint8 [H, W, 3].
        index_map: uint16 [H, W], into ``colors``.
        colors: [N, 3] uint8.
        opacity: of the inside.
    """
    inside = (index_map > 0).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    if width == 0:
        return
    window = slice(y, y + height), slice(x, x + width)
    edges = _edges(index_map, _line_width(canvas.shape[:2]))
    painted = np.take(colors, index_map[window], axis=0)  # [h, w, 3]
    mixed = cv2.addWeighted(canvas[window], 1 - opacity, painted, opacity, 0)
    cv2.copyTo(mixed, inside[window], canvas[window])
    cv2.copyTo(painted, inside[window] & edges[window], canvas[window])


def _edges(index_map: np.ndarray, width: int) -> np.ndarray:
    """[H, W] uint8, 1 within ``width`` pixels of another index; the frame's border is no edge."""
    kernel = np.ones((2 * width + 1, 2 * width + 1), dtype=np.uint8)
    highest = cv2.dilate(index_map, kernel, borderType=cv2.BORDER_REPLICATE)
    lowest = cv2.erode(index_map, kernel, borderType=cv2.BORDER_REPLICATE)
    return (highest != lowest).astype(np.uint8)


def _segment_labels(
    index_map: np.ndarray,
    segments: Sequence[Segment],
    colors: np.ndarray,
    class_names: Sequence[str],
) -> list[_Label]:
    """One label for each segment of which something is visible."""
    labels = []
    for index, segment in enumerate(segments, start=1):
        box = cv2.boundingRect((index_map == index).astype(np.uint8))
        if box[2] == 0:
            continue
        name = _class_name(segment.category, class_names)
        number = f"#{segment.track_id}"
        texts = (f"{name} {segment.score:.2f} {number}".strip(), f"{name} {number}".strip(), number)
        labels.append(_Label(texts, colors[index], _corners(box)))
    return labels


def _region_labels(
    index_map: np.ndarray,
    categories: np.ndarray,
    colors: np.ndarray,
    class_names: Sequence[str],
) -> list[_Label]:
    """The class name for each large region, at the point deepest inside it."""
    areas = np.bincount(index_map.ravel(), minlength=len(categories))
    large = np.flatnonzero(areas >= _SMALLEST_REGION * index_map.size)
    labels = []
    for index in large[large > 0]:
        # A rim of background makes the frame's border count as the border of the region.
        region = np.pad((index_map == index).astype(np.uint8), 1)
        depth = cv2.distanceTransform(region, cv2.DIST_L2, 3)
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        name = _class_name(int(categories[index]) - 1, class_names)
        labels.append(_Label((name,), colors[index], (x - 1, y - 1, x - 1, y - 1), is_inside=True))
    return labels


def _class_name(category: int | None, class_names: Sequence[str]) -> str:
    if category is None:
        return ""
    return class_names[category] if category < len(class_names) else f"class {category}"


def _corners(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = box
    return x, y, x + width, y + height


def _line_width(size: tuple[int, int]) -> int:
    return max(1, round(min(size) / 400))


def _write(canvas: np.ndarray, labels: Sequence[_Label]) -> None:
    """Write labels onto ``canvas`` in place, beside one another as far as there is room."""
    shorter_side = min(canvas.shape[:2])
    scale = max(0.36, shorter_side / 1000)
    thickness = max(1, round(1.6 * scale))
    pad = max(2, round(6 * scale))
    taken: list[tuple[int, int, int, int]] = []
    text_colors = readable_on(np.array([label.color for label in labels]).reshape(-1, 3))
    for label, text_color in zip(labels, text_colors, strict=True):
        placed = _place(label, taken, canvas.shape[:2], scale, thickness, pad)
        if placed is None:
            continue
        text, (x0, y0, x1, y1), baseline = placed
        taken.append((x0, y0, x1, y1))
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), label.color.tolist(), cv2.FILLED)
        origin = (x0 + pad, y1 - pad - baseline)
        color = text_color.tolist()
        cv2.putText(canvas, text, origin, _FONT, scale, color, thickness, cv2.LINE_AA)


def _place(
    label: _Label,
    taken: Sequence[tuple[int, int, int, int]],
    size: tuple[int, int],
    scale: float,
    thickness: int,
    pad: int,
) -> tuple[str, tuple[int, int, int, int], int] | None:
    """Find the longest form of a label that fits, and a free place; else the least bad one.

    Returns:
        The text, its plate x0, y0, x1, y1, and the part of its height below the baseline; None if
        the frame is too small for any form.
    """
    height, width = size
    left, top, right, bottom = label.box
    fallback = None
    for text in label.texts:
        text = text.encode("ascii", "replace").decode()  # what the font has
        (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, thickness)
        baseline = round(0.6 * baseline)  # the plate may be a little tighter than the font's box
        plate_width, plate_height = text_width + 2 * pad, text_height + baseline + 2 * pad
        if plate_width > width or plate_height > height:
            continue
        middle = (left + right - plate_width) // 2
        if label.is_inside:
            start = top - plate_height // 2
            spots = [(middle, start + step * plate_height) for step in (0, 1, -1, 2, -2)]
        else:
            spots = [(left, top - plate_height), (left, top), (middle, top), (left, bottom)]
            spots += [(right - plate_width, y) for y in (top - plate_height, top, bottom)]
            spots += [(middle, (top + bottom - plate_height) // 2)]
        for x, y in spots:
            x = int(np.clip(x, 0, width - plate_width))
            y = int(np.clip(y, 0, height - plate_height))
            plate = (x, y, x + plate_width, y + plate_height)
            fallback = fallback or (text, plate, baseline)
            if not any(_intersect(plate, other) for other in taken):
                return text, plate, baseline
    return fallback


def _intersect(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
