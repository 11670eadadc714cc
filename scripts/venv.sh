#!/usr/bin/env bash
# Makes or fixes .venv and installs nbflow into it with one extra, in the versions it is tested with:
# `scripts/venv.sh demo`. Done in no time when nothing has changed: a stamp in .venv remembers pyproject.toml,
# constraints.txt, the interpreter and the folder it was made for.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=$1 python=${PYTHON:-python3} venv=$PWD/.venv

version=$("$python" -c 'import sys; print(*sys.version_info[:3], sep=".") if sys.version_info >= (3, 11) else sys.exit(1)') ||
  { echo "nbflow needs Python 3.11 or newer, and $python is not; say make PYTHON=/path/to/python" >&2; exit 1; }
stamp=$venv/.nbflow-$extra
now="$version $PWD $(git hash-object pyproject.toml scripts/constraints.txt | paste -sd ' ')"
[ "$(cat "$stamp" 2>/dev/null)" != "$now" ] || [ ! -x "$venv/bin/python" ] || exit 0

# Stale: its interpreter is gone or another one, it has no pip, or its folder was moved here.
if [ -d "$venv" ] && ! { "$venv/bin/python" -c "import pip, platform, sys; sys.exit(platform.python_version() != '$version')" &&
  head -c 512 "$venv/bin/pip" | grep -qF "$venv/bin/"; } 2>/dev/null; then
  echo "making .venv again: the one here does not belong to Python $version in this folder"
  rm -rf "$venv"
fi
if [ ! -d "$venv" ]; then
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then # Debian packs it apart
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    else
      echo "this Python cannot make virtual environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1
    fi
  fi
  "$python" -m venv "$venv"
fi
echo "installing nbflow with the extra '$extra' into .venv (some minutes the first time)"
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
ours=(--constraint scripts/constraints.txt --editable ".[$extra]")
# uv installs the same in a fraction of the time; where it cannot (it reads no pip.conf), pip does.
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}
if ! { pip uv==0.13.9 &&
  "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "${ours[@]}"; }; then
  echo "uv could not, pip does it"
  pip "${ours[@]}"
fi
echo "$now" >"$stamp"
