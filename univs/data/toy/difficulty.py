"""How hard a toy video is: one dataclass of ranges, and named presets."""

from __future__ import annotations

from dataclasses import dataclass, fields

Range = tuple[float, float]


@dataclass(frozen=True)
class ToyDifficulty:
    """Ranges and probabilities a scene is drawn from.

    A range is ``(low, high)``, both included, and is drawn from uniformly. Lengths are fractions of
    the shorter side of the frame, so that difficulty does not depend on the frame size; "over the
    video" means from the first to the last frame, so that it does not depend on their number.

    Attributes:
        num_objects: objects in a video.
        object_size: diameter of an object.
        stretch: largest ratio between the two axes of an object is ``1 + stretch``.
        growth: largest relative change of the diameter over the video.
        rotation: largest turn over the video, in radians.
        deformation: amplitude of the waves that run along an outline, relative to its radius.
        travel: length of an object's path over the video.
        enter_or_leave: probability that an object starts, or ends, outside the frame.
        max_overlap: largest share of frames in which an object may be close to another one, as far
            as a few attempts can achieve it (occluders are exempt).
        same_class: probability that an object repeats the class of the object before it.
        same_look: probability that it then also repeats the paint and the texture.
        typical_paint: probability that an object has the paint that is typical of its class, as
            oranges are orange; otherwise its paint is drawn from all.
        crossing: probability that an object's path runs through the one of the object before it.
        occluder: probability that a large, slow object stands in front of the paths of all others.
        camera_shift: largest shift of the camera over the video.
        camera_zoom: largest relative zoom of the camera over the video.
        camera_roll: largest roll of the camera over the video, in radians.
        blur: standard deviation of the optical blur, in pixels of a 128-pixel-high frame.
        lighting: largest relative change of the brightness over the video.
        noise: standard deviation of the sensor noise, in grey levels of 0-255.
        min_area: a visible part of fewer pixels (of a frame 128 pixels high) is left unlabelled.
        min_visible_frames: an object visible in fewer frames is left unlabelled altogether.
    """

    num_objects: tuple[int, int] = (2, 4)
    object_size: Range = (0.34, 0.56)
    stretch: float = 0.25
    growth: float = 0.3
    rotation: float = 1.6
    deformation: float = 0.04
    travel: Range = (0.15, 0.8)
    enter_or_leave: float = 0.15
    max_overlap: float = 0.25
    same_class: float = 0.25
    same_look: float = 0.2
    typical_paint: float = 0.95
    crossing: float = 0.15
    occluder: float = 0.0
    camera_shift: float = 0.2
    camera_zoom: float = 0.12
    camera_roll: float = 0.08
    blur: Range = (0.0, 0.9)
    lighting: float = 0.25
    noise: Range = (1.0, 6.0)
    min_area: int = 24
    min_visible_frames: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                if len(value) != 2 or not 0 <= value[0] <= value[1]:
                    raise ValueError(
                        f"ToyDifficulty.{field.name} must be (low, high) with 0 <= low <= high, "
                        f"but is {value}."
                    )
            elif value < 0:
                raise ValueError(
                    f"ToyDifficulty.{field.name} must not be negative, but is {value}."
                )
        for name in ("enter_or_leave", "max_overlap", "same_class", "same_look"):
            self._check_probability(name)
        self._check_probability("typical_paint")
        self._check_probability("crossing")
        self._check_probability("occluder")
        if self.num_objects[0] < 1:
            raise ValueError("ToyDifficulty.num_objects must start at 1 or more.")

    def _check_probability(self, name: str) -> None:
        if getattr(self, name) > 1:
            raise ValueError(
                f"ToyDifficulty.{name} must be at most 1, but is {getattr(self, name)}."
            )


PRESETS = {
    # Class, outline and motion are clear; objects touch now and then.
    "default": ToyDifficulty(),
    # Objects of one class and look cross each other and pass behind a large object, so that only
    # position and motion tell who is who: compares trackers rather than segmenters.
    "occlusion": ToyDifficulty(
        num_objects=(3, 5),
        object_size=(0.24, 0.34),
        stretch=0.15,
        growth=0.15,
        rotation=1.0,
        travel=(0.9, 1.3),
        enter_or_leave=0.1,
        max_overlap=0.45,
        same_class=0.85,
        same_look=0.75,
        crossing=0.7,
        occluder=0.75,
    ),
}


def difficulty_of(preset: str) -> ToyDifficulty:
    """The difficulty called ``preset``.

    Raises:
        ValueError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"There is no toy preset {preset!r}; choose from {', '.join(PRESETS)}.")
    return PRESETS[preset]
