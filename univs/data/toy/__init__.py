"""Toy videos: small, seeded, exactly annotated, written in the layouts of the real benchmarks."""

from __future__ import annotations

from univs.data.toy.difficulty import PRESETS, ToyDifficulty
from univs.data.toy.generate import generate, preset_root
from univs.data.toy.layouts import LAYOUTS
from univs.data.toy.video import ToyVideo, make_video

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "ToyDifficulty",
    "ToyVideo",
    "generate",
    "make_video",
    "preset_root",
]
