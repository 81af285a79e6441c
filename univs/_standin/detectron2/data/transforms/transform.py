"""Transforms that fvcore lacks: by the resampling of Pillow and OpenCV, and of colours."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from fvcore.transforms.transform import (
    CropTransform,
    NoOpTransform,
    Transform,
    TransformList,
)
from PIL import Image
from torch.nn import functional as F

__all__ = [
    "ColorTransform",
    "ExtentTransform",
    "PILColorTransform",
    "ResizeTransform",
    "RotationTransform",
]

_TORCH_MODES = {
    Image.NEAREST: "nearest",
    Image.BILINEAR: "bilinear",
    Image.BICUBIC: "bicubic",
}


class ExtentTransform(Transform):
    """Cut out a rectangle, which may reach beyond the image, and resize it.

    Args:
        src_rect: (x0, y0, x1, y1) in pixels.
        output_size: (height, width).
        interp: resampling of Pillow.
        fill: value of what lies outside of the image.
    """

    def __init__(
        self,
        src_rect: tuple[float, float, float, float],
        output_size: tuple[int, int],
        interp: int = Image.BILINEAR,
        fill: int = 0,
    ) -> None:
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """Transform a uint8 image ``[H, W]`` or ``[H, W, C]``."""
        height, width = self.output_size
        is_single_channel = img.ndim > 2 and img.shape[2] == 1
        image = Image.fromarray(img[:, :, 0] if is_single_channel else img)
        image = image.transform(
            size=(width, height),
            method=Image.EXTENT,
            data=self.src_rect,
            resample=interp if interp else self.interp,
            fill=self.fill,
        )
        return np.asarray(image)[..., None] if is_single_channel else np.asarray(image)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Transform points ``[N, 2]`` (x, y)."""
        height, width = self.output_size
        x0, y0, x1, y1 = self.src_rect
        new = coords.astype(np.float32)
        new[:, 0] = (new[:, 0] - x0) * (width / (x1 - x0))
        new[:, 1] = (new[:, 1] - y0) * (height / (y1 - y0))
        return new

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Transform labels ``[H, W]``, without mixing them."""
        height, width = self.output_size
        image = Image.fromarray(segmentation).transform(
            size=(width, height), method=Image.EXTENT, data=self.src_rect, resample=Image.NEAREST
        )
        return np.asarray(image)


class ResizeTransform(Transform):
    """Resize.

    Args:
        h: height of the input.
        w: width of the input.
        new_h: height of the result.
        new_w: width of the result.
        interp: resampling of Pillow; bilinear if None. Images of uint8 are resized by Pillow, which
            smooths when it shrinks; others by torch, which does not.
    """

    def __init__(self, h: int, w: int, new_h: int, new_w: int, interp: int | None = None) -> None:
        super().__init__()
        interp = Image.BILINEAR if interp is None else interp
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """Resize ``[H, W]``, ``[H, W, C]`` or, if not uint8, ``[H, W, 1, C]``; same dtype."""
        assert img.shape[:2] == (self.h, self.w), (
            f"the transform is for images of size {(self.h, self.w)}, not {img.shape[:2]}"
        )
        interp = self.interp if interp is None else interp
        if img.dtype == np.uint8:
            is_single_channel = img.ndim > 2 and img.shape[2] == 1
            image = Image.fromarray(img[:, :, 0] if is_single_channel else img)
            resized = np.asarray(image.resize((self.new_w, self.new_h), interp))
            return resized[..., None] if is_single_channel else resized
        mode = _TORCH_MODES[interp]
        planes = torch.from_numpy(np.ascontiguousarray(img)).reshape(self.h, self.w, -1)
        planes = F.interpolate(
            planes.permute(2, 0, 1)[None],  # [1, C, H, W]
            size=(self.new_h, self.new_w),
            mode=mode,
            align_corners=None if mode == "nearest" else False,
        )[0]
        resized = planes.permute(1, 2, 0).numpy()  # [new_h, new_w, C]
        return resized.reshape(self.new_h, self.new_w, *img.shape[2:])

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Transform points ``[N, 2]`` (x, y) in place."""
        coords[:, 0] *= self.new_w / self.w
        coords[:, 1] *= self.new_h / self.h
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Resize labels ``[H, W]``, without mixing them."""
        return self.apply_image(segmentation, interp=Image.NEAREST)

    def inverse(self) -> Transform:
        """The resizing back."""
        return ResizeTransform(self.new_h, self.new_w, self.h, self.w, self.interp)


class RotationTransform(Transform):
    """Rotate counter-clockwise; what comes in is black.

    Args:
        h: height of the input.
        w: width of the input.
        angle: in degrees.
        expand: make the result as large as the rotated image, instead of as large as the input.
        center: (x, y) of the point that stays, which matters without ``expand``; the centre of the
            image if None.
        interp: resampling of OpenCV; linear if None.
    """

    def __init__(
        self,
        h: int,
        w: int,
        angle: float,
        expand: bool = True,
        center: tuple[float, float] | None = None,
        interp: int | None = None,
    ) -> None:
        super().__init__()
        image_center = np.array((w / 2, h / 2))
        center = image_center if center is None else center
        interp = cv2.INTER_LINEAR if interp is None else interp
        cosine, sine = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
        if expand:
            bound_w, bound_h = np.rint([h * sine + w * cosine, h * cosine + w * sine]).astype(int)
        else:
            bound_w, bound_h = w, h
        self._set_attributes(locals())
        self.rm_coords = self.create_rotation_matrix()
        # Pixel centres are at half coordinates, but OpenCV counts from pixel centres.
        self.rm_image = self.create_rotation_matrix(offset=-0.5)

    def create_rotation_matrix(self, offset: float = 0) -> np.ndarray:
        """``[2, 3]``, for coordinates that are shifted by ``offset``."""
        center = (float(self.center[0] + offset), float(self.center[1] + offset))
        matrix = cv2.getRotationMatrix2D(center, self.angle, 1)
        if self.expand:
            moved = matrix[:, :2] @ (self.image_center + offset) + matrix[:, 2]
            matrix[:, 2] += np.array([self.bound_w / 2, self.bound_h / 2]) + offset - moved
        return matrix

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """Rotate an image ``[H, W]`` or ``[H, W, C]``."""
        if len(img) == 0 or self.angle % 360 == 0:
            return img
        assert img.shape[:2] == (self.h, self.w), (
            f"the transform is for images of size {(self.h, self.w)}, not {img.shape[:2]}"
        )
        size = (int(self.bound_w), int(self.bound_h))
        interp = self.interp if interp is None else interp
        return cv2.warpAffine(img, self.rm_image, size, flags=interp)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Rotate points ``[N, 2]`` (x, y)."""
        coords = np.asarray(coords, dtype=float)
        if len(coords) == 0 or self.angle % 360 == 0:
            return coords
        return coords @ self.rm_coords[:, :2].T + self.rm_coords[:, 2]

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Rotate labels ``[H, W]``, without mixing them."""
        return self.apply_image(segmentation, interp=cv2.INTER_NEAREST)

    def inverse(self) -> Transform:
        """The rotation back, cut to the size of the input. Only with ``expand``."""
        if not self.expand:
            raise NotImplementedError("a rotation without expand has lost the corners")
        back = RotationTransform(self.bound_h, self.bound_w, -self.angle, True, None, self.interp)
        crop = CropTransform(
            (back.bound_w - self.w) // 2, (back.bound_h - self.h) // 2, self.w, self.h
        )
        return TransformList([back, crop])


class ColorTransform(Transform):
    """Change the pixels of an image by a function.

    Args:
        op: of an image array, which returns one of the same size.
    """

    def __init__(self, op: Callable[[np.ndarray], np.ndarray]) -> None:
        if not callable(op):
            raise ValueError("op parameter should be callable")
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """``op`` of the image."""
        return self.op(img)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """The points themselves."""
        return coords

    def inverse(self) -> Transform:
        """Nothing, since inverses are of geometry."""
        return NoOpTransform()

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """The labels themselves."""
        return segmentation


class PILColorTransform(ColorTransform):
    """As :class:`ColorTransform`, by a function of Pillow images."""

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """``op`` of the image."""
        return np.asarray(super().apply_image(Image.fromarray(img)))
