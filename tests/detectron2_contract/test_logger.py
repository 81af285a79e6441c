"""Loggers, rate-limited logging, tables."""

from __future__ import annotations

import logging
import re

import pytest

from detectron2.utils.logger import (
    create_small_table,
    log_every_n,
    log_every_n_seconds,
    log_first_n,
    setup_logger,
)


@pytest.fixture
def messages():
    """What reaches the logger "contract_messages"."""
    records: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    logger = logging.getLogger("contract_messages")
    logger.setLevel(logging.INFO)
    handler = Collect()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_file_and_terminal(tmp_path, capsys):
    logger = setup_logger(str(tmp_path), name="contract_a", abbrev_name="ca")
    child = logging.getLogger("contract_a.part")
    child.info("hello")
    child.warning("careful")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert re.fullmatch(r"\[\d\d/\d\d \d\d:\d\d:\d\d\] ca\.part INFO: hello", lines[0])
    assert lines[1].endswith("ca.part WARNING: careful")
    out = capsys.readouterr().out
    assert "hello" in out and "WARNING" in out
    assert logger.level == logging.DEBUG and not logger.propagate


def test_same_logger_is_set_up_once(tmp_path):
    first = setup_logger(str(tmp_path), name="contract_b")
    count = len(first.handlers)
    assert setup_logger(str(tmp_path), name="contract_b") is first
    assert len(first.handlers) == count


def test_other_ranks_write_to_their_own_files(tmp_path, capsys):
    logger = setup_logger(str(tmp_path / "run.log"), distributed_rank=2, name="contract_c")
    logger.info("from rank 2")
    assert "from rank 2" in (tmp_path / "run.log.rank2").read_text()
    assert capsys.readouterr().out == ""


def test_loggers_share_a_file(tmp_path):
    setup_logger(str(tmp_path), name="contract_d").info("first")
    setup_logger(str(tmp_path), name="contract_e").info("second")
    text = (tmp_path / "log.txt").read_text()
    assert "contract_d INFO: first" in text and "contract_e INFO: second" in text


def test_log_first_n(messages):
    for index in range(5):
        log_first_n(logging.INFO, f"first {index}", n=2, name="contract_messages")
    for index in range(4):
        log_first_n(
            logging.INFO, f"key {index // 2}", name="contract_messages", key=("caller", "message")
        )
    assert messages == ["first 0", "first 1", "key 0", "key 1"]


def test_log_every_n(messages):
    for index in range(5):
        log_every_n(logging.INFO, f"every {index}", n=2, name="contract_messages")
    assert messages == ["every 0", "every 2", "every 4"]


def test_log_every_n_seconds(messages):
    for index in range(3):
        log_every_n_seconds(logging.INFO, f"slow {index}", n=1000, name="contract_messages")
    for index in range(2):
        log_every_n_seconds(logging.INFO, f"fast {index}", n=0, name="contract_messages")
    assert messages == ["slow 0", "fast 0", "fast 1"]


def test_small_table():
    rows = create_small_table({"AP": 1.23456, "AR": 2.0}).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0] == ["AP", "AR"]
    assert cells[2] == ["1.235", "2.000"]
