"""The path manager through which configs, checkpoints and logs are opened."""

from __future__ import annotations

from typing import Any

from iopath.common.file_io import HTTPURLHandler, PathHandler
from iopath.common.file_io import PathManager as PathManagerBase

__all__ = ["PathHandler", "PathManager"]


class _ModelZooHandler(PathHandler):
    """Explains what to do about a path of Detectron2's own model zoo."""

    PREFIX = "detectron2://"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _refuse(self, path: str) -> None:
        raise FileNotFoundError(
            f"{path} lies in Detectron2's model zoo, which is reached only by an installed "
            "Detectron2. Download the file yourself (https://dl.fbaipublicfiles.com/detectron2/"
            f"{path[len(self.PREFIX) :]}) and give its local path instead."
        )

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        self._refuse(path)
        raise AssertionError

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> Any:
        self._refuse(path)

    def _isfile(self, path: str, **kwargs: Any) -> bool:
        self._refuse(path)
        raise AssertionError


PathManager = PathManagerBase()
PathManager.register_handler(HTTPURLHandler())
PathManager.register_handler(_ModelZooHandler())
