from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univs.structures import spooled_blocks
from univs.structures.spooled_blocks import SpooledBlocks


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_it_reads_like_a_list(expected):
    blocks = SpooledBlocks()
    for count, block in enumerate(expected):
        blocks.append(block)
        assert blocks[0] == expected[0] and blocks[-1] == block and len(blocks) == count + 1
    assert list(blocks) == expected
    with pytest.raises(IndexError, match="no block"):
        blocks[len(expected)]


def test_much_goes_to_disk(monkeypatch):
    monkeypatch.setattr(spooled_blocks, "_MOST_BYTES_IN_MEMORY", 10)
    blocks = SpooledBlocks()
    blocks.append(b"01234567")
    assert not blocks._file._rolled
    blocks.append(b"89abc")
    assert blocks._file._rolled
    assert list(blocks) == [b"01234567", b"89abc"]


def test_the_file_is_closed_with_its_owner():
    blocks = SpooledBlocks()
    blocks.append(b"block")
    file = blocks._file
    del blocks
    gc.collect()
    assert file.closed
