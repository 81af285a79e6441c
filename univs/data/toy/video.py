"""Render a toy video in memory, with exact annotations of its visible parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from univs.data.toy.background import draw_background
from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.difficulty import ToyDifficulty
from univs.data.toy.scene import Scene, SceneObject, draw_scene
from univs.data.toy.shapes import OUTLINES, paint, rasterise

MIN_SIDE = 32  # pixels: below, outlines can no longer be told apart
NO_STUFF = 255  # in stuff maps: a thing is in front, or nothing is labelled
JPEG_QUALITY = 90
SPLITS = ("train", "val")
_PANORAMA_MARGIN = 0.35  # of the frame's sides, on each side: what a moving camera may see


@dataclass(eq=False)
class ToyVideo:
    """A video of T frames with N labelled objects. Objects are ordered from back to front.

    Attributes:
        name: unique within a data set.
        frames: uint8 [T, H, W, 3], RGB.
        masks: bool [N, T, H, W], visible parts; at most one object per pixel.
        categories: int64 [N], indices into ``THING_CLASSES``.
        paints: name of the colour of each object.
        textures: name of the texture of each object.
        centres: float [N, T, 2], (x, y) in pixels of the whole object, inside the frame or not.
        stuff: uint8 [T, H, W], indices into ``STUFF_CLASSES``, or ``NO_STUFF``. A pixel with
            ``NO_STUFF`` and no object is unlabelled (tiny visible parts).
    """

    name: str
    frames: np.ndarray
    masks: np.ndarray
    categories: np.ndarray
    paints: tuple[str, ...]
    textures: tuple[str, ...]
    centres: np.ndarray
    stuff: np.ndarray

    @property
    def num_objects(self) -> int:
        return len(self.masks)

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.frames.shape[1], self.frames.shape[2]

    @cached_property
    def areas(self) -> np.ndarray:
        """Visible pixels of each object in each frame, int64 [N, T]."""
        return self.masks.sum(axis=(2, 3))

    @cached_property
    def jpegs(self) -> list[bytes]:
        """The frames as JPEG files, encoded once for all layouts."""
        return [encode_jpeg(frame) for frame in self.frames]


def encode_jpeg(frame: np.ndarray) -> bytes:
    """Encode an RGB frame, uint8 [H, W, 3]."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def make_video(
    *,
    seed: int,
    split: str,
    index: int,
    size: tuple[int, int],
    num_frames: int,
    difficulty: ToyDifficulty,
) -> ToyVideo:
    """Make one video. The same arguments give the same video, independently of any other video.

    Args:
        seed: seed of the data set.
        split: ``"train"`` or ``"val"``; the two never share random numbers.
        index: number of the video in its split.
        size: (height, width) in pixels.

    Raises:
        ValueError: the size or the number of frames is too small, or the split is unknown.
    """
    height, width = size
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"Toy videos need sides of at least {MIN_SIDE} pixels, but size is {height}x{width}."
        )
    if num_frames < 1:
        raise ValueError(f"Toy videos need at least one frame, but num_frames is {num_frames}.")
    if split not in SPLITS:
        raise ValueError(f"There is no toy split {split!r}; choose from {', '.join(SPLITS)}.")
    sequence = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), index))
    rng = np.random.Generator(np.random.PCG64(sequence))
    scene = draw_scene(rng, height, width, num_frames, difficulty)
    frames, owners, stuff = _render(rng, scene, height, width)
    masks, kept = _label(owners, stuff, len(scene.objects), difficulty)
    objects = [scene.objects[i] for i in kept]
    return ToyVideo(
        name=f"{split}_{index:04d}",
        frames=frames,
        masks=masks,
        categories=np.array([item.category for item in objects], np.int64),
        paints=tuple(item.paint for item in objects),
        textures=tuple(item.texture for item in objects),
        centres=np.array(
            [_to_frame(scene.camera, item.centres) for item in objects], np.float64
        ).reshape(len(objects), num_frames, 2),
        stuff=stuff,
    )


