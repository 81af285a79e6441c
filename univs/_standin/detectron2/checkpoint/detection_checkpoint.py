"""The checkpointer that trainers use."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlparse

import torch
from fvcore.common.checkpoint import Checkpointer, _IncompatibleKeys

from detectron2.checkpoint.name_matching import align_and_update_state_dicts
from detectron2.checkpoint.safe_load import load_pickle, load_torch
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager

__all__ = ["DetectionCheckpointer"]


class DetectionCheckpointer(Checkpointer):
    """Reads ``.pth`` and ``.pkl`` files, and writes ``.pth`` files from the main process.

    - Files are untrusted: nothing that they contain is run.
    - A file is written under a temporary name first, so that a run that dies while saving leaves
      the former checkpoint, and ``last_checkpoint`` naming it, intact.
    - ``path?matching_heuristics=True``, or the same key in the file, matches names by their
      endings: for files of a backbone alone.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        save_dir: str = "",
        *,
        save_to_disk: bool | None = None,
        **checkpointables: Any,
    ) -> None:
        """
        Args:
            model: the model; that inside of a distributed wrapper is meant.
            save_dir: folder to save to, and to resume from.
            save_to_disk: whether to write; only the main process does by default.
            checkpointables: further objects with ``state_dict`` and ``load_state_dict``.
        """
        if save_to_disk is None:
            save_to_disk = comm.is_main_process()
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self.path_manager = PathManager
        self._asks_for_matching = False

    def save(self, name: str, **kwargs: Any) -> None:
        """Save model and checkpointables as ``<name>.pth``, and name it in ``last_checkpoint``.

        Args:
            name: file name without its ending.
            kwargs: further entries of the file.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        data = {"model": self.model.state_dict()}
        data.update({key: obj.state_dict() for key, obj in self.checkpointables.items()})
        data.update(kwargs)

        basename = f"{name}.pth"
        path = os.path.join(self.save_dir, basename)
        assert os.path.basename(path) == basename, basename
        self.logger.info("Saving checkpoint to %s", path)
        self._write(path, lambda file: torch.save(data, file))
        self.tag_last_checkpoint(basename)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Write ``last_checkpoint``."""
        path = os.path.join(self.save_dir, "last_checkpoint")
        self._write(path, lambda file: file.write(last_filename_basename.encode()))

    def _write(self, path: str, write: Any) -> None:
        """Replace the file ``path`` by what ``write`` writes, at once or not at all."""
        if "://" in path:  # stores other than the file system replace files as a whole
            with self.path_manager.open(path, "wb") as file:
                write(file)
            return
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.remove(temporary)
            raise

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint into the model and the checkpointables.

        Args:
            path: the file; nothing is loaded if empty.
            args, kwargs: ``checkpointables``, the names of those to load; all by default.

        Returns:
            What of the file was not used.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or holds more than arrays and plain containers.
        """
        if path:
            url = urlparse(path)
            query = parse_qs(url.query)
            self._asks_for_matching = query.pop("matching_heuristics", ["False"]) == ["True"]
            if query:
                raise ValueError(f"Unsupported query in the path of a checkpoint: {path}")
            path = url._replace(query="").geturl()
            path = self.path_manager.get_local_path(path)
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f"Checkpoint {path} not found! Check MODEL.WEIGHTS, or the file "
                    "last_checkpoint in OUTPUT_DIR when resuming."
                )
        return super().load(path, *args, **kwargs)

    def _load_file(self, f: str) -> dict[str, Any]:
        loaded = load_pickle(f) if f.endswith(".pkl") else load_torch(f)
        if not isinstance(loaded, dict):
            raise ValueError(f"{f} holds a {type(loaded).__name__} instead of a checkpoint")
        if f.endswith(".pkl"):
            if "model" not in loaded or "__author__" not in loaded:
                raise ValueError(
                    f"{f} looks like a Caffe2 model (it has no keys 'model' and '__author__'), "
                    "which only an installed Detectron2 can read. Convert it there, or use the "
                    "torchvision variant of the backbone."
                )
            self.logger.info("Reading a file from '%s'", loaded["__author__"])
        elif "model" not in loaded:
            loaded = {"model": loaded}
        if self._asks_for_matching:
            loaded["matching_heuristics"] = True
        return loaded

    def _load_model(self, checkpoint: dict[str, Any]) -> _IncompatibleKeys:
        if checkpoint.get("matching_heuristics", False):
            self._convert_ndarray_to_tensor(checkpoint["model"])
            checkpoint["model"] = align_and_update_state_dicts(
                self.model.state_dict(), checkpoint["model"]
            )
        incompatible = super()._load_model(checkpoint)
        # Buffers that are given by the config are no loss if the file lacks them.
        own_buffers = dict(self.model.named_buffers(recurse=False))
        for name in ("pixel_mean", "pixel_std"):
            if name in own_buffers and name in incompatible.missing_keys:
                incompatible.missing_keys.remove(name)
        return incompatible
