"""Golden cases: folders that hold inputs and outputs of an original implementation.

A case is a folder with ``case.json`` and, usually, ``io.npz``. Its *kind* is the key ``kind`` of
``case.json``, or else the name of the folder, whose prefix up to an underscore also counts
(``r50_train_sot`` is of the kinds ``r50_train_sot``, ``r50_train`` and ``r50``). Its *system* is
read from the case as well, so that a root may be the folder of one system or of several.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from reference import pinned_random

DEFAULT_ROOT = Path(__file__).resolve().parents[1] / "golden"
MANIFESTS = Path(__file__).resolve().parent / "manifests"

# Indexed by the repository a case names as its original.
_SYSTEM_OF_ORIGINAL = {
    "facebookresearch/Mask2Former": "mask2former",
    "MinghanLi/UniVS": "univs",
    "sukjunhwang/VITA": "vita",
    "miranheo/GenVIS": "genvis",
    "Ali2500/TarViS": "tarvis",
}


@dataclass(frozen=True)
class GoldenCase:
    """One golden case, read lazily.

    Attributes:
        folder: where the case lies.
        meta: the content of ``case.json``.
        system: ``mask2former``, ``univs``, ``vita``, ``genvis``, ``tarvis`` or ``metrics``.
    """

    folder: Path
    meta: dict
    system: str

    @property
    def name(self) -> str:
        """``metric/case`` for a metric, the name of the folder otherwise."""
        if self.system == "metrics":
            return f"{self.meta['metric']}/{self.folder.name}"
        return self.folder.name

    @property
    def kind(self) -> str:
        """What ``--golden`` tests dispatch on; a metric's kind is the name of the metric."""
        if self.system == "metrics":
            return self.meta.get("kind", self.meta["metric"])
        return self.meta.get("kind", self.folder.name)

    def is_of_kind(self, kind: str) -> bool:
        """Tell whether ``kind`` is the kind of this case or a prefix of it that ends at ``_``."""
        return self.kind == kind or self.kind.startswith(kind + "_")

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of ``io.npz`` by name; empty if the case has none."""
        path = self.folder / "io.npz"
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def tensor(self, name: str) -> torch.Tensor:
        """Array ``name`` as a tensor of the same dtype."""
        return torch.from_numpy(np.ascontiguousarray(self.arrays[name]))

    def json(self, name: str) -> object:
        """The content of the JSON file ``name`` of this case."""
        return json.loads((self.folder / name).read_text())

    def tolerance(self, name: str) -> dict[str, float]:
        """``atol`` and ``rtol`` of array ``name``: its own where given, else the case's."""
        own = self.meta.get("arrays", {}).get(name, {})
        own = own if isinstance(own, dict) else {}
        case = self.meta.get("tolerance", {})
        return {key: float(own.get(key, case.get(key, 0.0))) for key in ("atol", "rtol")}

    def check(self, name: str, actual: torch.Tensor | np.ndarray) -> None:
        """Assert that ``actual`` equals array ``name`` within its tolerance, shape included."""
        actual = actual.detach().cpu().numpy() if torch.is_tensor(actual) else np.asarray(actual)
        expected = self.arrays[name]
        assert actual.shape == expected.shape, (
            f"{self.name}: {name} has shape {actual.shape}, expected {expected.shape}"
        )
        if expected.dtype == bool or np.issubdtype(expected.dtype, np.integer):
            np.testing.assert_array_equal(actual, expected, err_msg=f"{self.name}: {name}")
            return
        np.testing.assert_allclose(
            actual, expected, **self.tolerance(name), err_msg=f"{self.name}: {name}"
        )


def _system_of(folder: Path, meta: dict) -> str:
    if "metric" in meta:
        return "metrics"
    for original in meta.get("original", {}):
        if original in _SYSTEM_OF_ORIGINAL:
            return _SYSTEM_OF_ORIGINAL[original]
    return folder.parent.name


def golden_cases(root: Path, system: str, kinds: tuple[str, ...] = ()) -> list[GoldenCase]:
    """All cases of ``system`` below ``root`` that are of one of ``kinds`` (of any, if empty)."""
    cases = []
    for path in sorted(root.rglob("case.json")):
        meta = json.loads(path.read_text())
        case = GoldenCase(folder=path.parent, meta=meta, system=_system_of(path.parent, meta))
        if case.system == system and (not kinds or any(case.is_of_kind(kind) for kind in kinds)):
            cases.append(case)
    return cases


def manifest(system: str) -> dict[str, dict]:
    """Tensor names and shapes of every published configuration of ``system``, by configuration."""
    return json.loads((MANIFESTS / f"{system}.json").read_text())


@contextlib.contextmanager
def random_pinned(*, masks_only: bool = False) -> Iterator[None]:
    """Replace the random functions that losses draw from by functions of the shape only.

    Args:
        masks_only: ``torch.rand`` of one dimension is 0.9 everywhere, so that every visual prompt
            of UniVS is a mask.
    """

    def rand(*size, **options):
        if masks_only and len(size) == 1 and isinstance(size[0], int):
            return torch.full(size, 0.9, device=options.get("device"))
        return pinned_random.rand(*size, **options)

    with (
        mock.patch("torch.rand", rand),
        mock.patch("torch.randn", pinned_random.randn),
        mock.patch("torch.randperm", pinned_random.randperm),
        mock.patch("random.choices", pinned_random.choices),
    ):
        yield
