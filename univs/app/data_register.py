"""``univs data register``: add a dataset of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

_EPILOG = """\
The file holds, for example:
  name: birds_train
  format: youtube_vis       # or another one of those below
  images: birds/frames      # relative to the file
  annotations: birds/train.json

format        needs
youtube_vis   images, annotations (json of YouTube-VIS)
coco          images, annotations (json of COCO instances)
panoptic      images, annotations (json of COCO panoptic), masks (RGB PNG)
davis         images, masks (a folder of frames and of palette PNG per video)
cvat          images, annotations (XML of "CVAT for images" or "CVAT for video")
label_studio  images, annotations (json export of polygons, brushes or rectangles)
videos        images (a folder of video files, or of folders of frames)
images        images (a folder of images)
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the verb and its arguments."""
    parser = subparsers.add_parser(
        "register",
        help="add a dataset of your own",
        description="Check a description of a dataset and remember it. From then on its name can "
        "be used in DATASETS.TRAIN and DATASETS.TEST.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="YAML", help="the description")
    parser.add_argument(
        "--replace", action="store_true", help="replace a registered dataset of this name"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    from univs.data.catalog import all_entries, load_records
    from univs.data.custom import FOLDER, read_custom, write_custom

    entry = read_custom(options.file)
    target = options.root / FOLDER / f"{entry.name}.yaml"
    if target.exists() and not options.replace:
        raise ValueError(
            f"A dataset {entry.name!r} is registered already ({target}); add --replace, or choose "
            "another name."
        )
    taken = {
        name
        for other in all_entries(options.root).values()
        if other.name != entry.name or not target.exists()
        for name in (other.name, *other.aliases)
    }
    clash = sorted(taken & {entry.name, *entry.aliases})
    if clash:
        raise ValueError(f"{options.file}: the name {clash[0]!r} is taken; choose another one.")
    records = load_records(entry, options.root)
    target = write_custom(options.file, options.root)
    frames = sum(len(record) for record in records)
    objects = sum(len(record.objects) for record in records)
    classes = f", {len(entry.classes)} classes" if entry.classes else ""
    print(f"{entry.name}: {len(records)} videos, {frames} frames, {objects} objects{classes}")
    print(f"Registered in {target}. `univs data check {entry.name}` looks at every frame and mask.")
    return 0