def _to_frame(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply cameras [T, 2, 3] to one point per frame [T, 2]."""
    return np.einsum("tij,tj->ti", camera[:, :, :2], points) + camera[:, :, 2]


def _render(
    rng: np.random.Generator, scene: Scene, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render all frames.

    Returns:
        Frames uint8 [T, H, W, 3]; index of the foremost object of each pixel, int16 [T, H, W], -1
        where there is none; stuff class behind the objects, uint8 [T, H, W].
    """
    margin = np.array([round(height * _PANORAMA_MARGIN), round(width * _PANORAMA_MARGIN)])
    panorama, labels = draw_background(rng, height + 2 * margin[0], width + 2 * margin[1])
    num_frames = len(scene.camera)
    frames = np.empty((num_frames, height, width, 3), np.float32)
    owners = np.full((num_frames, height, width), -1, np.int16)
    stuff = np.empty((num_frames, height, width), np.uint8)
    for t, camera in enumerate(scene.camera):
        view = camera.copy()
        view[:, 2] -= (
            camera[:, :2] @ margin[::-1]
        )  # the panorama starts left of and above the frame
        frames[t] = cv2.warpAffine(
            panorama, view, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        stuff[t] = cv2.warpAffine(
            labels, view, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
        )
        for index, item in enumerate(scene.objects):
            _draw_object(frames[t], owners[t], item, index, t, camera)
    return _expose(rng, frames, scene), owners, stuff


def _draw_object(
    frame: np.ndarray,
    owners: np.ndarray,
    item: SceneObject,
    index: int,
    t: int,
    camera: np.ndarray,
) -> None:
    """Draw an object over ``frame`` [H, W, 3] and ``owners`` [H, W], in place."""
    height, width = owners.shape
    cosine, sine = np.cos(item.angles[t]), np.sin(item.angles[t])
    pose = camera[:, :2] @ np.array([[cosine, -sine], [sine, cosine]]) * item.radii[t]  # [2, 2]
    centre = camera[:, :2] @ item.centres[t] + camera[:, 2]
    contours = [points @ pose.T + centre for points in _bent_outline(item, t)]
    low = np.maximum(np.floor(contours[0].min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(contours[0].max(axis=0)).astype(int) + 1, (width, height))
    if (high <= low).any():
        return
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    cover = rasterise([points - low for points in contours], high[1] - low[1], high[0] - low[0])
    offset = np.stack(
        np.meshgrid(
            np.arange(low[0], high[0]) + 0.5 - centre[0],
            np.arange(low[1], high[1]) + 0.5 - centre[1],
        )
    )
    u, v = np.tensordot(np.linalg.inv(pose), offset, axes=1)
    colours = paint(item.texture, u, v, item.colour, item.second)
    frame[window] += cover[..., None] * (colours - frame[window])
    owners[window][cover > 0.5] = index


def _bent_outline(item: SceneObject, t: int) -> list[np.ndarray]:
    """The contours of an object in units of its radius, bent by its wave."""
    amplitude, number, phase = item.wave
    contours = []
    for points in OUTLINES[THING_CLASSES[item.category]]:
        around = np.arctan2(points[:, 1], points[:, 0])
        contours.append(points * (1 + amplitude * np.sin(number * around + phase[t]))[:, None])
    return contours


def _expose(rng: np.random.Generator, frames: np.ndarray, scene: Scene) -> np.ndarray:
    """Light, blur and noise: float [T, H, W, 3] to uint8."""
    frames = frames * (scene.brightness[:, None] * scene.tint).astype(np.float32)[:, None, None, :]
    if scene.blur > 0.2:  # less cannot be seen
        for frame in frames:
            cv2.GaussianBlur(frame, (0, 0), scene.blur, dst=frame)
    frames += rng.standard_normal(frames.shape, np.float32) * np.float32(scene.noise)
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def _label(
    owners: np.ndarray, stuff: np.ndarray, num_objects: int, difficulty: ToyDifficulty
) -> tuple[np.ndarray, np.ndarray]:
    """Turn owners into masks, leaving out what is hardly visible; clears ``stuff`` under objects.

    Returns:
        Masks bool [N, T, H, W] and the indices of the kept objects [N].
    """
    stuff[owners >= 0] = NO_STUFF
    masks = owners[None] == np.arange(num_objects, dtype=np.int16)[:, None, None, None]
    min_area = difficulty.min_area * (min(owners.shape[1:]) / 128) ** 2
    masks &= (masks.sum(axis=(2, 3)) >= max(min_area, 1))[:, :, None, None]
    visible_frames = masks.any(axis=(2, 3)).sum(axis=1)
    needed = min(difficulty.min_visible_frames, owners.shape[0])
    kept = np.flatnonzero(visible_frames >= needed)
    return masks[kept], kept
