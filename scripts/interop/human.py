#!/usr/bin/env python3
"""Plays recorded people into a call, through a PBX where one is named, and says what was understood.

  human.py CSV OUT [--to URI] [--register USER:PASSWORD@HOST] [--serve CONFIG] [--codec pcmu] [--phrases 12] [--take 26]

CSV names the recordings, one per line: file,transcript (paths relative to it; further columns are ignored; rows whose note
holds an age under 18 are left out). They are taken in groups of --phrases; for each group a flow is written whose one state
expects just these sentences, tipring serves it, and the test telephone says them one after the other in one call. What the
call record says was heard is compared with the transcript. Needs the release build, and flac or ffmpeg for other files than WAV.
"""

import argparse
import csv
import difflib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIPRING = pathlib.Path(os.environ.get("TIPRING", ROOT / "target/release/tipring"))


def words(text):
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def rows(path):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            age = re.search(r"age=(\d+)", row.get("note") or "")
            if not age or int(age.group(1)) >= 18:
                yield path.parent / row["file"], " ".join(words(row["transcript"]))


def wav(source, folder):
    target = folder / (source.stem + ".wav")
    if source.suffix == ".wav":
        return source
    tool = ["flac", "-sdf", str(source), "-o", str(target)] if shutil.which("flac") else [
        "ffmpeg", "-loglevel", "error", "-y", "-i", str(source), str(target)]
    subprocess.run(tool, check=True)
    return target


def flow(phrases):
    listed = ", ".join(json.dumps(phrase) for phrase in phrases)
    return f"""name = "human"
start = "listen"
max_turns = 100
[fallback]
say = "Something went wrong."
hang_up = true
[no_match]
say = "Not understood."
max = 99
finally = {{ say = "Goodbye.", hang_up = true }}
[state.listen]
say = "Speak after me."
again = "Next."
expect = "choice"
wait_ms = 700
[[state.listen.on]]
phrases = [{listed}]
say = "Understood."
[[state.listen.on]]
dtmf = "9"
hang_up = true
"""


def records(data):
    found = sorted(pathlib.Path(data).glob("calls/*/*/*/*.json"))
    return [json.loads(path.read_text()) for path in found]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("csv", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--to", default="sip:agent@127.0.0.50:5060")
    parser.add_argument("--register")
    parser.add_argument("--serve", default=str(ROOT / "scripts/interop/direct.toml"))
    parser.add_argument("--codec", default="pcmu")
    parser.add_argument("--phrases", type=int, default=12)
    parser.add_argument("--take", type=int, default=24)
    options = parser.parse_args()
    out = options.out
    shutil.rmtree(out, ignore_errors=True)
    (out / "flows").mkdir(parents=True)
    chosen = list(rows(options.csv))[: options.take]
    right = 0
    for start in range(0, len(chosen), options.phrases):
        group = chosen[start : start + options.phrases]
        (out / "flows/human.toml").write_text(flow(sorted({text for _, text in group})))
        data = out / f"data{start}"
        environment = dict(
            os.environ,
            TIPRING__DATA_DIR=str(data),
            TIPRING__CALLS__FLOWS_DIR=str(out / "flows"),
            TIPRING__CALLS__DEFAULT_FLOW="human",
        )
        server = subprocess.Popen([TIPRING, "serve", "--config", options.serve], env=environment,
                                  stderr=open(out / "serve.log", "a"))
        try:
            time.sleep(4)
            phone = [TIPRING, "phone", "--to", options.to, "--listen", "127.0.0.34:0", "--codec", options.codec, "--report",
                     str(out / f"phone{start}"), "--max-false-cutoffs", "99"]
            if options.register:
                phone += ["--register", options.register]
            for file, _ in group:
                phone += ["--say", str(wav(file, out))]
            phone += ["--dtmf", "9"]
            subprocess.run(phone, stdout=open(out / "phone.log", "a"), stderr=subprocess.STDOUT, timeout=600)
            time.sleep(1)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(40)
        call = records(data)[-1]
        texts = [turn["text"] for turn in call["turns"] if turn["speaker"] == "caller" and not turn.get("dtmf")]
        codec = call["media"]["codec"]
        # In order, so that a sentence that was heard as two turns does not shift the rest.
        said, heard = [text for _, text in group], [" ".join(words(text)) for text in texts]
        matched = {block.a + n: block.b + n
                   for block in difflib.SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
                   for n in range(block.size)}
        right += len(matched)
        for n, (file, text) in enumerate(group):
            print(f"{'ok ' if n in matched else '-- '} {file.name}: {text!r}")
        for n, text in enumerate(heard):
            if n not in matched.values():
                print(f"    heard besides: {text!r}")
    print(f"{right} of {len(chosen)} understood among {options.phrases} phrases, {options.codec} at the telephone, {codec} at tipring")


if __name__ == "__main__":
    main()
