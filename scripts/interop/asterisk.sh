#!/usr/bin/env bash
# An Asterisk 22 (Debian sid) in a folder, on loopback.
#
#   asterisk.sh up DIR [IP [PORT]]      default 127.0.0.20 5060; needs root, and mmdebstrap the first time
#   asterisk.sh cli DIR COMMAND
#   asterisk.sh down DIR [--remove]
#
# MIRROR names the package mirror; by default the one that this machine uses.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
etc=etc/asterisk-interop

die() {
  echo "$*" >&2
  exit 1
}

running() { [ -f "$dir/asterisk.pid" ] && kill -0 "$(cat "$dir/asterisk.pid")" 2>/dev/null; }

ask() { chroot "$root" /usr/sbin/asterisk -C "/$etc/asterisk.conf" -rx "$1"; }

fetch() {
  local mirror=${MIRROR:-}
  if [ -z "$mirror" ]; then
    mirror=$(grep -rhE '^(deb|URIs:) ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
      grep -oE 'https?://[^ ]+/debian/?' | head -n 1) || true
  fi
  [ -n "$mirror" ] || die "no package mirror in /etc/apt: name one with MIRROR=http://..."
  command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
  # A mirror's copy of sid may be older than the date until which it calls itself valid.
  mmdebstrap --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=asterisk,asterisk-modules,asterisk-core-sounds-en-wav sid "$root" "$mirror" >"$dir/bootstrap.log" 2>&1 ||
    die "$(tail "$dir/bootstrap.log")"
}

configure() {
  local file arch
  arch=$(basename "$(dirname "$(dirname "$(ls -d "$root"/usr/lib/*/asterisk/modules)")")")
  mkdir -p "$root/$etc" "$root/var/run/asterisk" "$root/var/spool/asterisk/monitor"
  for file in "$here"/asterisk/*.conf; do
    sed "s#@IP@#$ip#g; s#@PORT@#$port#g; s#@ARCH@#$arch#g" "$file" >"$root/$etc/$(basename "$file")"
  done
}

up() {
  [ "$(id -u)" = 0 ] || die "needs root: it changes its root folder"
  running && die "it runs already, process $(cat "$dir/asterisk.pid")"
  mkdir -p "$dir"
  [ -x "$root/usr/sbin/asterisk" ] || fetch
  configure
  rm -f "$root"/var/run/asterisk/asterisk.*
  # /dev and /proc are mounted in a name space of their own and vanish with the process.
  setsid unshare -m bash -c \
    'mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" /usr/sbin/asterisk -f -C "/$1/asterisk.conf"' \
    "$root" "$etc" >"$dir/asterisk.out" 2>&1 </dev/null &
  echo $! >"$dir/asterisk.pid"
  for _ in $(seq 150); do
    if ask 'core waitfullybooted' 2>/dev/null | grep -q 'fully booted'; then
      echo "Asterisk on $ip:$port, process $(cat "$dir/asterisk.pid"), log $root/var/log/asterisk/full.log"
      return
    fi
    running || die "$(cat "$dir/asterisk.out")"
    sleep 0.1
  done
  down
  die "it did not come up: $(tail -n 5 "$dir/asterisk.out")"
}

down() {
  if running; then
    local pid
    pid=$(cat "$dir/asterisk.pid")
    kill -TERM "$pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$dir/asterisk.pid"
}

[ $# -ge 2 ] || { sed -n '2,8{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }
dir=$(realpath -m "$2")
root=$dir/root
ip=127.0.0.20 port=5060
case $1 in
  up)
    ip=${3:-$ip} port=${4:-$port}
    case $ip in 127.*) up ;; *) die "$ip is not a loopback address" ;; esac
    ;;
  cli) ask "${3:?COMMAND}" ;;
  down)
    down
    if [ "${3:-}" = --remove ]; then
      ! grep -q " $root/" /proc/mounts || die "something is still mounted below $root"
      rm -rf --one-file-system "$root"
    fi
    ;;
  *) die "up, cli or down" ;;
esac
