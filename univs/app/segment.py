"""``univs segment``: find and follow objects in a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from univs.app.segment_video import SegmentedVideo
    from univs.app.video_source import VideoSource

_EPILOG = """\
Writes into the output folder, once all frames are done:
  NAME_overlay.mp4   the video with masks and labels drawn
  NAME.json          tracks: class, score and one COCO run-length mask per frame
  masks/00000.png    per frame, the id of the track at every pixel
  labels/00000.png   per frame, the category of every pixel (semantic models)
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the sub-command and its arguments."""
    parser = subparsers.add_parser(
        "segment",
        help="segment a video file or a folder of images",
        description="Find objects in a video, follow them, and draw what was found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, metavar="VIDEO_OR_FOLDER", help="what to segment")
    parser.add_argument(
        "--config-file", type=Path, required=True, metavar="FILE", help="YAML file of the model"
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="checkpoint (default: MODEL.WEIGHTS of the config)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write (default: output/NAME)"
    )
    parser.add_argument(
        "--device", help="cpu, cuda, cuda:1, mps (default: cuda if there is one, else cpu)"
    )
    parser.add_argument(
        "--score-threshold",
        type=_score,
        default=0.5,
        metavar="SCORE",
        help="leave out tracks below this score, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--on-bad-frame",
        choices=("stop", "skip"),
        default="stop",
        help="at a frame that cannot be decoded (default: %(default)s)",
    )
    parser.add_argument(
        "--opts",
        nargs="+",
        default=[],
        metavar="KEY VALUE",
        help="change keys of the config, for example: INPUT.MIN_SIZE_TEST 480",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the sub-command; return the exit code."""
    if len(options.opts) % 2:
        raise ValueError(f"--opts takes pairs of KEY and VALUE, but got {len(options.opts)} words.")
    # What can be wrong is checked before the model is loaded, which takes longest.
    from univs.app.output_folder import check_output_folder
    from univs.app.video_source import open_source

    source = open_source(options.video, on_bad_frame=options.on_bad_frame)
    output = options.output or Path("output") / source.name
    check_output_folder(output.absolute())
    for path in (options.config_file, options.weights):
        if path is not None and "://" not in str(path) and not Path(path).is_file():
            raise FileNotFoundError(f"{path}: there is no such file; check the path.")

    from rich.console import Console

    import univs
    from univs.app.segment_video import segment_video

    console = Console(highlight=False, soft_wrap=True)
    device = _choose_device(options.device)
    with console.status(f"Loading the model onto {device} ..."):
        segmenter = univs.load(
            options.config_file, weights=options.weights, options=options.opts, device=device
        )
    with _progress(console) as progress:
        task = progress.add_task(source.name, total=source.num_frames)
        video = segment_video(
            source,
            segmenter,
            output,
            score_threshold=options.score_threshold,
            on_frame=lambda: progress.advance(task),
        )
    _report(console, source, video, options.score_threshold)
    return 0


def _score(text: str) -> float:
    score = float(text)
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0 to 1, but is {text}")
    return score


def _choose_device(name: str | None) -> str:
    """Check the wanted device, or choose one.

    Raises:
        ValueError: torch cannot use it here.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--device {name} cannot be used here ({reason}); `univs doctor` shows what can."
        ) from error
    return name


def _progress(console: Console):
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("frames"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("ETA"),
        progress.TimeRemainingColumn(),
        console=console,
    )


def _report(
    console: Console, source: VideoSource, video: SegmentedVideo, score_threshold: float
) -> None:
    result = video.result
    console.print(
        f"{result.num_frames} frames, {video.tracks_kept} of {len(result.tracks)} tracks with a "
        f"score of {score_threshold:g} or more"
    )
    if source.skipped:
        shown = "; ".join(source.skipped[:5])
        more = f"; and {len(source.skipped) - 5} more" if len(source.skipped) > 5 else ""
        text = f"Left out, because they cannot be decoded: {shown}{more}"
        console.print(text, style="yellow", markup=False)
    missing = (source.num_frames or 0) - result.num_frames - len(source.skipped)
    if missing > 0:
        console.print(
            f"The file announces {source.num_frames} frames, but {missing} of them could not be "
            "found; it may have been cut short.",
            style="yellow",
        )
    for what, path in video.paths.items():
        console.print(f"{what + ':':9s}{path}", markup=False)
