"""``univs doctor``: what is installed, what will be used, and a remedy for what is wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import univs
from univs._detectron2 import Detectron2Error

# Module to import, name on PyPI, oldest version that works; as in pyproject.toml.
REQUIREMENTS = (
    ("torch", "torch", "2.4"),
    ("numpy", "numpy", "1.26"),
    ("scipy", "scipy", "1.11"),
    ("cv2", "opencv-python-headless", "4.8"),
    ("pycocotools.mask", "pycocotools", "2.0.7"),
    ("shapely", "shapely", "2.0"),
    ("fvcore", "fvcore", "0.1.5.post20221221"),
    ("iopath", "iopath", "0.1.10"),
    ("yacs", "yacs", "0.1.8"),
    ("yaml", "PyYAML", "6.0"),
    ("termcolor", "termcolor", "2.0"),
    ("tabulate", "tabulate", "0.9"),
    ("cloudpickle", "cloudpickle", "2.0"),
    ("av", "av", "14.2"),
    ("rich", "rich", "13.0"),
    ("PIL", "Pillow", "10.0"),
    ("tensorboard", "tensorboard", "2.14"),
    ("safetensors", "safetensors", "0.4.3"),
)
_SLOWEST_IMPORT = 120  # seconds


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was looked at.
        state: what was found.
        remedy: what to do about it; None if nothing is wrong.
    """

    subject: str
    state: str
    remedy: str | None = None


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the sub-command."""
    return subparsers.add_parser(
        "doctor",
        help="check the installation",
        description="Show versions and what will be used, and how to mend what is wrong. "
        "The exit code is 1 if something is.",
    )


def run(options: argparse.Namespace) -> int:
    """Run the sub-command; return the exit code."""
    findings = []
    for finding in examine():
        findings.append(finding)
        mark = "  " if finding.remedy is None else "! "
        print(f"{mark}{finding.subject:26s}{finding.state}", flush=True)
        if finding.remedy is not None:
            print(f"      -> {finding.remedy}", flush=True)
    wrong = sum(finding.remedy is not None for finding in findings)
    print("\nAll is well." if not wrong else f"\n{wrong} thing(s) to mend, marked with !")
    return 1 if wrong else 0


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after another; a check that fails is a finding, too."""
    yield _univs()
    yield _python()
    for module, distribution, minimum in REQUIREMENTS:
        yield examine_package(module, distribution, minimum)
    for subject, check in (
        ("detectron2", _detectron2),
        ("deformable attention", _attention),
        ("device", _device),
        ("threads", _threads),
        ("video encoder", _video_encoder),
        ("data sets", _datasets),
    ):
        try:
            yield check()
        except Exception as error:
            yield Finding(subject, _reason(error), "Mend the packages marked above, then retry.")
    yield examine_torchvision()


def examine_package(module: str, distribution: str, minimum: str) -> Finding:
    """Import a package and compare its version.

    Args:
        module: what to import.
        distribution: its name on PyPI.
        minimum: the oldest version that works.
    """
    remedy = f"pip install --upgrade '{distribution}>={minimum}'"
    try:
        importlib.import_module(module)
    except ImportError as error:
        is_missing = util.find_spec(module.partition(".")[0]) is None
        state = "not installed" if is_missing else f"cannot be imported: {_reason(error)}"
        return Finding(distribution, state, remedy)
    except Exception as error:
        return Finding(distribution, f"cannot be imported: {_reason(error)}", remedy)
    version = _version(module, distribution)
    if version is None:
        return Finding(distribution, "installed, version unknown")
    if _numbers(version) < _numbers(minimum):
        return Finding(distribution, f"{version}, too old", remedy)
    return Finding(distribution, version)


def examine_torchvision() -> Finding:
    """Say whether torchvision works; univs does not use it, so nothing here is ever wrong."""
    if util.find_spec("torchvision") is None:
        return Finding("torchvision", "not installed (not needed)")
    # In another process, because a broken one can take this one down.
    command = [sys.executable, "-c", "import torchvision; print(torchvision.__version__)"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_SLOWEST_IMPORT
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding("torchvision", f"broken (not used, so it does no harm): {reason[:120]}")
    return Finding("torchvision", f"{done.stdout.strip()} (not used)")


def _univs() -> Finding:
    from univs import __version__

    return Finding("univs", f"{__version__}, {Path(__file__).resolve().parents[1]}")


def _python() -> Finding:
    state = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    remedy = None if sys.version_info >= (3, 10) else "Use Python 3.10 or newer."
    return Finding("python", state, remedy)


def _detectron2() -> Finding:
    try:
        import detectron2
    except Detectron2Error as error:
        return Finding("detectron2", "cannot be used", str(error))
    kind = {"standin": "built-in stand-in", "installed": "installed"}[univs.DETECTRON2]
    return Finding("detectron2", f"{kind}, {Path(detectron2.__file__).parent}")


def _attention() -> Finding:
    import torch

    from univs.modeling.ops import deformable_attention_backend

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backend = deformable_attention_backend(device)
    return Finding("deformable attention", f"{backend} on {device}")


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        count = torch.cuda.device_count()
        return Finding("device", f"{count} x CUDA {torch.version.cuda}: {name}, {memory}")
    if torch.backends.mps.is_available():
        return Finding("device", "MPS (Apple); ask for it with --device mps")
    if torch.version.cuda is not None and _has_nvidia_driver():
        return Finding(
            "device",
            f"CPU: torch {torch.__version__} finds no usable GPU, but there is an NVIDIA driver",
            "Update the driver, or install a torch for its CUDA version (pytorch.org); "
            "nvidia-smi shows the version.",
        )
    return Finding("device", f"CPU, {_memory()}")


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists()


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return "memory unknown"
    return f"{total / 2**30:.1f} GiB of memory"


def _threads() -> Finding:
    import torch

    limit = os.environ.get("OMP_NUM_THREADS")
    note = f", OMP_NUM_THREADS={limit}" if limit else ""
    return Finding("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores{note}")


def _video_encoder() -> Finding:
    from univs.visualization.video_writer import find_encoder

    encoder = find_encoder()
    note = "" if encoder == "libx264" else " (no H.264 here: larger files, fewer players)"
    return Finding("video encoder", encoder + note)


def _datasets() -> Finding:
    from univs.data.toy.registration import datasets_root

    root = datasets_root()
    if not root.is_dir():
        variable = next(
            (v for v in ("UNIVS_DATASETS", "DETECTRON2_DATASETS") if v in os.environ), ""
        )
        if variable:
            return Finding("data sets", f"{root}: no such folder", f"Correct or unset {variable}.")
        return Finding("data sets", f"{root.absolute()}: none (needed for training, evaluation)")
    found = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    return Finding("data sets", f"{root.absolute()}: {', '.join(found) or 'empty'}")


def _version(module: str, distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # conda, or another build such as opencv-python
        return getattr(importlib.import_module(module.partition(".")[0]), "__version__", None)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" -> (2, 13, 0)."""
    numbers = []
    for part in version.partition("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:160]
