"""Clips to tracks: all state of a video while it is being segmented."""

from univs.tracking.segmenter import Segmenter, load
from univs.tracking.session import VideoSession

__all__ = ["Segmenter", "VideoSession", "load"]
