#!/usr/bin/env bash
# One call of a softphone without a sound card: plays IN.wav into it and records what comes back to OUT/rx.wav.
#
#   baresip-call.sh IN.wav OUT SECONDS URI [pcmu|pcma|g722 [USER:PASSWORD@REGISTRAR:PORT]]
#
# LOCAL=127.0.0.33:5060 is where it listens; DTMF=12 sends keys from DTMF_AT=2 seconds on; HOLD_AT and RESUME_AT (seconds)
# put the call on hold. IN.wav is mono at the codec's rate.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,7{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }
in=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
seconds=$3 uri=$4 codec=${5:-pcmu} account=${6:-} local=${LOCAL:-127.0.0.33:5060}
ip=${local%:*} control=$((${local#*:} + 4000))
case $uri in sip:*@127.*) ;; *) echo "only loopback is called" >&2; exit 2 ;; esac
case $codec in
  pcmu) name=PCMU/8000/1 module=g711.so ;;
  pcma) name=PCMA/8000/1 module=g711.so ;;
  g722) name=G722/16000/1 module=g722.so ;;
  *) echo "unknown codec $codec" >&2; exit 2 ;;
esac
modules=$(dirname "$(find /usr/lib -path '*baresip/modules/account.so' -print -quit 2>/dev/null)")
[ -d "$modules" ] || { echo "baresip is missing: apt-get install baresip-core" >&2; exit 1; }

work=$(mktemp -d)
phone='' holder=''
finish() {
  [ -z "$phone" ] || kill "$phone" 2>/dev/null || true
  [ -z "$holder" ] || kill "$holder" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

cat >"$work/config" <<X
module_path $modules
poll_method epoll
sip_listen $local
sip_trans_def udp
call_max_calls 1
audio_source aufile,$in
audio_player aubridge,sink
audio_alert aubridge,alert
audio_level no
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_telev_pt 101
rtp_ports $((40000 + 20 * ${ip##*.}))-$((40019 + 20 * ${ip##*.}))
net_interface $ip
module_tmp uuid.so
module $module
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen $ip:$control
snd_path $work
X
[ ! -f "$modules/auconv.so" ] || echo "module auconv.so" >>"$work/config"
if [ -n "$account" ]; then
  user=${account%@*}
  echo "<sip:${user%%:*}@${account#*@}>;auth_pass=${user#*:};regint=300;audio_codecs=$name" >"$work/accounts"
else
  echo "<sip:caller@$local>;regint=0;audio_codecs=$name" >"$work/accounts"
fi
: >"$work/contacts"
# It would end with its standard input: a pipe that stays open for as long as the call may last.
mkfifo "$work/in"
sleep $((seconds + 10)) >"$work/in" &
holder=$!
baresip -f "$work" -t $((seconds + 8)) <"$work/in" >"$out/baresip.log" 2>&1 &
phone=$!

python3 - "$ip" "$control" "$uri" "$seconds" "${DTMF:-}" "${DTMF_AT:-2}" "${HOLD_AT:-}" "${RESUME_AT:-}" >"$out/events.log" <<'P'
import json, socket, sys, time

ip, port, uri, seconds, keys, keys_at, hold_at, resume_at = sys.argv[1:]
for attempt in range(100):
    try:
        control = socket.create_connection((ip, int(port)), 5)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("baresip did not come up")
control.setblocking(False)
time.sleep(0.5)  # for the registration


def command(name, parameters=""):
    message = json.dumps({"command": name, "params": parameters, "token": name})
    control.sendall(f"{len(message)}:{message},".encode())


due = [(float(keys_at) + 0.3 * i, "sndcode", key) for i, key in enumerate(keys)]
due += [(float(at), name, "") for at, name in ((hold_at, "hold"), (resume_at, "resume")) if at]
due.sort()
command("dial", uri)
began = time.time()
while time.time() - began < float(seconds):
    while due and time.time() - began > due[0][0]:
        command(*due.pop(0)[1:])
    try:
        data = control.recv(65536)
        if not data:
            break
        print(f"{time.time() - began:.3f}", data.decode(errors="replace"), flush=True)
    except BlockingIOError:
        pass
    time.sleep(0.02)
for last in ("hangup", "quit"):
    try:
        command(last)
    except OSError:
        pass
    time.sleep(0.4)
P
for _ in $(seq 30); do
  kill -0 "$phone" 2>/dev/null || break
  sleep 0.1
done
heard=$(find "$work" -name 'dump-*-dec.wav' -print -quit)
said=$(find "$work" -name 'dump-*-enc.wav' -print -quit)
[ -z "$said" ] || mv "$said" "$out/tx.wav"
[ -n "$heard" ] || { tail -n 20 "$out/baresip.log" >&2; echo "no call came about" >&2; exit 1; }
mv "$heard" "$out/rx.wav"
echo "heard: $out/rx.wav"
