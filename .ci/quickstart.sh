#!/usr/bin/env bash
# What the README promises a newcomer: `registry serve` in an empty folder, then the two commands its banner shows.
#
# Usage: .ci/quickstart.sh <registry binary>
set -euo pipefail

registry=$(realpath "${1:?usage: .ci/quickstart.sh <registry binary>}")
readonly registry
readonly address=127.0.0.1:5000
# How long the server may take to start, and to stop.
readonly limit_seconds=20

say() { printf 'quickstart: %s\n' "$*"; }
fail() {
  printf 'quickstart: %s\n' "$*" >&2
  if [[ -s "${banner:-}" ]]; then
    printf 'quickstart: the server said:\n' >&2
    sed 's/^/  | /' "$banner" >&2
  fi
  exit 1
}

listening() { (exec 3<>"/dev/tcp/${address/:/\/}") 2>/dev/null; }

# Waits until the command succeeds. Usage: wait_until <command> [argument…]
wait_until() {
  local deadline=$((SECONDS + limit_seconds))
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.02
  done
}

ended() { ! kill -0 "$server" 2>/dev/null; }
ready_or_ended() { ended || listening; }

shows_commands() { (($(count_of_curls "$banner") >= 2)); }
count_of_curls() { grep -o '\bcurl ' "$1" | wc -l; }

# The commands of the banner: indented lines that begin with curl, each with the lines it is continued on.
commands_of() {
  awk '
    continued || /^[ \t]+curl / { sub(/^[ \t]+/, ""); print; continued = /(\\|&&)[ \t]*$/; }
  ' "$1"
}

clean_up() {
  if [[ -n "${server:-}" ]]; then
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}

# A newcomer's machine has no configuration. Where one is installed (Debian's package of the older registry brings one),
# the rest runs in a mount namespace of its own in which its folder is empty.
for config in /etc/distribution/config.yml /etc/docker/registry/config.yml /usr/share/wharf/default.yml; do
  if [[ -e "$config" ]]; then
    folder=$(dirname "$config")
    say "$config is there; going on without sight of it"
    exec unshare --mount --propagation private \
      bash -euo pipefail -c 'mount -t tmpfs none "$1"; exec bash "$2" "$3"' _ "$folder" "$0" "$registry"
  fi
done
if listening; then fail "something listens on $address already; the quickstart needs that port"; fi

scratch=$(mktemp -d)
trap clean_up EXIT
banner="$scratch/banner"
mkdir "$scratch/empty"
cd "$scratch/empty"

# A newcomer has set nothing.
for name in "${!REGISTRY_@}"; do unset "$name"; done
"$registry" serve >"$scratch/out" 2>"$banner" </dev/null &
server=$!
wait_until ready_or_ended || fail "the server does not listen on $address after $limit_seconds s"
if ended; then fail "the server ended by itself"; fi

wait_until shows_commands || fail "the banner does not show two curl commands; a push takes two"
# The banner is written line by line; let it get to its end.
sleep 0.2
commands=$(commands_of "$banner")
[[ -n "$commands" ]] || fail "the curl commands of the banner are not on indented lines of their own"
say "pasting"
printf '%s\n' "$commands" | sed 's/^/  /'
bash -euo pipefail -c "$commands" </dev/null || fail "the commands of the banner fail"

tag=$(grep -oE '/v2/hello/manifests/[A-Za-z0-9_][A-Za-z0-9._-]*' <<<"$commands" | head -n 1 | sed 's|.*/||') || true
[[ -n "$tag" ]] || fail "the commands put no manifest under hello"
tags=$(curl -fsS "http://$address/v2/hello/tags/list") || fail "the tags of hello cannot be listed"
grep -qF "\"$tag\"" <<<"$tags" || fail "the tag $tag is not listed: $tags"
say "tags/list says $tags"

kill -TERM "$server"
wait_until ended || fail "the server did not stop within $limit_seconds s of SIGTERM"
code=0
wait "$server" || code=$?
server=''
((code == 0)) || fail "the server ended with $code, not 0"
say "the server stopped by itself when told to"
