#!/usr/bin/env bash
# The programs the project's checks need beside Rust, each pinned here and nowhere else.
#
#   .ci/tools.sh                 install everything that is absent
#   .ci/tools.sh crane deny      install these: apt crane oras regctl distribution conformance deny fuzz moto components
#   .ci/tools.sh nginx           install what only the benchmark needs
#   .ci/tools.sh where deny      print the binary of a pinned tool, or fail saying how to install it
#   .ci/tools.sh paths           print the folders to put in front of PATH, joined by colons
set -euo pipefail

readonly CRANE_VERSION=v0.20.6
readonly ORAS_VERSION=v1.3.6
readonly REGCTL_VERSION=v0.11.7
# The registry we succeed, beside the older one that Debian has (docker-registry, below).
readonly DISTRIBUTION_VERSION=v3.1.1
# The commit after 967efdc, whose only change is that the suite's client no longer asks for compressed answers; that
# commit itself has no version that `go install` can fetch.
readonly CONFORMANCE_VERSION=v0.0.0-20260831232431-97274622c111
readonly DENY_VERSION=0.20.2
readonly FUZZ_VERSION=0.13.2
# An S3 that is not ours; it and all it stands on are Python, in a folder of their own.
readonly MOTO_VERSION=5.2.5

readonly APT_PACKAGES=(skopeo podman buildah docker-registry docker.io containerd runc iptables ca-certificates jq curl
  e2fsprogs mount perl python3-venv redis-server util-linux valgrind)
readonly APT_BINARIES=(skopeo podman buildah docker-registry docker dockerd containerd ctr runc iptables jq curl
  mkfs.ext4 mount perl prlimit redis-server redis-cli valgrind)

readonly CACHE="${WHARF_TOOLS:-$HOME/.cache/wharf-tools}"
readonly EVERYTHING=(components apt crane oras regctl distribution conformance deny fuzz moto)
# Only by name: no check needs them.
readonly ON_REQUEST=(nginx)
# Daemons and firewalls live where a plain user's PATH does not look.
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf 'tools: %s\n' "$*"; }
fail() {
  printf 'tools: %s\n' "$*" >&2
  exit 1
}

# The folder of a pinned tool; its name holds the version, so that another version is another folder.
home_of() {
  case "$1" in
    crane) echo "$CACHE/crane-$CRANE_VERSION" ;;
    oras) echo "$CACHE/oras-$ORAS_VERSION" ;;
    regctl) echo "$CACHE/regctl-$REGCTL_VERSION" ;;
    distribution) echo "$CACHE/distribution-$DISTRIBUTION_VERSION" ;;
    conformance) echo "$CACHE/conformance-$CONFORMANCE_VERSION" ;;
    deny) echo "$CACHE/cargo-deny-$DENY_VERSION" ;;
    fuzz) echo "$CACHE/cargo-fuzz-$FUZZ_VERSION" ;;
    moto) echo "$CACHE/moto-$MOTO_VERSION" ;;
    *) fail "no pinned tool is called $1" ;;
  esac
}

binary_of() {
  case "$1" in
    deny) echo "$(home_of deny)/bin/cargo-deny" ;;
    fuzz) echo "$(home_of fuzz)/bin/cargo-fuzz" ;;
    moto) echo "$(home_of moto)/bin/moto_server" ;;
    # Its own name is `registry`, which is ours too.
    distribution) echo "$(home_of distribution)/bin/distribution-registry" ;;
    *) echo "$(home_of "$1")/bin/$1" ;;
  esac
}

# Installs into a folder beside the final one and renames, so that what is there is whole.
# Usage: install_once <tool> <command that fills $STAGING/bin>
install_once() {
  local tool=$1 home
  shift
  home=$(home_of "$tool")
  if [[ -x "$(binary_of "$tool")" ]]; then
    say "$tool is there: $home"
    return
  fi
  say "$tool: installing into $home"
  mkdir -p "$CACHE"
  STAGING=$(mktemp -d "$CACHE/.installing-XXXXXX")
  export STAGING
  trap 'rm -rf "$STAGING"' EXIT
  "$@"
  rm -rf "$home"
  mv "$STAGING" "$home"
  chmod 755 "$home"
  trap - EXIT
  [[ -x "$(binary_of "$tool")" ]] || fail "$tool was installed and $(binary_of "$tool") is not there"
  say "$tool is installed"
}

go_install() {
  command -v go >/dev/null || fail "go is not on PATH; install Go 1.26.7 or newer (a distribution's is often older)"
  # Go keeps its module cache read-only; only the binary goes into the staging folder.
  GOBIN="$STAGING/bin" go install "$1" </dev/null
}

cargo_install() {
  # A target folder of its own: the project's may be in use, and is not for tools.
  CARGO_TARGET_DIR="$STAGING/target" cargo install "$1" --locked --version "$2" --root "$STAGING" </dev/null
  rm -rf "$STAGING/target"
}

