"""Clips to tracks: all state of a video while it is being segmented."""

from univs.tracking.genvis_tracker import GenvisSession
from univs.tracking.segmenter import Segmenter, load
from univs.tracking.session import TASKS, Session
from univs.tracking.video_session import VideoSession
from univs.tracking.vita_tracker import VitaSession

__all__ = [
    "TASKS",
    "GenvisSession",
    "Segmenter",
    "Session",
    "VideoSession",
    "VitaSession",
    "load",
]
