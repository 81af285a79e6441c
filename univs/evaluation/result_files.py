"""Result files: written whole or not at all."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


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


def write_packed_records(path: str | os.PathLike, packed: Iterable[bytes]) -> None:
    """Write several packed lists as one JSON list, holding one of them at a time."""
    with atomic_text_file(path) as file:
        file.write("[")
        separator = ""
        for part in packed:
            text = zlib.decompress(part).decode()
            if text != "[]":
                file.write(separator + text[1:-1])
                separator = ",\n"
        file.write("]\n")


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
        buffer = _more(file, "", chunk_size)
        if not buffer.startswith("["):
            raise ValueError(f"{path}: expected a JSON list of results.")
        buffer = buffer[1:].lstrip() or _more(file, "", chunk_size)
        while not (count == 0 and buffer.startswith("]")):
            try:
                entry, end = decoder.raw_decode(buffer)
                rest = buffer[end:].lstrip()
            except json.JSONDecodeError:
                rest = ""
            if not rest.startswith((",", "]")):  # the entry goes on beyond the buffer, or ends there
                longer = _more(file, buffer, max(chunk_size, len(buffer)))
                if len(longer) == len(buffer):
                    raise ValueError(
                        f"{path}: the list is damaged or cut off; the last good entry is number "
                        f"{count - 1}."
                    )
                buffer = longer
                continue
            yield entry
            count += 1
            buffer = rest
            if rest[0] == "]":
                break
            buffer = rest[1:].lstrip() or _more(file, "", chunk_size)
        if (buffer[1:] + file.read()).strip():
            raise ValueError(f"{path}: there is text behind the end of the list.")


def _more(file: TextIO, buffer: str, num_characters: int) -> str:
    """The buffer with more of the file, if there is any that is not blank."""
    while chunk := file.read(num_characters):
        longer = (buffer + chunk).lstrip()
        if len(longer) > len(buffer):
            return longer
    return buffer
