"""A description of the machine and its software, for logs and bug reports."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections import defaultdict

import numpy as np
import torch
from tabulate import tabulate

__all__ = ["collect_env_info"]

_LIBRARIES = ("fvcore", "iopath", "cv2", "PIL", "pycocotools")


def _version_of(library: str) -> str:
    try:
        return str(getattr(importlib.import_module(library), "__version__", "unknown"))
    except ImportError:
        return "Not found"


def collect_env_info() -> str:
    """A table of versions, devices and the environment variables that matter."""
    import detectron2

    rows: list[tuple[str, str]] = [
        ("sys.platform", sys.platform),
        ("Python", sys.version.replace("\n", "")),
        ("numpy", np.__version__),
        (
            "detectron2",
            f"{detectron2.__version__} @{os.path.dirname(os.path.abspath(detectron2.__file__))}",
        ),
        ("PyTorch", f"{torch.__version__} @{os.path.dirname(torch.__file__)}"),
        ("PyTorch debug build", str(torch.version.debug)),
        ("CPU", f"{platform.machine()}, {os.cpu_count()} cores"),
        ("GPU available", str(torch.cuda.is_available())),
    ]
    if torch.cuda.is_available():
        devices: dict[str, list[str]] = defaultdict(list)
        for index in range(torch.cuda.device_count()):
            capability = ".".join(str(part) for part in torch.cuda.get_device_capability(index))
            devices[f"{torch.cuda.get_device_name(index)} (arch={capability})"].append(str(index))
        rows += [(f"GPU {','.join(indices)}", name) for name, indices in devices.items()]
        rows.append(("CUDA of PyTorch", str(torch.version.cuda)))
        rows.append(("cuDNN", str(torch.backends.cudnn.version())))
    rows += [(library, _version_of(library)) for library in _LIBRARIES]
    rows += [
        (name, value)
        for name, value in sorted(os.environ.items())
        if name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "UNIVS_DETECTRON2")
    ]
    return tabulate(rows)


if __name__ == "__main__":
    print(collect_env_info())
