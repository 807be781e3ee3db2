# shellcheck shell=bash
# Sourced by scripts/run and scripts/test: installs what is missing and finds cargo. Does nothing, and touches no network,
# when all is there.

# What the program opens when it runs (speech recognition and synthesis), and what its build needs (ring compiles C).
TIPRING_PACKAGES="libpocketsphinx3 libsphinxbase3 pocketsphinx-en-us pocketsphinx-testdata libflite1 espeak-ng gcc g++ cmake make libc6-dev ca-certificates"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  local missing=() package log
  command -v dpkg-query >/dev/null || {
    say "This is no Debian or Ubuntu: make sure that these are installed: $TIPRING_PACKAGES"
    return 0
  }
  for package in $TIPRING_PACKAGES; do
    # Ubuntu 24.04 and later put t64 behind the names of some libraries.
    installed "$package" || installed "${package}t64" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    die "These packages are missing: ${missing[*]}
Install them as root and start again:  apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "Installing: ${missing[*]}"
  log=$(mktemp)
  # The package lists may be missing or stale: fetch them only when installing fails without.
  install_with_apt "${missing[@]}" >"$log" 2>&1 || {
    as_root apt-get update -q >>"$log" 2>&1 || say "apt-get update failed; trying with the package lists that are there"
    install_with_apt "${missing[@]}" >>"$log" 2>&1 || {
      tail -n 30 "$log" >&2
      die "The packages could not be installed; apt-get says why above, all of it is in $log."
    }
  }
  rm -f "$log"
}

install_with_apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

# Fetches the library that engines with ONNX models open. Those without serve when it cannot be had: a notice and false.
fetch_onnxruntime() {
  scripts/onnxruntime.sh || {
    say "Going on without libonnxruntime."
    return 1
  }
}

# Puts cargo on the PATH: where rustup puts it, for this user or for the one who called sudo.
find_cargo() {
  command -v cargo >/dev/null && return 0
  local home homes=("${CARGO_HOME:-$HOME/.cargo}")
  if [ -n "${SUDO_USER:-}" ]; then
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    homes+=("$home/.cargo")
    # rustup keeps the toolchains beside; root has none of its own.
    [ -d "$HOME/.rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
  fi
  homes+=(/usr/local/cargo /opt/cargo)
  for home in "${homes[@]}"; do
    if [ -x "$home/bin/cargo" ]; then
      export PATH="$home/bin:$PATH"
      [ ! -d "${home%/*}/rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-${home%/*}/rustup}"
      return 0
    fi
  done
  die "cargo was not found. Install Rust 1.89 or newer (rustup, or your distribution's packages) and start again."
}

# What was built through sudo belongs to the one who called it: otherwise the next build without sudo fails.
give_back() {
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ -n "${SUDO_GID:-}" ]; then
    chown -R "$SUDO_UID:$SUDO_GID" "$@" 2>/dev/null || true
  fi
}
