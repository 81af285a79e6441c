"""``univs segment``: find and follow objects in a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from univs.app.segment_video import SegmentedVideo
    from univs.data.video_source import VideoSource
    from univs.structures import Target
    from univs.tracking import Segmenter

_EPILOG = """\
Writes into the output folder, once all frames are done:
  NAME_overlay.mp4   the video with masks and labels drawn
  NAME.json          tracks: class, score and one COCO run-length mask per frame
  masks/00000.png    per frame, the id of the track at every pixel
  labels/00000.png   per frame, the category of every pixel (semantic models)
With several tasks, a folder for each of them holds all of these.

A camera or stream is segmented until it ends or Ctrl-C is pressed.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the sub-command and its arguments."""
    parser = subparsers.add_parser(
        "segment",
        help="segment a video, a folder of images, a camera or a stream",
        description="Find objects in a video, follow them, and draw what was found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "video", metavar="VIDEO", help="a file, a folder of images, a camera's number, or a URL"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="checkpoint; one that was trained with this project needs no --config-file",
    )
    parser.add_argument(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="YAML file of the model (its MODEL.WEIGHTS are used without --weights)",
    )
    parser.add_argument(
        "--task",
        nargs="+",
        default=[],
        choices=("vis", "vps", "vss", "vos", "pvos", "refvos", "pet"),
        help="what to look for (default: what the model is made for; with targets, theirs); "
        "several are done in one pass, each into a folder of its own (TarViS)",
    )
    parser.add_argument(
        "--vocabulary", metavar="NAME", help="class list, for models that know several"
    )
    given = parser.add_argument_group("targets in the first frame, or where the file says")
    given.add_argument(
        "--targets",
        type=Path,
        metavar="FILE",
        help="PNG whose values are object ids, or JSON list (see univs/app/targets.py)",
    )
    given.add_argument("--point", action="append", default=[], metavar="X,Y", help="an object")
    given.add_argument(
        "--box", action="append", default=[], metavar="X0,Y0,X1,Y1", help="an object"
    )
    given.add_argument("--text", action="append", default=[], help="an expression")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write (default: output/NAME)"
    )
    parser.add_argument(
        "--device", help="cpu, cuda, cuda:1, mps (default: cuda if there is one, else cpu)"
    )
    parser.add_argument(
        "--mode",
        choices=("online", "semi-online", "offline"),
        help="give results frame by frame, clip by clip, or at the end (default: as trained)",
    )
    parser.add_argument(
        "--clip-length",
        type=int,
        metavar="N",
        help="frames of a clip of --mode semi-online (default: as trained)",
    )
    parser.add_argument(
        "--stride",
        type=int,
        metavar="N",
        help="new frames of such a clip, the others are seen again (default: all)",
    )
    parser.add_argument(
        "--scene-cuts",
        nargs="?",
        type=float,
        const=0.3,
        metavar="THRESHOLD",
        help="begin anew where the scene is cut (threshold 0 to 1, default: %(const)s)",
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
    from univs.data.video_source import open_source

    targets = _targets(options)
    source = open_source(options.video, on_bad_frame=options.on_bad_frame)
    output = options.output or Path("output") / source.name
    check_output_folder(output.absolute())
    model_files = [path for path in (options.config_file, options.weights) if path is not None]
    if not model_files:
        raise ValueError("say which model to use: give --weights, or --config-file, or both.")
    for path in model_files:
        if "://" not in str(path) and not Path(path).is_file():
            raise FileNotFoundError(f"{path}: there is no such file; check the path.")

    from rich.console import Console

    import univs
    from univs.app.segment_video import segment_video
    from univs.tracking.mode import describe_latency, mode_options
    from univs.tracking.session import task_of_targets

    overrides = [*options.opts, *mode_options(options.mode, options.clip_length, options.stride)]
    console = Console(highlight=False, soft_wrap=True)
    device = _choose_device(options.device)
    with console.status(f"Loading the model onto {device} ..."):
        segmenter = univs.load(*model_files, options=overrides, device=device)
    if len(options.task) > 1:
        return _run_tasks(options, console, segmenter, source, output, targets)
    task = options.task[0] if options.task else task_of_targets(targets)
    with segmenter.session(
        task, vocabulary=options.vocabulary, scene_cuts=options.scene_cuts
    ) as session:
        console.print(f"Latency: {describe_latency(session.latency, source.fps)}")
    with _progress(console) as progress:
        bar = progress.add_task(source.name, total=source.num_frames)
        video = segment_video(
            source,
            segmenter,
            output,
            task=task,
            vocabulary=options.vocabulary,
            targets=targets,
            scene_cuts=options.scene_cuts,
            score_threshold=options.score_threshold,
            on_frame=lambda: progress.advance(bar),
        )
    _report(console, source, video, options.score_threshold)
    return 0


def _run_tasks(
    options: argparse.Namespace,
    console: Console,
    segmenter: Segmenter,
    source: VideoSource,
    output: Path,
    targets: list[Target],
) -> int:
    from univs.app.segment_tasks import segment_video_by_tasks
    from univs.tracking.mode import describe_latency

    session = segmenter.mixed_session(options.task, vocabulary=options.vocabulary)
    console.print(f"Latency: {describe_latency(session.latency, source.fps)}")
    with _progress(console) as progress:
        bar = progress.add_task(source.name, total=source.num_frames)
        videos = segment_video_by_tasks(
            source,
            session,
            output,
            targets=targets,
            score_threshold=options.score_threshold,
            on_frame=lambda: progress.advance(bar),
        )
    for task, video in videos.items():
        console.print(f"{task}:", style="bold")
        _report(console, source, video, options.score_threshold)
    return 0


def _targets(options: argparse.Namespace) -> list[Target]:
    """All targets of the command line; those without a file get the ids that follow."""
    from univs.app.targets import parse_box, parse_point, targets_from_file
    from univs.structures import BoxTarget, PointTarget, TextTarget

    targets = targets_from_file(options.targets) if options.targets else []
    number = max((target.id for target in targets), default=0)
    for kind, values in (("point", options.point), ("box", options.box), ("text", options.text)):
        for value in values:
            number += 1
            if kind == "point":
                targets.append(PointTarget(id=number, points=[parse_point(value)]))
            elif kind == "box":
                targets.append(BoxTarget(id=number, box=parse_box(value)))
            else:
                targets.append(TextTarget(id=number, text=value))
    return targets


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
