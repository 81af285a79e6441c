"""Draw a scene: objects with looks and paths, camera, light. Nothing is rendered here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from univs.data.toy.classes import PAINTS, TEXTURES, THING_CLASSES, TYPICAL_PAINTS
from univs.data.toy.difficulty import ToyDifficulty

_PLACEMENT_ATTEMPTS = 25
_MAX_OUTSIDE = 0.35  # share of the frames that an object may spend outside the picture


@dataclass(eq=False)
class SceneObject:
    """One object; coordinates are pixels of the frame as seen by a camera that stands still.

    Attributes:
        category: index into ``THING_CLASSES``.
        paint: name of its colour.
        texture: name of its texture.
        colour, second: RGB 0-255 of the ground and of the pattern, float [3].
        centres: (x, y) per frame, float [T, 2].
        radii: along the two axes of the object per frame, float [T, 2].
        angles: radians per frame, float [T].
        wave: amplitude relative to the radius, number along the outline, and phase per frame [T].
    """

    category: int
    paint: str
    texture: str
    colour: np.ndarray
    second: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    angles: np.ndarray
    wave: tuple[float, int, np.ndarray]


@dataclass(eq=False)
class Scene:
    """Everything a video is rendered from.

    Attributes:
        objects: from back to front.
        camera: maps (x, y, 1) of the standing camera to the frame, float [T, 2, 3].
        brightness: factor per frame, float [T].
        tint: gain per colour channel, float [3].
        blur: standard deviation in pixels.
        noise: standard deviation in grey levels.
    """

    objects: list[SceneObject]
    camera: np.ndarray
    brightness: np.ndarray
    tint: np.ndarray
    blur: float
    noise: float


def draw_scene(
    rng: np.random.Generator, height: int, width: int, num_frames: int, difficulty: ToyDifficulty
) -> Scene:
    """Draw a scene from ``difficulty``; the same generator state gives the same scene."""
    unit = min(height, width)
    time = np.linspace(-0.5, 0.5, num_frames) if num_frames > 1 else np.zeros(1)
    occluder = None
    if rng.random() < difficulty.occluder:
        occluder = _draw_occluder(rng, height, width, time, difficulty)
    objects: list[SceneObject] = []
    count = int(rng.integers(difficulty.num_objects[0], difficulty.num_objects[1] + 1))
    for _ in range(count - (occluder is not None)):
        objects.append(_draw_object(rng, height, width, time, difficulty, objects, occluder))
    objects = [objects[i] for i in rng.permutation(len(objects))]
    if occluder is not None:
        objects.append(occluder)
    swing = np.sin(2 * np.pi * (rng.uniform(0.4, 1.2) * time + rng.random()))
    return Scene(
        objects=objects,
        camera=_draw_camera(rng, height, width, time, difficulty),
        brightness=1 + difficulty.lighting * rng.random() * swing,
        tint=rng.uniform(0.94, 1.06, 3),
        blur=rng.uniform(*difficulty.blur) * unit / 128,
        noise=rng.uniform(*difficulty.noise),
    )


def _draw_look(
    rng: np.random.Generator, difficulty: ToyDifficulty, previous: SceneObject | None
) -> tuple[int, str, str]:
    repeats = previous is not None and rng.random() < difficulty.same_class
    category = previous.category if repeats else int(rng.integers(len(THING_CLASSES)))
    if repeats and rng.random() < difficulty.same_look:
        return category, previous.paint, previous.texture
    paint = TYPICAL_PAINTS[category]
    if rng.random() >= difficulty.typical_paint:
        paint = str(rng.choice(list(PAINTS)))
    return category, paint, str(rng.choice(TEXTURES))


def _assemble(
    rng: np.random.Generator,
    look: tuple[int, str, str],
    centres: np.ndarray,
    radius: float,
    time: np.ndarray,
    difficulty: ToyDifficulty,
) -> SceneObject:
    category, paint, texture = look
    colour = np.clip(np.array(PAINTS[paint]) + rng.uniform(-14, 14, 3), 0, 255)
    second = colour * 0.35 if colour.mean() > 110 else colour * 0.45 + 255 * 0.5
    growth = 1 + difficulty.growth * rng.uniform(-1, 1) * time
    stretch = 1 + difficulty.stretch * rng.random()
    axes = np.array([stretch, 1 / stretch]) ** 0.5
    angles = rng.uniform(-np.pi, np.pi) + difficulty.rotation * rng.uniform(-1, 1) * time
    phase = rng.random() * 2 * np.pi + 2 * np.pi * rng.uniform(-1.5, 1.5) * time
    return SceneObject(
        category=category,
        paint=paint,
        texture=texture,
        colour=colour,
        second=second,
        centres=centres,
        radii=radius * growth[:, None] * axes,
        angles=angles,
        wave=(difficulty.deformation * float(rng.random()), int(rng.integers(2, 4)), phase),
    )


def _draw_object(
    rng: np.random.Generator,
    height: int,
    width: int,
    time: np.ndarray,
    difficulty: ToyDifficulty,
    others: list[SceneObject],
    occluder: SceneObject | None,
) -> SceneObject:
    """Draw an object whose path leaves, if it can, the others and the frame's inside to be seen."""
    unit = min(height, width)
    size = np.array([width, height])
    previous = others[-1] if others else None
    look = _draw_look(rng, difficulty, previous)
    radius = rng.uniform(*difficulty.object_size) * unit / 2
    crosses = previous is not None and rng.random() < difficulty.crossing
    best, best_cost = None, np.inf
    for _ in range(_PLACEMENT_ATTEMPTS):
        if crosses:
            centres = _crossing_path(rng, previous.centres, unit, time, difficulty)
        elif occluder is not None:
            through = occluder.centres[len(time) // 2] + rng.uniform(-0.12, 0.12, 2) * unit
            centres = _path_through(rng, through, rng.uniform(-0.2, 0.2), unit, time, difficulty)
        else:
            centres = _free_path(rng, height, width, radius, time, difficulty)
        outside = float(((centres < 0) | (centres > size)).any(axis=1).mean())
        overlap = _overlap(centres, radius, others)
        cost = max(overlap - difficulty.max_overlap, 0) + max(outside - _MAX_OUTSIDE, 0)
        if cost < best_cost:
            best, best_cost = centres, cost
        if cost == 0:
            break
    return _assemble(rng, look, best, radius, time, difficulty)


def _draw_occluder(
    rng: np.random.Generator,
    height: int,
    width: int,
    time: np.ndarray,
    difficulty: ToyDifficulty,
) -> SceneObject:
    """A large object near the middle that hardly moves. Rings have a hole and would not hide."""
    unit = min(height, width)
    middle = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)
    centres = middle + time[:, None] * rng.uniform(-0.1, 0.1, 2) * unit
    solid = ["circle", "square", "triangle"]
    category = THING_CLASSES.index(str(rng.choice(solid)))
    look = (category, str(rng.choice(list(PAINTS))), str(rng.choice(TEXTURES)))
    radius = rng.uniform(0.48, 0.6) * unit / 2
    return _assemble(rng, look, centres, radius, time, difficulty)


