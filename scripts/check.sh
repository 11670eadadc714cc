#!/usr/bin/env bash
# Runs every check that needs no test, to the end, and fails when one of them failed. They run side by side, the longest
# first, and are shown one after the other.
cd "$(dirname "$0")/.." || exit 1
shown=$(mktemp -d)
trap 'rm -rf "$shown"' EXIT
names=()

run() { # NAME COMMAND...: in the background
  local name=$1
  shift
  names+=("$name")
  { "$@"; echo $? >"$shown/$name.code"; } >"$shown/$name" 2>&1 &
}
types_of_scripts() {
  tsc() { npx --yes --package typescript@5.9 tsc "$@"; }
  if tsc --version >/dev/null 2>&1; then tsc -p tests/js/jsconfig.json; else echo "NOT RUN: it needs npx, and the network the first time"; fi
}
unused() { ! .venv/bin/vulture | grep '^nbflow/'; } # what nothing uses in the package

run mypy .venv/bin/mypy
run tsc types_of_scripts
run vulture unused
run lint-imports .venv/bin/lint-imports --no-cache
run ruff-format .venv/bin/ruff format --check .
run ruff .venv/bin/ruff check .
run codespell .venv/bin/codespell
wait

failed=()
for name in "${names[@]}"; do
  echo "--- $name"
  cat "$shown/$name"
  [ "$(cat "$shown/$name.code")" = 0 ] || failed+=("$name")
done
[ ${#failed[@]} = 0 ] && echo "all checks passed" || { echo "failed: ${failed[*]}"; exit 1; }
