#!/usr/bin/env python3
"""Writes the sets that the recogniser is scored on, and the one that the band extension learns from.

  asr_sets.py DATA OUT

DATA is the folder with the recordings (speech/, emotion/), OUT gets the CSV files:

  adults.csv    speechocean762, speakers of 18 and more: phrases of 3 to 8 words, at most 8 s long; 52 in the data at hand
  children.csv  the same of speakers under 15
  adults-all.csv, children-all.csv   without these limits
  digits.csv    FSDD: the ten digits, 8 kHz; digits-half.csv: every second file of it
  numbers.csv   numbers of 4 to 7 digits, 40 of each speaker, put together in OUT/numbers from single digits of digits-half.csv with
                40 to 140 ms between them; for `eval asr --answer number`
  band.csv      what the band extension learns from: EMO-DB and read speech that is free for any use, wide band; nobody of the
                other sets is in it

The column group halves the speakers of speechocean762 (even and odd rows of its table): what was tuned was tuned on "tune", and
"test" was not looked at before. In FSDD it is the speaker; jackson is for tuning, nicolas and theo are for the test.
"""

import csv
import pathlib
import random
import re
import sys
import wave

if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
    asked = len(sys.argv) == 2 and sys.argv[1] in ("-h", "--help")
    sys.exit(print(__doc__) if asked else "asr_sets.py: give the two folders, DATA and OUT; --help says what they hold")
DATA, OUT = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
# Whose upper band is missing or not theirs.
NARROW = {"jfk.flac"}
NUMBERS = 40  # of each speaker


def rows(folder, name="transcripts.csv"):
    with open(DATA / folder / name, newline="") as file:
        for row in csv.DictReader(file):
            yield DATA / folder / row["file"], row


def seconds(path):
    """Of a FLAC file, from its first block."""
    head = path.read_bytes()[8:26]
    rate = int.from_bytes(head[10:13], "big") >> 4
    return (int.from_bytes(head[13:18], "big") & (1 << 36) - 1) / rate


def write(name, columns, lines):
    with open(OUT / name, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(lines)
    print(f"{name}: {len(lines)} files")


def people():
    sets = {"adults": [], "children": [], "adults-all": [], "children-all": []}
    for number, (path, row) in enumerate(rows("speech/speechocean762")):
        age = int(re.search(r"age=(\d+)", row["note"]).group(1))
        line = (path, row["transcript"], "test" if number % 2 else "tune")
        usual = 3 <= len(row["transcript"].split()) <= 8 and seconds(path) <= 8
        if age >= 18 or age < 15:
            group = "adults" if age >= 18 else "children"
            sets[f"{group}-all"].append(line)
            if usual:
                sets[group].append(line)
    for name, lines in sets.items():
        write(f"{name}.csv", ("file", "transcript", "group"), lines)


def band():
    lines = [(path,) for path, _ in rows("emotion/emodb", "labels.csv")]
    lines += [
        (path,) for path, row in rows("speech/misc")
        if path.suffix == ".flac" and row["rate_hz"] == "16000" and path.name not in NARROW
    ]
    write("band.csv", ("file",), lines)


def sound(path):
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def numbers(digits):
    """Puts single digits of each speaker together."""
    folder, lines = OUT / "numbers", []
    folder.mkdir(exist_ok=True)
    for speaker in sorted({line[2] for line in digits}):
        own, dice = [line for line in digits if line[2] == speaker], random.Random(f"numbers of {speaker}")
        for number in range(NUMBERS):
            said = [own[int(dice.random() * len(own))] for _ in range(4 + int(dice.random() * 4))]
            path = folder / f"{speaker}-{number:02}.wav"
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                for digit in said:
                    file.writeframes(sound(digit[0]) + bytes(2 * 8 * (40 + int(dice.random() * 100))))
            lines.append((path, " ".join(digit[1] for digit in said), speaker))
    write("numbers.csv", ("file", "transcript", "group"), lines)


OUT.mkdir(parents=True, exist_ok=True)
people()
digits = [(path, row["transcript"], row["speaker"]) for path, row in rows("speech/fsdd_8k")]
write("digits.csv", ("file", "transcript", "group"), digits)
write("digits-half.csv", ("file", "transcript", "group"), digits[::2])
numbers(digits[::2])
band()
