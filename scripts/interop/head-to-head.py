#!/usr/bin/env python3
"""tipring and active-call in one run on loopback: the same callers, measured by the same telephone, one server after the other.

  head-to-head.py [--active-call BIN] [--calls 6] [--rounds 1] [--only tipring] [--scenario NAME]... [--out DIR] [--table FILE]

Each server is started alone and called by N test telephones at once (`tipring phone`), which read gaps, cut-offs and stops off the
RTP that they receive. Four scenarios:

  speech    N callers speak at once, with pauses of 280 to 460 ms in what they say
  barge-in  the language model streams for about five seconds; every answer is interrupted 1.5 s after it began
  network   2 % loss in bursts, 60 ms of jitter on 20 ms of delay, and nothing sent in the caller's silences (DTX)
  reinvite  a re-INVITE 300 ms into everything that is said

What each side works with is what it can work with offline. tipring: earshot, PocketSphinx and flite in the process, and an
OpenAI-compatible language model. active-call cannot run its local recogniser and voice without a download, so it gets the two
cloud services that it knows from this script, and they are ideal ones: a Deepgram-style recogniser that ends an utterance after
300 ms of silence and knows the words at once, and a CosyVoice-style voice that answers at once. Its CPU figure holds neither
recognition nor synthesis. Both have the same language model: a server in this script with a fixed pace.

Needs Linux, the tipring binary (TIPRING, or target/release) and, for the peer, `cargo install active-call --version 0.3.113`.
Without --active-call or a binary of that name in PATH only tipring is run, and the table says so."""

import argparse
import array
import asyncio
import base64
import hashlib
import json
import math
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIPRING = pathlib.Path(os.environ.get("TIPRING", ROOT / "target/release/tipring"))
QUESTIONS = [
    "what time [320] does it start", "how long does it take", "how much [460] does it cost", "where is the open day",
    "what should i [280] bring", "where can i park", "how do i [380] get there", "is it for free",
]
PLAIN = [question.replace("[320] ", "").replace("[460] ", "").replace("[280] ", "").replace("[380] ", "") for question in QUESTIONS]
SHORT = "It starts at ten in the morning and you are very welcome."
LONG = ("I am happy to tell you. There is so much to see and to do on that day. You can play music and cook with us. "
        "There is sport for everybody who likes it. And at noon there is soup and cake for you.")
# What tipring lets a model say: figures that no fact has are not spoken.
FACTS = "It starts at ten in the morning. At noon there is soup and cake."
SCENARIOS = {
    "speech": {"model": (0.15, 0.02, SHORT), "say": QUESTIONS[:6], "phone": []},
    "barge-in": {"model": (0.15, 0.12, LONG), "say": PLAIN[:1], "barge": PLAIN[1:6], "phone": []},
    "network": {"model": (0.15, 0.02, SHORT), "say": QUESTIONS[:6],
                "phone": ["--network", "delay=20,jitter=60,loss=2,burst=2,dtx"]},
    "reinvite": {"model": (0.15, 0.02, SHORT), "say": QUESTIONS[:6], "phone": ["--reinvite"]},
}


# ---- the services that a server under test may ask: a language model, a recogniser, a voice -------------------------------------

