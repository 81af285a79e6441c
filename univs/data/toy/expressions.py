"""Referring expressions such as "the red circle moving left", each true of exactly one object.

An expression is a set of properties. A property is true, false or *unclear* of an object (a shape
that drifts a little to the left may or may not be called "moving left"). An expression refers to an
object only if all its properties are true of it, and every other object has one that is false.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.video import ToyVideo

TRUE, UNCLEAR, FALSE = 1, 0, -1

_CLEAR_TRAVEL = 0.2  # of the shorter side: a movement people would mention
_CLEAR_SIZE = 1.35  # ratio of areas people would notice
_NOWHERE = -1e9  # a place behind all others
_CLEAR_GAP = 0.12  # of the shorter side: a difference of place people would notice

#: Properties that can be seen in one frame, and those that take the whole video.
STATIC_KINDS = ("paint", "texture", "place")
VIDEO_KINDS = ("paint", "texture", "size", "motion")


@dataclass(frozen=True)
class Expression:
    """Text that refers to one object of a video.

    Attributes:
        text: in lower case.
        target: index of the object.
        properties: pairs (kind, value) the text is made of, such as ``("paint", "red")``.
    """

    text: str
    target: int
    properties: tuple[tuple[str, str], ...]


def describe(video: ToyVideo, *, static: bool) -> list[list[Expression]]:
    """Unambiguous expressions for every object, in a random order that the video's name fixes.

    Args:
        static: describe the first frame only (objects that it does not show get no expression);
            otherwise, the whole video.

    Returns:
        One list per object; empty if nothing tells it from the others.
    """
    table = property_table(video)
    seed = [zlib.crc32(video.name.encode()), *video.categories.tolist(), int(static)]
    rng = np.random.default_rng(seed)
    result = []
    for target in range(video.num_objects):
        own = _combinations(table, target, STATIC_KINDS if static else VIDEO_KINDS)
        if static and not video.masks[target, 0].any():
            own = []
        found = [
            Expression(_compose(properties), target, properties)
            for properties in own
            if refers_to(table, properties, target)
        ]
        result.append([found[i] for i in rng.permutation(len(found))])
    return result


def refers_to(
    table: dict[tuple[str, str], np.ndarray], properties: tuple[tuple[str, str], ...], target: int
) -> bool:
    """Whether ``properties`` are true of ``target`` and clearly not of any other object."""
    values = np.stack([table[item] for item in properties])  # [P, N]
    others = np.delete(values, target, axis=1)
    return bool((values[:, target] == TRUE).all() and (others == FALSE).any(axis=0).all())


def property_table(video: ToyVideo) -> dict[tuple[str, str], np.ndarray]:
    """How far each property holds of each object: ``TRUE``, ``UNCLEAR`` or ``FALSE``, int [N]."""
    classes = [THING_CLASSES[index] for index in video.categories]
    table: dict[tuple[str, str], np.ndarray] = {}
    for kind, values in (("class", classes), ("paint", video.paints), ("texture", video.textures)):
        for value in sorted(set(values)):
            table[kind, value] = np.array([TRUE if own == value else FALSE for own in values])
    table |= _motions(video)
    table |= _sizes(video)
    table |= _places(video)
    return table


def _graded(amount: np.ndarray, clear: float) -> np.ndarray:
    """TRUE from ``clear`` on, FALSE below zero, UNCLEAR between."""
    return np.where(amount >= clear, TRUE, np.where(amount < 0, FALSE, UNCLEAR))


def _motions(video: ToyVideo) -> dict[tuple[str, str], np.ndarray]:
    unit = min(video.size)
    shown = video.masks.any(axis=(2, 3))  # [N, T]
    first = shown.argmax(axis=1)
    last = shown.shape[1] - 1 - shown[:, ::-1].argmax(axis=1)
    objects = np.arange(video.num_objects)
    travel = (video.centres[objects, last] - video.centres[objects, first]) / unit  # [N, 2]
    result = {}
    for name, axis, sign in (("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)):
        along, across = sign * travel[:, axis], np.abs(travel[:, 1 - axis])
        graded = _graded(along, _CLEAR_TRAVEL)
        # A diagonal movement may be called either way.
        result["motion", name] = np.where((graded == TRUE) & (along < 2 * across), UNCLEAR, graded)
    return result


def _sizes(video: ToyVideo) -> dict[tuple[str, str], np.ndarray]:
    """Largest and smallest of the whole video, by the largest visible area."""
    area = video.areas.max(axis=1, initial=0).astype(np.float64)
    result = {}
    for name, sign in (("largest", 1), ("smallest", -1)):
        value = sign * np.log(np.maximum(area, 1))
        result["size", name] = _superlative(value, np.log(_CLEAR_SIZE))
    return result


def _places(video: ToyVideo) -> dict[tuple[str, str], np.ndarray]:
    """Extreme places in the first frame; objects that it does not show have no place."""
    shown = video.masks[:, 0].any(axis=(1, 2))
    centres = video.centres[:, 0] / min(video.size)  # [N, 2]
    result = {}
    for name, axis, sign in (
        ("leftmost", 0, -1),
        ("rightmost", 0, 1),
        ("topmost", 1, -1),
        ("bottommost", 1, 1),
    ):
        value = np.where(shown, sign * centres[:, axis], _NOWHERE)
        result["place", name] = np.where(shown, _superlative(value, _CLEAR_GAP), FALSE)
    return result


def _superlative(value: np.ndarray, clear: float) -> np.ndarray:
    """TRUE for a value that leads by ``clear``, FALSE for those that trail by it, int [N]."""
    result = np.full(len(value), UNCLEAR)
    for index in range(len(value)):
        rivals = np.delete(value, index)
        lead = value[index] - rivals.max(initial=-np.inf)
        result[index] = TRUE if lead >= clear else FALSE if lead <= -clear else UNCLEAR
    return result


def _combinations(
    table: dict[tuple[str, str], np.ndarray], target: int, kinds: tuple[str, ...]
) -> list[tuple[tuple[str, str], ...]]:
    """Sets of properties that are true of ``target``: its class, and up to two others."""
    own = [item for item, values in table.items() if values[target] == TRUE]
    noun = next(item for item in own if item[0] == "class")
    extras = [item for item in own if item[0] in kinds]
    chosen = []
    for count in (0, 1, 2):
        for group in combinations(extras, count):
            if len({kind for kind, _ in group}) == count:
                chosen.append((*group, noun))
    return chosen


def _compose(properties: tuple[tuple[str, str], ...]) -> str:
    value = dict(properties)
    adjectives = [
        value[kind]
        for kind in ("place", "size", "paint", "texture")  # English order
        if kind in value
    ]
    text = " ".join(["the", *adjectives, value["class"]])
    return f"{text} moving {value['motion']}" if "motion" in value else text
