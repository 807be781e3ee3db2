#!/usr/bin/env bash
# Puts libonnxruntime, which the engines with ONNX models open when they run, where the program looks for it.
#
#   scripts/onnxruntime.sh           beside the build: target/onnxruntime (or under CARGO_TARGET_DIR)
#   scripts/onnxruntime.sh FOLDER    elsewhere, for instance /usr/local/lib/tipring, where an installed program looks
#
# The library comes out of its Python package, fetched with pip from the index that pip is configured for; nothing is
# installed into Python. Does nothing, and touches no network, when the library is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

version=1.31.1
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) machine=x86_64 sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536 ;;
  Linux-aarch64) machine=aarch64 sha256=0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc ;;
  *) die "There is no package of libonnxruntime for this system: build it, and name it in engine.onnxruntime." ;;
esac
folder=${1:-${CARGO_TARGET_DIR:-target}/onnxruntime}

if [ -s "$folder/libonnxruntime.so" ] && [ "$(cat "$folder/VERSION" 2>/dev/null)" = "$version" ]; then
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  [ ! -s "$work/log" ] || tail -n 5 "$work/log" >&2
  die "libonnxruntime $version could not be fetched: $1
Engines with ONNX models stay off and the others serve; $0 tries again."
}

# A system without pip gets Debian's.
if ! python3 -m pip --version >/dev/null 2>&1; then
  say "Installing: python3-pip"
  command -v apt-get >/dev/null || fail "python3 -m pip does not work, and there is no apt-get to install it with"
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    fail "python3-pip is missing; install it as root: apt-get install --no-install-recommends python3-pip"
  fi
  install_with_apt python3-pip >"$work/log" 2>&1 ||
    { as_root apt-get update -q && install_with_apt python3-pip; } >>"$work/log" 2>&1 ||
    fail "python3-pip could not be installed"
fi

say "Fetching libonnxruntime $version (24 MB)"
# The same file for every version of Python, so that one checksum holds.
python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: --retries 1 --timeout 20 \
  --implementation cp --python-version 3.12 --abi cp312 --platform "manylinux_2_28_$machine" \
  --dest "$work" "onnxruntime==$version" >"$work/log" 2>&1 ||
  fail "pip says why above"
wheel=$(find "$work" -name 'onnxruntime-*.whl')
[ -n "$wheel" ] || fail "pip brought no package"
echo "$sha256  $wheel" | sha256sum --check --status ||
  fail "the package has not the checksum that is written in this script"
python3 -m zipfile -e "$wheel" "$work/wheel" || fail "the package cannot be unpacked"

mkdir -p "$folder"
cp "$work/wheel/onnxruntime/LICENSE" "$work/wheel/onnxruntime/ThirdPartyNotices.txt" "$folder/"
# Moved into place whole: a program that is starting sees the old one or the new one.
cp "$work/wheel/onnxruntime/capi/libonnxruntime.so.$version" "$folder/.libonnxruntime.so.new"
chmod 644 "$folder/.libonnxruntime.so.new"
mv -f "$folder/.libonnxruntime.so.new" "$folder/libonnxruntime.so"
echo "$version" >"$folder/VERSION"
give_back "$folder"
say "libonnxruntime $version is in $folder"
