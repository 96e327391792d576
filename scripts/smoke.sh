#!/usr/bin/env bash
# Does a deployment work from end to end? Asks for one video and waits until it is there. Costs what one video costs.
#   BASE_URL=http://localhost:8080 SPILLWAY_API_KEY=… scripts/smoke.sh
# TEMPORAL_UI_URL: Temporal UI is asked for too. MODEL: default is the deployment's own. WITHIN_SECONDS: default 300.
# Needs bash and curl.
set -euo pipefail

base="${BASE_URL:-http://localhost:8080}"
within="${WITHIN_SECONDS:-300}"
deadline=$((SECONDS + within))
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

say() { printf 'smoke: %s\n' "$*"; }
fail() {
  say "FAILED: $*" >&2
  exit 1
}

# The key goes by a file, where no list of processes shows it.
headers="$scratch/headers"
{ if [ -n "${SPILLWAY_API_KEY:-}" ]; then printf 'authorization: Bearer %s\n' "$SPILLWAY_API_KEY"; fi; } >"$headers"

# Prints the status, and leaves the body in $scratch/body. 000: nobody answered.
call() {
  local path="$1"
  shift
  curl --silent --show-error --max-time 30 --output "$scratch/body" --write-out '%{http_code}' \
    --header "@$headers" "$@" "$base$path" 2>"$scratch/error" || true
}

# Of a flat field of the body, the first one of that name.
field() { grep -o "\"$1\" *: *\"[^\"]*\"" "$scratch/body" | head -n 1 | sed 's/.*: *"\(.*\)"/\1/'; }

until [ "$(call /v1/models)" = 200 ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "GET $base/v1/models is not answered with 200: $(cat "$scratch/error" "$scratch/body" 2>/dev/null)"
  sleep 1
done
say "the API answers"

if [ -n "${SPILLWAY_API_KEY:-}" ]; then
  without="$(curl --silent --max-time 30 --output /dev/null --write-out '%{http_code}' "$base/v1/videos")"
  [ "$without" = 401 ] || fail "GET /v1/videos without a key is answered with $without, not 401. Is the API open to everybody?"
  say "nobody gets in without a key"
fi

model="${MODEL:+\"model\":\"$MODEL\",}"
status="$(call /v1/videos --header 'content-type: application/json' --header "idempotency-key: smoke-$$-$RANDOM-$RANDOM" \
  --data "{${model}\"prompt\":\"A lighthouse at dusk, waves below, slow pan\"}")"
[ "$status" = 202 ] || fail "POST /v1/videos is answered with $status, not 202: $(cat "$scratch/body")"
id="$(field id)"
say "$id is accepted"

state=queued
while [ "$state" != completed ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "$id is still $state after ${within} s. Ask: spillway ops show $id"
  sleep 1
  [ "$(call "/v1/videos/$id")" = 200 ] || continue
  state="$(field status)"
  case "$state" in failed | cancelled) fail "$id is $state: $(cat "$scratch/body")" ;; esac
done
say "$id is completed"

status="$(call "/v1/videos/$id/content" --location)"
[ "$status" = 200 ] || fail "its content is answered with $status, not 200"
[ "$(dd if="$scratch/body" bs=1 skip=4 count=4 2>/dev/null)" = ftyp ] || fail "its content is no MP4"
say "its content is an MP4 of $(wc -c <"$scratch/body" | tr -d ' ') bytes"

if [ -n "${TEMPORAL_UI_URL:-}" ]; then
  curl --silent --show-error --fail --location --max-time 30 --output /dev/null "$TEMPORAL_UI_URL" ||
    fail "Temporal UI does not answer at $TEMPORAL_UI_URL"
  say "Temporal UI answers"
fi
say "all well"
