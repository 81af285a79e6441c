#!/bin/sh
# Install what is missing, check the style, run the tests. Arguments go to pytest:
#   sh tools/test.sh                 everything
#   sh tools/test.sh -m "not slow"   the quick ones
#   sh tools/test.sh --golden DIR    other golden cases
. "$(dirname "$0")/environment.sh"
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
exec "$PYTHON" -m pytest -n 2 "$@"
