#!/usr/bin/env bash
# Calls tipring with sipp, on loopback.
#
#   sipp.sh calls TARGET [N]       N calls with audio, one after the other (default 3)
#   sipp.sh hold TARGET            hold and resume by re-INVITE
#   sipp.sh cancel TARGET          given up while it rings
#   sipp.sh overload TARGET N      N calls at once; prints how many were taken and how many were told 503
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,7{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=$1 target=$2 count=${3:-}
case $target in 127.*) ;; *) echo "only loopback is called" >&2; exit 2 ;; esac
command -v sipp >/dev/null || { echo "sipp is missing: apt-get install sip-tester" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/sipp/*.xml "$work"
# Eight seconds of a tone in µ-law: sound enough to be heard, nothing that could be understood.
python3 - "$work/tone.ulaw" <<'P'
import math, sys


def ulaw(sample):
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 15)) & 255


open(sys.argv[1], "wb").write(bytes(ulaw(int(6000 * math.sin(n * 0.5))) for n in range(64000)))
P
cd "$work"
call() { # SCENARIO CALLS ARGUMENTS...
  local scenario=$1 calls=$2
  shift 2
  sipp "$target" -sf "$scenario" -m "$calls" -i 127.0.0.32 -p 5070 -mi 127.0.0.32 -mp 44000 -nostdin \
    -timeout 60s -timeout_error -trace_err -error_file "$work/errors.log" "$@" >"$work/out" 2>&1 || {
    tail -n 30 "$work/out" >&2
    [ ! -f "$work/errors.log" ] || head -n 20 "$work/errors.log" >&2
    return 1
  }
}
case $what in
  calls) call call.xml "${count:-3}" -l 1 && echo "${count:-3} calls: all answered and ended" ;;
  hold) call hold.xml 1 && echo "hold and resume: both answered" ;;
  cancel) call cancel.xml 1 && echo "cancel: 487 received" ;;
  overload)
    call overload.xml "${count:?N}" -r "$count" -rp 1000 -l "$count" -trace_counts -fd 1 || exit 1
    python3 - "$work"/overload_*_counts.csv <<'P'
import csv, sys

rows = list(csv.reader(open(sys.argv[1]), delimiter=";"))
last = dict(zip(rows[0], rows[-1]))
taken = sum(int(v) for k, v in last.items() if k.endswith("_200_Recv") and k.startswith("5_"))
full = sum(int(v) for k, v in last.items() if k.endswith("_503_Recv"))
print(f"taken {taken}, told 503 with Retry-After {full}")
sys.exit(0 if taken and full else 1)
P
    ;;
  *) echo "calls, hold, cancel or overload" >&2; exit 2 ;;
esac
