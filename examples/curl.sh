#!/usr/bin/env bash
# One video from a text, with nothing but curl. `npm run demo` serves it without a key and without cost.
#
#   SPILLWAY_URL=http://127.0.0.1:8080 SPILLWAY_KEY=spw_live_… examples/curl.sh 'a paper boat' boat.mp4
set -euo pipefail

url="${SPILLWAY_URL:-http://127.0.0.1:8080}"
prompt="${1:-A paper boat sails through a flooded city at dusk}"
file="${2:-video.mp4}"
key=()
if [ -n "${SPILLWAY_KEY:-}" ]; then key=(-H "Authorization: Bearer $SPILLWAY_KEY"); fi

# What comes after a name in an answer: enough for the flat fields that are needed here. Use jq where you have it.
field() { sed -E "s/.*\"$1\":\"?([^\",}]*).*/\1/"; }

# The key makes it safe to repeat the request: the second one gets the answer of the first.
video="$(curl -sS --fail-with-body "${key[@]}" "$url/v1/videos" \
  -H "Idempotency-Key: $(date +%s)-$$" \
  --retry 5 --retry-all-errors \
  --form-string "prompt=$prompt" -F model=wan-2.6 -F seconds=5)"
id="$(grep -o '"id":"video_[^"]*"' <<<"$video" | head -1 | cut -d'"' -f4)"
echo "accepted  $id"

# Each answer comes when the video has ended, or after 20 seconds.
while :; do
  status="$(curl -sS --fail-with-body "${key[@]}" -H 'Prefer: wait=20' "$url/v1/videos/$id" | field status)"
  echo "status    $status"
  case "$status" in
    completed) break ;;
    failed | cancelled) exit 1 ;;
  esac
done

curl -sS --fail-with-body "${key[@]}" -L -o "$file" "$url/v1/videos/$id/content"
echo "saved     $file"
