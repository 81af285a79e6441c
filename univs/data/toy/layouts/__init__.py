"""On-disk layouts of the toy videos, each the one of a real benchmark."""

from __future__ import annotations

from univs.data.toy.layouts.base import Layout
from univs.data.toy.layouts.burst import BURSTLayout
from univs.data.toy.layouts.coco import COCOLayout
from univs.data.toy.layouts.davis import DAVISLayout
from univs.data.toy.layouts.referring import RefDAVISLayout, RefYouTubeVOSLayout
from univs.data.toy.layouts.viposeg import VIPOSegLayout
from univs.data.toy.layouts.vipseg import VIPSegLayout
from univs.data.toy.layouts.vspw import VSPWLayout
from univs.data.toy.layouts.youtube_vos import MOSELayout, YouTubeVOSLayout
from univs.data.toy.layouts.ytvis import YouTubeVISLayout

#: Layouts by the name that ``generate`` knows them by.
LAYOUTS: dict[str, type[Layout]] = {
    "ytvis": YouTubeVISLayout,
    "vipseg": VIPSegLayout,
    "vspw": VSPWLayout,
    "viposeg": VIPOSegLayout,
    "davis": DAVISLayout,
    "youtube_vos": YouTubeVOSLayout,
    "mose": MOSELayout,
    "refdavis": RefDAVISLayout,
    "refytvos": RefYouTubeVOSLayout,
    "burst": BURSTLayout,
    "coco": COCOLayout,
}

__all__ = ["LAYOUTS", "Layout"]
