"""The ``univs`` command.

Each sub-command has a file of its own, which imports what is slow to import only when it runs.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from univs._detectron2 import Detectron2Error
from univs.app import data, doctor, evaluate, segment
from univs.version import __version__

_INTERRUPTED = 130  # as shells report a process stopped by Ctrl-C
_SCREEN = 20  # lines

# What users cause and can mend: the message says all. Anything else also gets the name of its type.
_USER_ERRORS = (ValueError, OSError, Detectron2Error)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command; the sub-command's function is the attribute ``run``."""
    parser = argparse.ArgumentParser(
        prog="univs", description="Target-based video segmentation: UniVS, VITA, GenVIS, TarViS."
    )
    parser.add_argument("--version", action="version", version=f"univs {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (segment, evaluate, data, doctor):
        subparser = command.add_parser(subparsers)
        subparser.add_argument(
            "--debug", action="store_true", help="on an error, show where in the code it arose"
        )
        subparser.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; by default those of the process.

    Returns:
        The exit code: 0 if all went well, 1 on an error, 130 on Ctrl-C. (Wrong arguments end the
        process with 2.)
    """
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("univs: stopped; nothing was written.", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        else:
            print(_message(error), file=sys.stderr)
        return 1


def _message(error: Exception) -> str:
    """One screen for the user."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    is_expected = isinstance(error, _USER_ERRORS)
    if not is_expected and str(error).strip():
        lines[0] = f"{type(error).__name__}: {lines[0]}"
    was_cut = len(lines) > _SCREEN
    if was_cut:
        lines = [*lines[:_SCREEN], f"... ({len(lines) - _SCREEN} more lines)"]
    lines[0] = f"univs: error: {lines[0]}"
    if was_cut or not is_expected:
        lines.append("Run it again with --debug to see all of it and where it arose.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
