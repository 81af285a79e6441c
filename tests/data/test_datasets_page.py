"""The table of datasets/README.md says what the catalogue knows."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from univs.data.catalog import all_entries

PAGE = Path(__file__).resolve().parents[2] / "datasets" / "README.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and line.count("|") == 5 and "`" in line
]


def _expand(text: str) -> list[str]:
    """Alternatives in braces, written out."""
    match = re.search(r"\{([^{}]*)\}", text)
    if match is None:
        return [text]
    return [
        expanded
        for choice in match.group(1).split(",")
        for expanded in _expand(text[: match.start()] + choice + text[match.end() :])
    ]


def _names(cell: str) -> list[str]:
    """Names and patterns of a cell; ``_val`` after ``kitti_step_train`` stands for its sibling."""
    names: list[str] = []
    for quoted in re.findall(r"`([^`]+)`", cell):
        for name in _expand(quoted):
            if name.startswith("_"):
                name = names[0].rsplit("_", 1)[0] + name
            names.append(name)
    return [name for name in names if name not in ("train", "val", "test")]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_name_is_in_the_catalogue(row):
    entries = all_entries()
    for name in _names(row[1]):
        found = [entry for known, entry in entries.items() if fnmatchcase(known, name)]
        assert found, f"{name} is not in the catalogue"
        if row[3].startswith("<") and not any(e.category_map for e in found):
            assert all(entry.page == row[3].strip("<>") for entry in found)


def test_every_dataset_is_on_the_page():
    patterns = [pattern for row in ROWS for pattern in _names(row[1])]
    text = re.sub("```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    missing = [
        name
        for name in all_entries()
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
        and name not in re.findall(r"`([^`]+)`", text)
    ]
    # Special selections of sets that are on the page, and folders that users fill.
    allowed = (
        "*_dev0.01",
        "*_all_frames",
        "*_dev_merge",
        "msr-vtt-test",
        "lvis_v1_train512p",
        "custom_*",
        "cityscapes_panoptic_*",
    )
    assert [n for n in missing if not any(fnmatchcase(n, p) for p in allowed)] == []
