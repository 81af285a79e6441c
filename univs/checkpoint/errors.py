"""What can be wrong with a checkpoint."""

from __future__ import annotations


class CheckpointFileError(ValueError):
    """A file cannot be read as a checkpoint; the message names the file and the remedy."""
