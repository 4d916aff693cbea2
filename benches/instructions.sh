#!/usr/bin/env bash
# Counts instructions of parse, append, machine step and draft with callgrind, and shows them
# beside those that a release kept:
#
#   benches/instructions.sh [KEPT]          such as benches/results/0.1.0.instructions
#   benches/instructions.sh > FILE          keeps them
#
# Counts repeat to well under one percent where the compiler is the same. An append counts all
# threads of the store, and a parse, an append and a step are one delivery of ten alerts.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
  export PATH="$HOME/.cargo/bin:$PATH"
fi
command -v valgrind >/dev/null || { echo "valgrind is missing: run tests/setup.sh" >&2; exit 1; }
kept=${1:-}

program=$(cargo bench --bench instructions --no-run --locked 2>&1 |
  sed -n 's/.*Executable .*(\(.*\)).*/\1/p')
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Instructions of doing a piece of work this many times.
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" >/dev/null 2>"$out"
  sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$out"
}

for row in "parse 20 220" "append 100 500" "step 100 500" "draft 1 6"; do
  read -r work few many <<<"$row"
  each=$((($(count "$work" "$many") - $(count "$work" "$few")) / (many - few)))
  before=""
  if [ -n "$kept" ]; then
    before=$(awk -v work="$work" '$1 == work {print $2}' "$kept")
  fi
  if [ -n "$before" ]; then
    printf '%s %s kept %s %s%%\n' "$work" "$each" "$before" "$(((each - before) * 100 / before))"
  else
    printf '%s %s\n' "$work" "$each"
  fi
done