async def read_head(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    return head[0].split(" ")[1], {key.lower(): value for key, value in fields.items()}


class WebSocket:
    """As much of RFC 6455 as a server needs whose client behaves."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def accept(self, fields):
        key = fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        answer = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Accept: {answer}\r\n\r\n").encode())

    async def next(self):
        """The next message: (opcode, bytes), or None at the end. Fragments are put together, pings answered."""
        message, kind = b"", None
        while True:
            first, second = await self.reader.readexactly(2)
            length = second & 127
            if length == 126:
                length = struct.unpack("!H", await self.reader.readexactly(2))[0]
            elif length == 127:
                length = struct.unpack("!Q", await self.reader.readexactly(8))[0]
            mask = await self.reader.readexactly(4) if second & 128 else bytes(4)
            data = await self.reader.readexactly(length)
            if any(mask):
                whole = mask * (length // 4 + 1)
                data = (int.from_bytes(data, "big") ^ int.from_bytes(whole[:length], "big")).to_bytes(length, "big")
            opcode = first & 15
            if opcode == 8:
                return None
            if opcode == 9:
                self.send(10, data)
            elif opcode in (0, 1, 2):
                kind = opcode if opcode else kind
                message += data
                if first & 128:
                    return kind, message

    def send(self, opcode, data):
        length = len(data)
        if length < 126:
            head = bytes([128 | opcode, length])
        elif length < 65536:
            head = bytes([128 | opcode, 126]) + struct.pack("!H", length)
        else:
            head = bytes([128 | opcode, 127]) + struct.pack("!Q", length)
        self.writer.write(head + data)

    def text(self, value):
        self.send(1, json.dumps(value).encode())


class Services:
    """All of them on one port, in a thread of their own."""

    def __init__(self):
        self.model = SCENARIOS["speech"]["model"]
        self.asked = 0
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def serve(self, reader, writer):
        try:
            while True:
                path, fields = await read_head(reader)
                if path.startswith("/listen"):
                    return await self.recognise(reader, writer, fields)
                if path.startswith("/speak"):
                    return await self.speak(reader, writer, fields)
                await reader.readexactly(int(fields.get("content-length", 0)))
                await self.complete(writer)
        except (asyncio.IncompleteReadError, ConnectionError, BrokenPipeError):
            pass
        finally:
            writer.close()

    async def complete(self, writer):
        """Chat completions, streamed: the first word after a time, then one after the other."""
        first, pace, text = self.model
        self.asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(first)

        async def event(data):
            line = f"data: {data}\n\n".encode()
            writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            await writer.drain()

        for word in text.split(" "):
            await event(json.dumps({"choices": [{"index": 0, "delta": {"content": word + " "}}]}))
            await asyncio.sleep(pace)
        await event("[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def recognise(self, reader, writer, fields):
        """A recogniser that knows the words as soon as they are said: speech is what is loud, and ends after 300 ms of silence."""
        socket = WebSocket(reader, writer)
        await socket.accept(fields)
        spoken = silent = 0.0
        number, clock = 0, 0.0

        def result(final):
            words = PLAIN[number % len(PLAIN)]
            socket.text({
                "type": "Results", "start": max(0.0, clock - spoken - silent), "duration": spoken, "is_final": final,
                "speech_final": final, "channel": {"alternatives": [{"transcript": words, "confidence": 0.99, "words": []}]},
                "metadata": {"request_id": "r"}, "channel_index": [0, 1]})

        rest = b""
        while (message := await socket.next()) is not None:
            if message[0] != 2:
                continue
            rest += message[1]
            while len(rest) >= 640:
                frame, rest = array.array("h", rest[:640]), rest[640:]
                clock += 0.02
                loud = math.sqrt(sum(sample * sample for sample in frame) / 320) > 200
                if loud:
                    if spoken < 0.2 <= spoken + 0.02:
                        result(False)
                    spoken, silent = spoken + 0.02, 0.0
                elif spoken:
                    silent += 0.02
                    if silent >= 0.3:
                        if spoken >= 0.1:
                            result(True)
                            number += 1
                        spoken = silent = 0.0

    async def speak(self, reader, writer, fields):
        """A voice: 60 ms of a buzz per character, as fast as it can be sent."""
        socket = WebSocket(reader, writer)
        await socket.accept(fields)
        while (message := await socket.next()) is not None:
            if message[0] != 1:
                continue
            order = json.loads(message[1])
            task, action = order["header"]["task_id"], order["header"]["action"]
            event = {"run-task": "task-started", "finish-task": "task-finished"}.get(action)
            if action == "continue-task":
                text = order["payload"]["input"]["text"]
                socket.send(2, buzz(0.06 * len(text)))
            if event:
                socket.text({"header": {"task_id": task, "event": event, "attributes": {}}, "payload": {}})
            await writer.drain()


def buzz(seconds):
    """A voice-like sound at 16 kHz: pulses at 120 Hz, four syllables a second."""
    samples = array.array("h")
    for n in range(int(seconds * 16000)):
        envelope = 0.35 + 0.65 * abs(math.sin(math.pi * 4 * n / 16000))
        phase = n % 133
        samples.append(int(9000 * envelope * math.exp(-phase / 20) * math.sin(phase * 0.6)))
    return samples.tobytes()


# ---- the servers under test -----------------------------------------------------------------------------------------------------

def tipring(folder, services):
    phrases = json.dumps(PLAIN)
    flow = f"""name = "head"
start = "listen"
max_turns = 100
[fallback]
say = "Something went wrong."
hang_up = true
[no_match]
say = "Sorry, could you say that again?"
max = 100
finally = {{ hang_up = true }}
[no_input]
after_ms = 60000
max = 10
finally = {{ hang_up = true }}
[state.listen]
say = "Hello, how can I help you?"
expect = "choice"
[[state.listen.on]]
phrases = {phrases}
goto = "answer"
[[state.listen.on]]
phrases = ["goodbye"]
hang_up = true
[[state.listen.on]]
phrases = ["*"]
goto = "answer"
[state.answer]
ask = "Answer the question. {FACTS}"
template = "I do not know that."
goto = "more"
[state.more]
expect = "choice"
[[state.more.on]]
phrases = {phrases}
goto = "answer"
[[state.more.on]]
phrases = ["goodbye"]
hang_up = true
[[state.more.on]]
phrases = ["*"]
goto = "answer"
"""
    flows = folder / "flows"
    flows.mkdir(parents=True, exist_ok=True)
    (flows / "head.toml").write_text(flow)
    (folder / "tipring.toml").write_text(f"""data_dir = {json.dumps(str(folder / "data"))}
[sip]
listen = "127.0.0.50:5060"
allow = ["127.0.0.0/8"]
[http]
listen = "127.0.0.50:8080"
[calls]
flows_dir = {json.dumps(str(flows))}
default_flow = "head"
record = false
[engine]
llm = ["openai", "template"]
[engine.openai]
base_url = "http://127.0.0.1:{services.port}/v1"
model = "fixed"
""")
    command = [str(TIPRING), "serve", "--config", str(folder / "tipring.toml"), "--log", "warn"]
    return command, folder, "sip:agent@127.0.0.50:5060"


def active_call(binary, folder, services):
    (folder / "config/playbook").mkdir(parents=True, exist_ok=True)
    (folder / "config/mediacache").mkdir(parents=True, exist_ok=True)
    (folder / "ac.toml").write_text("""addr = "127.0.0.51"
http_addr = "127.0.0.51:8080"
udp_port = 5060
log_level = "warn"
external_ip = "127.0.0.51"
rtp_bind_ip = "127.0.0.51"
rtp_start_port = 12000
rtp_end_port = 19000
media_cache_path = "config/mediacache"
codecs = ["pcmu", "pcma", "g722", "telephone_event"]
http_access_skip_paths = ["/*"]
[handler]
type = "playbook"
default = "head.md"
""")
    (folder / "config/playbook/head.md").write_text(f"""---
asr:
  provider: deepgram
  secretKey: none
  samplerate: 16000
  endpoint: ws://127.0.0.1:{services.port}/listen
tts:
  provider: aliyun
  secretKey: none
  samplerate: 16000
  endpoint: ws://127.0.0.1:{services.port}/speak
vad:
  type: silero
llm:
  provider: openai
  model: fixed
  apiKey: none
  baseUrl: http://127.0.0.1:{services.port}/v1
  greeting: Hello, how can I help you?
interruption:
  strategy: both
---
# Scene: main
You answer questions about an open day.
""")
    return [binary, "--conf", "ac.toml"], folder, "sip:agent@127.0.0.51:5060"


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listening(address, port):
    wanted = "%08X:%04X" % (struct.unpack("<I", bytes(map(int, address.split("."))))[0], port)
    return any(wanted in line for line in pathlib.Path("/proc/net/udp").read_text().splitlines())


class Server:
    def __init__(self, name, command, folder, target):
        self.name, self.target = name, target
        self.log = open(folder / "log.txt", "w")
        self.process = subprocess.Popen(command, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT)
        address = target.split("@")[1].split(":")[0]
        until = time.time() + 60
        while not listening(address, 5060):
            if self.process.poll() is not None or time.time() > until:
                sys.exit(f"{name} does not start; see {folder / 'log.txt'}")
            time.sleep(0.1)
        time.sleep(1)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


# ---- the callers ----------------------------------------------------------------------------------------------------------------

def phone(target, scenario, number, out):
    command = [str(TIPRING), "phone", "--listen", "127.0.0.1:0", "--to", target, "--codec", "pcmu", "--json",
               "--voice", ["rms", "awb", "kal16"][number % 3], "--seed", str(2 * number), "--hangup-after", "120",
               "--report", str(out), *scenario["phone"]]
    for text in scenario["say"]:
        command += ["--say", text]
    for text in scenario.get("barge", []):
        command += ["--barge-in", text + "@1500"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def rank(values, percent):
    values = sorted(values)
    return values[max(1, math.ceil(percent / 100 * len(values))) - 1] if values else None


def run(server, name, scenario, calls, out, services):
    services.model = scenario["model"]
    before = services.asked
    cpu, began = cpu_seconds(server.process.pid), time.time()
    phones = [phone(server.target, scenario, number, out / f"{number}") for number in range(calls)]
    reports = []
    for process in phones:
        text, _ = process.communicate()
        try:
            reports.append(json.loads(text))
        except json.JSONDecodeError:
            reports.append({"calls": [{"error": "the telephone failed"}], "turns": []})
    wall, used = time.time() - began, 0.0
    alive = server.process.poll() is None
    if alive:
        used = cpu_seconds(server.process.pid) - cpu
    turns = [turn for report in reports for turn in report["turns"]]
    rows = [call for report in reports for call in report["calls"]]
    spoken = [turn for turn in turns if not turn.get("keys")]
    gaps = [turn["gap_ms"] for turn in spoken if turn["gap_ms"] is not None and not turn["barge_in"]]
    barges = [turn for turn in spoken if turn["barge_in"]]
    stops = [turn["stop_ms"] for turn in barges if turn["stop_ms"] is not None]
    late = [call["late_p99_ms"] for call in rows if call.get("late_p99_ms") is not None]
    seconds = sum(call.get("duration_ms", 0) for call in rows) / 1000
    return {
        "scenario": name, "server": server.name, "alive": alive, "calls": len(rows),
        "failed": sum(bool(call.get("error")) for call in rows), "turns": len(spoken),
        "wanted": calls * (len(scenario["say"]) + len(scenario.get("barge", []))),
        "gaps": len(gaps), "gap_p50_ms": rank(gaps, 50), "gap_p95_ms": rank(gaps, 95),
        "false_cutoffs": sum(turn["false_cutoff"] for turn in spoken), "missed": sum(turn["missed"] for turn in spoken),
        "barge_ins": len(barges), "stopped_within_1_s": sum(stop <= 1000 for stop in stops),
        "stop_p50_ms": rank(stops, 50), "stop_p95_ms": rank(stops, 95), "model_asked": services.asked - before,
        "cpu_percent_per_call": 100 * used / seconds if seconds else None, "late_p99_ms": rank(late, 50), "wall_s": wall,
    }


def table(rows, machine):
    def ms(value):
        return "–" if value is None else f"{value:.0f} ms"

    lines = ["| scenario | server | calls (failed) | answered | gap p50 / p95 | false cut-offs | no answer | interruptions: "
             "stopped within 1 s | stop p50 / p95 | CPU of a core per call | packets late p99 |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        barge = f"{row['stopped_within_1_s']} of {row['barge_ins']}" if row["barge_ins"] else "–"
        cpu = "–" if row["cpu_percent_per_call"] is None else f"{row['cpu_percent_per_call']:.2f} %"
        dead = "" if row["alive"] else " **(the server died)**"
        lines.append(
            f"| {row['scenario']} | {row['server']}{dead} | {row['calls']} ({row['failed']}) | {row['gaps']} of {row['turns']} turns"
            f" | {ms(row['gap_p50_ms'])} / {ms(row['gap_p95_ms'])} | {row['false_cutoffs']} | {row['missed']} | {barge}"
            f" | {ms(row['stop_p50_ms'])} / {ms(row['stop_p95_ms'])} | {cpu} | {ms(row['late_p99_ms'])} |")
    return "\n".join(lines) + f"\n\n{machine}\n"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"Measured on {model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, {time.strftime('%Y-%m-%d')}."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--active-call", default=shutil.which("active-call"))
    parser.add_argument("--calls", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["tipring", "active-call"])
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("/var/tmp/head-to-head"))
    parser.add_argument("--table", type=pathlib.Path)
    args = parser.parse_args()
    if not TIPRING.exists():
        sys.exit(f"{TIPRING} is not there: build it with cargo build --release, or name it in TIPRING")
    services = Services()
    servers = []
    if args.only != "active-call":
        servers.append(("tipring", lambda folder: tipring(folder, services)))
    if args.only != "tipring" and args.active_call:
        binary = str(pathlib.Path(args.active_call).resolve())
        servers.append(("active-call", lambda folder: active_call(binary, folder, services)))
    elif args.only != "tipring":
        print("active-call is not there: only tipring is run", file=sys.stderr)
    rows = []
    for round_number in range(args.rounds):
        for name in args.scenario or SCENARIOS:
            for server_name, prepare in servers:
                folder = args.out / server_name / f"{name}-{round_number}"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                server = Server(server_name, *prepare(folder))
                try:
                    rows.append(run(server, name, SCENARIOS[name], args.calls, folder / "phones", services))
                finally:
                    server.stop()
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    text = table(rows, machine())
    (args.out / "rows.json").write_text(json.dumps(rows, indent=1))
    if args.table:
        args.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
