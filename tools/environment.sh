# Sourced by the other scripts: enter the repository and make $PYTHON an interpreter with everything
# installed. A $PYTHON that is set already is taken as it is. An active virtual or conda environment
# is used; otherwise .venv is made here.
set -eu
cd "$(dirname "$0")"
while [ ! -f pyproject.toml ] && [ "$PWD" != / ]; do cd ..; done
[ -z "${PYTHON:-}" ] || return 0

if [ -n "${VIRTUAL_ENV:-}" ]; then
  environment=$VIRTUAL_ENV
elif [ -n "${CONDA_PREFIX:-}" ]; then
  environment=$CONDA_PREFIX
else
  environment=$PWD/.venv
fi

if [ ! -x "$environment/bin/python" ]; then
  command -v python3 >/dev/null || { echo "python3 is not installed: install Python 3.10 or newer." >&2; exit 1; }
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "Python 3.10 or newer is needed; python3 is $(python3 --version)." >&2; exit 1; }
  echo "Making a virtual environment in $environment ..."
  python3 -m venv "$environment" || {
    rm -rf "$environment"
    echo "venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
fi
PYTHON=$environment/bin/python

# Install once for each state of the two files that say what to install.
state=$(cat requirements.txt pyproject.toml | cksum | tr ' ' '-')-$(echo "$PWD" | cksum | cut -d' ' -f1)
stamp=$environment/.univs-installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
  echo "Installing univs and what it needs (once; a few minutes) ..."
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -r requirements.txt
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
  echo "$state" > "$stamp"
fi
