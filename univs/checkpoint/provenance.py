"""What a checkpoint of this project says about itself beside its weights."""

from __future__ import annotations

from dataclasses import dataclass

from univs.checkpoint.errors import CheckpointFileError
from univs.checkpoint.safe_reader import CheckpointFile


@dataclass(frozen=True)
class Provenance:
    """How the weights of a checkpoint came about.

    Attributes:
        config: the whole configuration of the run, as YAML.
        class_names: names of the classes in the order of the logits, by data set.
        tasks: what the model can be asked for: ``"vis"``, ``"vps"``, ...; empty if not known.
    """

    config: str
    class_names: dict[str, list[str]]
    tasks: tuple[str, ...]


def provenance_of(checkpoint: CheckpointFile) -> Provenance:
    """Read the entries that :class:`~univs.checkpoint.checkpointer.UnivsCheckpointer` writes.

    Raises:
        CheckpointFileError: the file was written by another project and does not have them.
    """
    extras = checkpoint.extras
    if not isinstance(extras.get("config"), str):
        raise CheckpointFileError(
            f"{checkpoint.path} does not carry its configuration, as checkpoints of other projects "
            "do not: give the configuration file as well."
        )
    return Provenance(
        config=extras["config"],
        class_names=dict(extras.get("class_names", {})),
        tasks=tuple(extras.get("tasks", ())),
    )
