#!/usr/bin/env bash
# Holds a running scribed to its own OpenAPI document: schemathesis makes requests out of the
# document, sane and insane ones, and checks statuses, media types and shapes of the answers.
#
#   tests/openapi.sh [EXAMPLES]
#
# EXAMPLES is how many requests are made up for each operation (8). The requests are the same in each run. Needs
# tests/setup.sh, and target/debug/scribed.
set -euo pipefail
cd "$(dirname "$0")/.."

examples="${1:-8}"
program="${SCRIBED:-target/debug/scribed}"
checker="${SCHEMATHESIS:-target/schemathesis/bin/schemathesis}"
folder="$(mktemp -d)"
port=$((20000 + RANDOM % 20000))
url="http://127.0.0.1:$port"

"$program" serve --storage.path="$folder/store" --web.listen-address="127.0.0.1:$port" \
  --replay.allow --log.level=warn >"$folder/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

for _ in $(seq 300); do
  curl -fs "$url/-/ready" >/dev/null && break
  sleep 0.1
done
# Something to ask about.
"$program" replay --url "$url" tests/fixtures/scenarios/bookstore-503.json >/dev/null

# The pages are for browsers (tests/it/page.rs), and the stream never ends.
"$checker" run "$url/api/v1/openapi.json" --url "$url" --max-examples "$examples" \
  --workers 1 --request-timeout 20 --generation-deterministic \
  --phases examples,coverage,fuzzing \
  --include-path-regex '^/(api|v2)/' --exclude-path /api/v1/stream \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  --no-color || {
  status=$?
  cat "$folder/log"
  exit "$status"
}
curl -fs "$url/-/ready" >/dev/null