install_apt() {
  local missing=() binary
  for binary in "${APT_BINARIES[@]}"; do
    command -v "$binary" >/dev/null || missing+=("$binary")
  done
  if ((${#missing[@]} == 0)); then
    say "apt: every binary is there"
    return
  fi
  command -v apt-get >/dev/null || fail "not a Debian, so install these yourself: ${missing[*]}"
  ((EUID == 0)) || fail "missing ${missing[*]}; run as root: apt-get install ${APT_PACKAGES[*]}"
  say "apt: missing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  local packages=("${APT_PACKAGES[@]}")
  # Newer Debians keep the docker client apart from its daemon.
  if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  apt-get install -qq --yes --no-install-recommends "${packages[@]}" </dev/null
  for binary in "${missing[@]}"; do
    hash -r
    command -v "$binary" >/dev/null || fail "apt: $binary is still missing"
  done
  say "apt: installed"
}

# A static server to compare with. Its package would start one, which nobody asked for.
install_nginx() {
  if command -v nginx >/dev/null; then
    say "nginx is there: $(command -v nginx)"
    return
  fi
  command -v apt-get >/dev/null && ((EUID == 0)) || fail "nginx is missing; run as root: apt-get install nginx-light"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  RUNLEVEL=1 apt-get install -qq --yes --no-install-recommends nginx-light </dev/null
}

install_crane() {
  install_once crane go_install "github.com/google/go-containerregistry/cmd/crane@$CRANE_VERSION"
}

install_oras() {
  install_once oras go_install "oras.land/oras/cmd/oras@$ORAS_VERSION"
}

install_regctl() {
  install_once regctl go_install "github.com/regclient/regclient/cmd/regctl@$REGCTL_VERSION"
}

install_distribution() {
  install_once distribution go_install_distribution
}

go_install_distribution() {
  go_install "github.com/distribution/distribution/v3/cmd/registry@$DISTRIBUTION_VERSION"
  mv "$STAGING/bin/registry" "$STAGING/bin/distribution-registry"
}

install_conformance() {
  install_once conformance go_install \
    "github.com/opencontainers/distribution-spec/conformance@$CONFORMANCE_VERSION"
}

install_deny() {
  install_once deny cargo_install cargo-deny "$DENY_VERSION"
}

install_fuzz() {
  install_once fuzz cargo_install cargo-fuzz "$FUZZ_VERSION"
}

install_moto() {
  install_once moto pip_install moto.server "moto[s3,server]==$MOTO_VERSION"
}

# The script that pip makes names the folder it was made in, which is not where it stays; this one looks around. And it
# stands alone: what is put in front of PATH is to bring no other Python.
# Usage: pip_install <module to run> <requirement>
pip_install() {
  python3 -m venv "$STAGING/venv" || fail "python3 with its venv module is missing; on Debian: apt-get install python3-venv"
  "$STAGING/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$2" </dev/null
  mkdir "$STAGING/bin"
  cat >"$STAGING/bin/moto_server" <<EOF
#!/usr/bin/env bash
exec "\$(dirname "\$(realpath "\$0")")/../venv/bin/python" -m $1 "\$@"
EOF
  chmod 755 "$STAGING/bin/moto_server"
}

install_components() {
  local component
  command -v cargo >/dev/null || fail "cargo is not on PATH; install rustup, which reads rust-toolchain.toml"
  for component in fmt clippy; do
    if cargo "$component" --version >/dev/null 2>&1; then
      say "cargo $component is there: $(cargo "$component" --version)"
    elif command -v rustup >/dev/null; then
      say "cargo $component: adding the component"
      rustup component add "${component/fmt/rustfmt}" </dev/null
    else
      fail "cargo $component is missing and there is no rustup to add it"
    fi
  done
}

where() {
  local binary
  binary=$(binary_of "$1")
  [[ -x "$binary" ]] || fail "the pinned $1 is not at $binary; run: .ci/tools.sh $1"
  echo "$binary"
}

paths() {
  local joined='' tool
  for tool in crane oras regctl distribution conformance deny fuzz moto; do
    joined+="${joined:+:}$(home_of "$tool")/bin"
  done
  echo "$joined"
}

main() {
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  case "${1:-}" in
    where) where "${2:?where what?}" ;;
    paths) paths ;;
    *)
      local tool wanted=("$@")
      ((${#wanted[@]} > 0)) || wanted=("${EVERYTHING[@]}")
      for tool in "${wanted[@]}"; do
        [[ " ${EVERYTHING[*]} ${ON_REQUEST[*]} " == *" $tool "* ]] || fail "no tool is called $tool; there are: ${EVERYTHING[*]} ${ON_REQUEST[*]}"
        "install_$tool"
      done
      ;;
  esac
}

main "$@"
