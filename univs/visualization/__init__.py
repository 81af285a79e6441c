"""Results as pictures: overlays, contact sheets, palette images and video files."""

from univs.visualization.contact_sheet import contact_sheet
from univs.visualization.overlay import draw_frame
from univs.visualization.palette import davis_palette, track_colors
from univs.visualization.png import write_id_map, write_png
from univs.visualization.video_writer import VideoWriter

__all__ = [
    "VideoWriter",
    "contact_sheet",
    "davis_palette",
    "draw_frame",
    "track_colors",
    "write_id_map",
    "write_png",
]
