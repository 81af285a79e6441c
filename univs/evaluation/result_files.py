"""Result files: written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import quote


@contextmanager
def atomic_text_file(path: str | os.PathLike) -> Iterator[TextIO]:
    """Open a text file that appears under its name only when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def pack_records(records: list[dict]) -> bytes:
    """Compressed JSON of a list, to keep or to send to another process."""
    return zlib.compress(json.dumps(records, allow_nan=False).encode(), level=1)


def unpack_records(packed: bytes) -> list[dict]:
    """What `pack_records` was given."""
    return json.loads(zlib.decompress(packed))


def write_packed_records(path: str | os.PathLike, packed: Iterable[bytes]) -> None:
    """Write several packed lists as one JSON list, holding one of them at a time."""
    with atomic_text_file(path) as file:
        file.write("[")
        _write_joined(file, (zlib.decompress(part).decode() for part in packed))
        file.write("]\n")


class ResultParts:
    """Lists of records that wait on disk to be joined into one result file.

    Every process writes its part of a result when it has it, so that nothing is kept in memory; the
    main process joins them. Parts lie beside the result file, on a disk that all processes share.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        """Name the result file; nothing is written yet."""
        self.path = Path(path)
        self._folder = self.path.with_name(f".{self.path.name}.parts")

    def write(self, name: Hashable, records: list[dict]) -> None:
        """Keep the records of a video or image; an older part of this name is replaced."""
        with atomic_text_file(self._part(name)) as file:
            json.dump(records, file, allow_nan=False)

    def join(self, names: Iterable[Hashable], header: Mapping | None = None, key: str = "") -> None:
        """Write the result file from the parts of ``names``, and remove all parts.

        Args:
            names: parts in the order of the file.
            header: with it, the file is this dictionary with the list under ``key``.
        """
        before, after = "[", "]\n"
        if header is not None:
            before = json.dumps(header)[:-1] + (", " if header else "") + json.dumps(key) + ": ["
            after = "]}\n"
        with atomic_text_file(self.path) as file:
            file.write(before)
            _write_joined(file, (self._part(name).read_text("utf-8") for name in names))
            file.write(after)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _part(self, name: Hashable) -> Path:
        return self._folder / f"{quote(str(name), safe='')}.json"


def _write_joined(file: TextIO, lists: Iterable[str]) -> None:
    """Write the entries of several JSON lists, one list at a time, without outer brackets."""
    separator = ""
    for text in lists:
        if text != "[]":
            file.write(separator + text[1:-1])
            separator = ",\n"


def read_json_list(path: str | os.PathLike, chunk_size: int = 1 << 20) -> Iterator[object]:
    """Yield the entries of a JSON file that holds one list, without holding the file in memory.

    Args:
        path: the file.
        chunk_size: characters read at a time; grows while an entry is longer.

    Raises:
        ValueError: the file is not a complete JSON list. The message names it.
    """
    decoder = json.JSONDecoder()
    count = 0
    with open(path, encoding="utf-8") as file:
        text = _Window(file, chunk_size)
        if text.next_character() != "[":
            raise ValueError(f"{path}: expected a JSON list of results.")
        text.start += 1
        while not (count == 0 and text.next_character() == "]"):
            text.next_character()
            try:
                entry, end = decoder.raw_decode(text.buffer, text.start)
                end = _BLANK.match(text.buffer, end).end()
            except json.JSONDecodeError:
                end = len(text.buffer)
            # Without a comma or bracket behind it, the entry may go on beyond the window.
            if text.buffer[end : end + 1] not in (",", "]"):
                if not text.grow():
                    raise ValueError(
                        f"{path}: the list is damaged or cut off; the last good entry is number "
                        f"{count - 1}."
                    )
                continue
            yield entry
            count += 1
            text.start = end + 1
            if text.buffer[end] == "]":
                break
        else:
            text.start += 1
        if text.next_character():
            raise ValueError(f"{path}: there is text behind the end of the list.")


_BLANK = re.compile(r"\s*")


class _Window:
    """A part of a text file: ``buffer`` from ``start`` on has not been used yet."""

    def __init__(self, file: TextIO, chunk_size: int) -> None:
        self.buffer, self.start = "", 0
        self._file, self._chunk_size = file, chunk_size

    def grow(self) -> bool:
        """Forget what was used and read as much again, or a chunk; False at the end of the file."""
        rest = self.buffer[self.start :]
        more = self._file.read(max(self._chunk_size, len(rest)))
        self.buffer, self.start = rest + more, 0
        return bool(more)

    def next_character(self) -> str:
        """Go to the first character that is not blank; "" at the end of the file."""
        while True:
            self.start = _BLANK.match(self.buffer, self.start).end()
            if self.start < len(self.buffer):
                return self.buffer[self.start]
            if not self.grow():
                return ""
