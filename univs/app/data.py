"""``univs data``: which datasets there are, whether they are whole, and how to add one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from univs.app import data_check, data_list, data_prepare, data_register

_DESCRIPTION = """\
Datasets lie below one root: --root, or the environment variable UNIVS_DATASETS, or
DETECTRON2_DATASETS, or TARVIS_WORKSPACE_DIR, or ./datasets. datasets/README.md says where each of
them goes.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the sub-command and its verbs."""
    parser = subparsers.add_parser(
        "data",
        help="list, check, register and prepare datasets",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in (data_list, data_check, data_register, data_prepare):
        subparser = verb.add_parser(verbs)
        subparser.add_argument(
            "--root", type=Path, metavar="DIR", help="root of all datasets (default: see above)"
        )
        subparser.set_defaults(verb=verb.run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    from univs.data.catalog import datasets_root

    options.root = datasets_root() if options.root is None else options.root
    return options.verb(options)
