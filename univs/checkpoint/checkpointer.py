"""The checkpointer of training runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

import torch
from fvcore.common.checkpoint import _IncompatibleKeys
from torch import nn
from yacs.config import CfgNode

from detectron2.checkpoint import DetectionCheckpointer
from univs.checkpoint.atomic import write_atomically
from univs.checkpoint.load import load_tensors
from univs.checkpoint.safe_reader import CheckpointFile, read_checkpoint

_logger = logging.getLogger(__name__)


class UnivsCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer, which reads safely and says what a model was trained for.

    Differences to its base class:

    - Files of any supported format and age are read, without executing anything in them.
    - A file that fits nowhere is an error, and so is a file that fits only partly when a run is
      resumed; otherwise tensors that do not fit are listed and keep their values.
    - Files are written completely or not at all, and carry three more top-level entries where they
      are known: ``config`` (YAML text), ``class_names`` and ``tasks``. Detectron2 can load them.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        config: CfgNode | None = None,
        class_names: Mapping[str, Sequence[str]] | None = None,
        tasks: Sequence[str] = (),
        save_to_disk: bool | None = None,
        **checkpointables: object,
    ) -> None:
        """
        Args:
            model: what to load into and to save.
            save_dir: folder of the run.
            config: the configuration of the run.
            class_names: names of the classes in the order of the logits, by data set.
            tasks: what the model is trained for: ``"vis"``, ``"vps"``, ...
            save_to_disk: whether to write files; default: on the main process only.
            checkpointables: further objects with a state: ``optimizer``, ``scheduler``, ...
        """
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self._strict = False
        self._provenance: dict[str, object] = {}
        if config is not None:
            self._provenance["config"] = config.dump()
        if class_names is not None:
            self._provenance["class_names"] = {
                name: list(classes) for name, classes in class_names.items()
            }
        if tasks:
            self._provenance["tasks"] = list(tasks)

    def save(self, name: str, **kwargs: object) -> None:
        """Write ``<save_dir>/<name>.pth`` with the whole state of the run, and tag it as the last.

        Args:
            name: file name without its ending.
            kwargs: further top-level entries, e.g. ``iteration``.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        content = {
            "model": self.model.state_dict(),
            **{key: item.state_dict() for key, item in self.checkpointables.items()},
            **self._provenance,
            **kwargs,
        }
        path = os.path.join(self.save_dir, f"{name}.pth")
        _logger.info("Saving checkpoint to %s", path)
        write_atomically(path, lambda temporary: torch.save(content, temporary))
        self.tag_last_checkpoint(os.path.basename(path))

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Make ``last_filename_basename`` the file that a run resumes from."""
        write_atomically(
            os.path.join(self.save_dir, "last_checkpoint"),
            lambda temporary: temporary.write_text(last_filename_basename),
        )

    def has_checkpoint(self) -> bool:
        """Whether the folder of the run has a last checkpoint; never without such a folder."""
        return bool(self.save_dir) and super().has_checkpoint()

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, object]:
        """Resume from the last checkpoint of the run if there is one, else load weights only.

        Args:
            path: weights to start from; empty to start from scratch.
            resume: look for a last checkpoint, and load everything from it.

        Returns:
            The entries of the file that nothing has consumed, such as ``iteration``.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointFileError: it cannot be read.
            CheckpointMismatchError: nothing fits, or not everything fits and a run is resumed.
        """
        self._strict = resume and self.has_checkpoint()
        try:
            return super().resume_or_load(path, resume=resume)
        finally:
            self._strict = False

    def load(self, path: str, *args: object, **kwargs: object) -> dict[str, object]:
        """Load a file, see the base class; a missing local file is a clear error.

        Raises:
            FileNotFoundError, CheckpointFileError, CheckpointMismatchError: as for
                :meth:`resume_or_load`.
        """
        local = path.partition("?")[0] if path else ""
        if local and "://" not in local and not os.path.isfile(local):
            raise FileNotFoundError(
                f"Checkpoint {local} does not exist. Set MODEL.WEIGHTS to a file, or to '' to "
                "start from scratch; to resume, look at last_checkpoint in OUTPUT_DIR."
            )
        return super().load(path, *args, **kwargs)

    def _load_file(self, f: str) -> dict[str, object]:
        checkpoint = read_checkpoint(f)
        return {**checkpoint.extras, "model": checkpoint}

    def _load_model(self, checkpoint: dict[str, object]) -> _IncompatibleKeys:
        content = checkpoint.pop("model")
        assert isinstance(content, CheckpointFile)
        report = load_tensors(self.model, content, strict=self._strict)
        _logger.log(logging.INFO if report.is_complete else logging.WARNING, "%s", report.summary())
        return _IncompatibleKeys(
            missing_keys=report.missing,
            unexpected_keys=report.unexpected,
            incorrect_shapes=[
                (entry.name, entry.file_shape, entry.model_shape) for entry in report.misshaped
            ],
        )

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        """Say nothing more: the report of :meth:`_load_model` has it all."""
