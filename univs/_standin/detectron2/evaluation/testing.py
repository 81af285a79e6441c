"""Printing, checking and flattening the results of evaluators."""

from __future__ import annotations

import logging
import pprint
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from detectron2.config import CfgNode

__all__ = ["flatten_results_dict", "print_csv_format", "verify_results"]


def print_csv_format(results: Mapping[str, Any]) -> None:
    """Log the main metrics of each task in a form that can be pasted into a table.

    Args:
        results: ``{task: {metric: number}}``; metrics with "-" in their name (per category) are
            left out.
    """
    assert isinstance(results, Mapping) or not len(results), results
    logger = logging.getLogger(__name__)
    for task, result in results.items():
        if not isinstance(result, Mapping):
            logger.info("copypaste: %s=%s", task, result)
            continue
        main = {name: value for name, value in result.items() if "-" not in name}
        logger.info("copypaste: Task: %s", task)
        logger.info("copypaste: %s", ",".join(main))
        logger.info("copypaste: %s", ",".join(f"{value:.4f}" for value in main.values()))


def verify_results(cfg: CfgNode, results: Mapping[str, Any]) -> bool:
    """Compare results with ``TEST.EXPECTED_RESULTS``; leave the process if they differ.

    Args:
        cfg: ``TEST.EXPECTED_RESULTS`` lists (task, metric, value, tolerance).
        results: ``{task: {metric: number}}``.

    Returns:
        True if nothing differs; otherwise the process exits with status 1.
    """
    expected_results = cfg.TEST.EXPECTED_RESULTS
    if not expected_results:
        return True
    ok = True
    for task, metric, expected, tolerance in expected_results:
        actual = results[task].get(metric, None)
        if actual is None or not np.isfinite(actual) or abs(actual - expected) > tolerance:
            ok = False
    logger = logging.getLogger(__name__)
    if not ok:
        logger.error("Result verification failed!")
        logger.error("Expected Results: %s", expected_results)
        logger.error("Actual Results: %s", pprint.pformat(results))
        sys.exit(1)
    logger.info("Results verification passed.")
    return ok


def flatten_results_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Turn nested dictionaries into one whose keys are joined by "/"."""
    flat = {}
    for key, value in results.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}/{name}": v for name, v in flatten_results_dict(value).items()})
        else:
            flat[key] = value
    return flat
