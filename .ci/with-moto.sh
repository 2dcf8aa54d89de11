#!/usr/bin/env bash
# Runs a command beside a moto of its own, with an empty bucket `wharf`, whose address is in WHARF_TEST_S3.
#
# Usage: .ci/with-moto.sh <command> [argument…]
set -euo pipefail

# How long moto may take until it listens: it is a lot of Python.
readonly limit_seconds=60
readonly key=test

fail() {
  printf 'moto: %s\n' "$*" >&2
  sed 's/^/  | /' "$log" >&2
  exit 1
}

clean_up() {
  if [[ -n "${moto:-}" ]]; then
    kill -KILL "$moto" 2>/dev/null || true
    wait "$moto" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}

scratch=$(mktemp -d)
log="$scratch/log"
trap clean_up EXIT
moto_server --host 127.0.0.1 --port 0 >"$log" 2>&1 </dev/null &
moto=$!

# It chooses its port itself, and says which.
deadline=$((SECONDS + limit_seconds))
until address=$(grep -oE -m 1 'http://127\.0\.0\.1:[0-9]+' "$log"); do
  kill -0 "$moto" 2>/dev/null || fail "it ended by itself"
  ((SECONDS < deadline)) || fail "it does not listen after $limit_seconds s"
  sleep 0.1
done
curl --silent --show-error --fail --retry 10 --retry-connrefused --retry-delay 1 --request PUT --data-binary '' \
  --aws-sigv4 aws:amz:us-east-1:s3 --user "$key:$key" "$address/wharf" >/dev/null || fail "it makes no bucket"

WHARF_TEST_S3=$address "$@"
