"""CLIP's byte-pair tokenizer (Radford et al. 2021).

Its vocabulary is a file of OpenAI that is not part of this project; see :func:`find_vocabulary`.
"""

from __future__ import annotations

import gzip
import html
import os
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

VOCABULARY_NAME = "bpe_simple_vocab_16e6.txt.gz"
CONTEXT_LENGTH = 77
# The file lists more merges than the published models use.
_NUM_MERGES = 49152 - 256 - 2
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
_END_OF_WORD = "</w>"
_PLAIN_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\u3000": " ",
        # Full-width forms of ASCII.
        **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    }
)


def find_vocabulary(path: str | os.PathLike = "") -> Path:
    """Find the vocabulary file on this computer.

    Args:
        path: where it is; searched for if empty: in ``$UNIVS_CACHE``, ``~/.cache/univs``,
            ``~/.cache/clip``, and in installed packages that carry it (``open_clip``, ``clip``).

    Raises:
        FileNotFoundError: it is not there, or nowhere.
    """
    if path:
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no vocabulary file {path}.")
        return Path(path)
    folders = [Path(os.environ["UNIVS_CACHE"])] if os.environ.get("UNIVS_CACHE") else []
    folders += [Path.home() / ".cache" / name for name in ("univs", "clip")]
    for package in ("open_clip", "clip"):
        spec = find_spec(package)
        folders += [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    for folder in folders:
        if (folder / VOCABULARY_NAME).is_file():
            return folder / VOCABULARY_NAME
    raise FileNotFoundError(
        f"Expressions need CLIP's vocabulary {VOCABULARY_NAME}, which was not found in "
        f"{', '.join(str(folder) for folder in folders)}. Download it from "
        f"https://github.com/openai/CLIP/raw/main/clip/{VOCABULARY_NAME} into "
        f"{Path.home() / '.cache' / 'univs'}, or set UNIVS_CACHE to the folder that it is in."
    )


class ClipTokenizer:
    """Turns text into the token ids that CLIP was trained with."""

    def __init__(self, vocabulary: str | os.PathLike = "") -> None:
        """
        Args:
            vocabulary: gzipped list of merges, the most frequent first; see
                :func:`find_vocabulary`.
        """
        path = find_vocabulary(vocabulary)
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                lines = file.read().split("\n")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a vocabulary file of CLIP: {error}") from error
        merges = [tuple(line.split()) for line in lines[1 : _NUM_MERGES + 1] if line]
        if not merges or any(len(merge) != 2 for merge in merges):
            raise ValueError(f"{path} is not a vocabulary file of CLIP.")
        letters = list(_byte_letters().values())
        symbols = [*letters, *(letter + _END_OF_WORD for letter in letters)]
        symbols += ["".join(merge) for merge in merges]
        self._ids = {symbol: index for index, symbol in enumerate(symbols)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._cache: dict[str, list[int]] = {}
        self.start_token = len(symbols)
        self.end_token = self.start_token + 1

    def encode(self, text: str) -> list[int]:
        """The tokens of ``text``, without start and end."""
        text = " ".join(_repair(html.unescape(html.unescape(text))).split()).lower()
        tokens = []
        for word in _words(text):
            if word not in self._cache:
                self._cache[word] = [self._ids[symbol] for symbol in self._merge(word)]
            tokens += self._cache[word]
        return tokens

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Tokens of texts, padded with 0 to the context of CLIP.

        A text that is too long is cut without an end token (as published).

        Returns:
            int64 ``(N, 77)``.
        """
        tokens = torch.zeros(len(texts), CONTEXT_LENGTH, dtype=torch.int64)
        for row, text in zip(tokens, texts, strict=True):
            ids = [self.start_token, *self.encode(text), self.end_token][:CONTEXT_LENGTH]
            row[: len(ids)] = torch.tensor(ids)
        return tokens

    def _merge(self, word: str) -> list[str]:
        """The symbols of a word: neighbours are joined, the most frequent pair first."""
        letters = [_byte_letters()[byte] for byte in word.encode()]
        symbols = [*letters[:-1], letters[-1] + _END_OF_WORD]
        while len(symbols) > 1:
            pairs = set(zip(symbols, symbols[1:], strict=False))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            joined = []
            for symbol in symbols:
                if joined and (joined[-1], symbol) == best:
                    joined[-1] += symbol
                    # A run of three equal symbols has one pair, not two.
                    joined.append("")
                else:
                    joined.append(symbol)
            symbols = [symbol for symbol in joined if symbol]
        return symbols


@cache
def _byte_letters() -> dict[int, str]:
    """A printable character for every byte, in the order of CLIP's vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(256 + index) for index, byte in enumerate(others)}


def _repair(text: str) -> str:
    """Plain quotes, ligatures and widths, composed accents, no control characters."""
    text = unicodedata.normalize("NFC", text.translate(_PLAIN_CHARACTERS))
    return "".join(x for x in text if x.isspace() or unicodedata.category(x) != "Cc")


def _words(text: str) -> Iterator[str]:
    """Split into contractions, runs of letters, single digits and runs of other characters."""
    position = 0
    while position < len(text):
        contraction = next((x for x in _CONTRACTIONS if text.startswith(x, position)), None)
        kind = _kind(text[position])
        end = position + len(contraction or " ")
        if contraction is None and kind in "LO":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != " ":
            yield text[position:end]
        position = end


def _kind(character: str) -> str:
    """L for letters, N for numbers, a space for white space, O for others."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"
