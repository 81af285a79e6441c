"""Index files: what takes long to find out about a dataset, kept beside it and safe to delete."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def file_digest(paths: Iterable[str | Path]) -> str:
    """Sixteen characters that change when the name, size or time of one of the files does."""
    digest = hashlib.sha256()
    for path in paths:
        status = os.stat(path)
        digest.update(f"{path}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def write_index(path: Path, content: Any) -> bool:
    """Write an index as json; a folder that cannot be written to is only warned about.

    Returns:
        whether it was written.
    """
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, separators=(",", ":")))
        os.replace(temporary, path)
    except OSError as error:  # datasets are often mounted read-only
        logger.warning(
            "The index %s could not be kept (%s); it is made anew each time.", path, error
        )
        return False
    return True
