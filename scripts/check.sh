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
[ ${#failed[@]} = 0 ] && echo "all checks passed" || { echo "failed: ${failed[*]}"; exit 1; }
