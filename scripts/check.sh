#!/usr/bin/env bash
# Runs every check that needs no test, to the end, and fails when one of them failed.
cd "$(dirname "$0")/.." || exit 1
failed=()
run() { echo "--- $*"; .venv/bin/"$@" || failed+=("$1"); }
run ruff format --check .
run ruff check .
run mypy
run lint-imports --no-cache
run codespell
echo "--- vulture: what nothing uses in the package"
.venv/bin/vulture | grep '^nbflow/' && failed+=(vulture)
echo "--- tsc: the types of the panel's scripts"
tsc() { npx --yes --package typescript@5.9 tsc "$@"; }
if tsc --version >/dev/null 2>&1; then
  tsc -p tests/js/jsconfig.json || failed+=(tsc)
else
  echo "NOT RUN: it needs npx, and the network the first time"
fi
[ ${#failed[@]} = 0 ] && echo "all checks passed" || { echo "failed: ${failed[*]}"; exit 1; }