def _wobble(rng: np.random.Generator, unit: int, time: np.ndarray) -> np.ndarray:
    amplitude = rng.uniform(0, 0.03, 2) * unit
    phase = rng.random(2) * 2 * np.pi
    return amplitude * np.sin(2 * np.pi * time[:, None] * rng.uniform(0.5, 2.0) + phase)


def _path_through(
    rng: np.random.Generator,
    point: np.ndarray,
    when: float,
    unit: int,
    time: np.ndarray,
    difficulty: ToyDifficulty,
) -> np.ndarray:
    """A path, mostly sideways, that is at ``point`` at time ``when`` in [-0.5, 0.5]. [T, 2]."""
    heading = rng.choice([0, np.pi]) + rng.uniform(-0.5, 0.5)
    velocity = rng.uniform(*difficulty.travel) * unit * np.array([np.cos(heading), np.sin(heading)])
    return point + (time[:, None] - when) * velocity + _wobble(rng, unit, time)


def _crossing_path(
    rng: np.random.Generator,
    other: np.ndarray,
    unit: int,
    time: np.ndarray,
    difficulty: ToyDifficulty,
) -> np.ndarray:
    """A path against the direction of ``other`` [T, 2] that meets it in the middle of the video."""
    meeting = int(np.clip(round(len(time) * rng.uniform(0.35, 0.65)), 0, len(time) - 1))
    velocity = other[-1] - other[0]
    heading = np.arctan2(velocity[1], velocity[0]) + np.pi + rng.uniform(-0.6, 0.6)
    speed = rng.uniform(*difficulty.travel) * unit
    direction = np.array([np.cos(heading), np.sin(heading)])
    path = other[meeting] + (time - time[meeting])[:, None] * speed * direction
    return path + _wobble(rng, unit, time)


def _free_path(
    rng: np.random.Generator,
    height: int,
    width: int,
    radius: float,
    time: np.ndarray,
    difficulty: ToyDifficulty,
) -> np.ndarray:
    """A path that stays in the frame, or starts or ends outside. [T, 2]."""
    unit = min(height, width)
    size = np.array([width, height])
    margin = np.minimum(radius * 0.8, size * 0.45)
    heading = rng.random() * 2 * np.pi
    travel = rng.uniform(*difficulty.travel) * unit * np.array([np.cos(heading), np.sin(heading)])
    start = rng.uniform(margin, size - margin)
    inside = np.clip(start + travel, margin, size - margin)
    if rng.random() >= difficulty.enter_or_leave:
        first, last = start, inside
    else:
        outside = inside.copy()
        axis = int(rng.random() < 0.4)
        outside[axis] = -1.2 * radius if rng.random() < 0.5 else size[axis] + 1.2 * radius
        first, last = (outside, start) if rng.random() < 0.5 else (start, outside)
    return first + (time[:, None] + 0.5) * (last - first) + _wobble(rng, unit, time)


def _overlap(centres: np.ndarray, radius: float, others: list[SceneObject]) -> float:
    """Largest share of frames in which another object is closer than 0.8 of touching."""
    shares = [
        float(
            np.mean(
                np.linalg.norm(centres - other.centres, axis=1)
                < 0.8 * (radius + other.radii.mean(axis=1))
            )
        )
        for other in others
    ]
    return max(shares, default=0.0)


def _draw_camera(
    rng: np.random.Generator, height: int, width: int, time: np.ndarray, difficulty: ToyDifficulty
) -> np.ndarray:
    """Camera that shifts, zooms and rolls about the middle of the frame. [T, 2, 3]."""
    unit = min(height, width)
    zoom = 1 + difficulty.camera_zoom * rng.uniform(-1, 1) * time
    roll = difficulty.camera_roll * rng.uniform(-1, 1) * time
    shift = time[:, None] * rng.uniform(-1, 1, 2) * difficulty.camera_shift * unit
    shake = rng.normal(0, 0.004 * unit, (len(time), 2))
    cosine, sine = zoom * np.cos(roll), zoom * np.sin(roll)
    linear = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)  # [T, 2, 2]
    centre = np.array([width, height]) / 2
    offset = centre - linear @ centre + shift + shake
    return np.concatenate([linear, offset[:, :, None]], axis=2)
