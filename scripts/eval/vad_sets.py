#!/usr/bin/env python3
"""Labelled sets for `tipring eval vad`, from the folder of test recordings.

    python3 scripts/eval/vad_sets.py DATA OUT

writes OUT/speech.csv (people, labelled by hand or by forced alignment) and OUT/sounds.csv (what a telephone line carries
besides voices), with the sounds that are made here or have to be unpacked beside them. Nothing is copied out of DATA
otherwise. Needs numpy and soundfile.

speech.csv, by group:
  ami    30 s excerpts of meetings, far microphones, several speakers; speech segments of the AMI corpus
  emodb  acted sentences, close microphone; phone labels, whose pauses are silence
sounds.csv, by group:
  dtmf      recorded keys, and keys made here, with and without noise
  ringback  recorded and made: ring-back, busy, congestion, call waiting, special information tones of several countries
  music     made here: strings, plucked strings, organ, brass, electric piano, bells, bass and drums; melodies and chords
  noise     recordings of rain, sea, fire, a helicopter, a chain saw, a clock; noise
  animals   dogs and roosters
  people    sneezing, crying babies: human, but nobody's turn
"""
import csv
import pathlib
import sys

import numpy
import soundfile

RATE = 16000


def emodb(path):
    """Stretches of speech in a phone label file: each line is where a phone begins, its colour, its name."""
    lines = path.read_text(encoding="latin-1").splitlines()
    body = lines[[line.strip() for line in lines].index("#") + 1:]
    stretches, phone, last = [], None, 0.0
    for line in body:
        words = line.split()
        if not words:
            continue
        last = float(words[0])
        if phone is not None:
            if stretches and phone <= stretches[-1][1]:
                stretches[-1][1] = last
            else:
                stretches.append([phone, last])
        pause = len(words) > 2 and words[2].startswith(".")
        phone = None if pause else last
    return stretches, phone


def speech(data, out):
    rows = []
    for path in sorted((data / "vad/ami_pyannote").glob("*.flac")):
        rows.append((path, path.with_suffix(".rttm"), "", "ami"))
    for path in sorted((data / "emotion/emodb").glob("*.flac")):
        labels = data / "vad/emodb_phone_labels/lablaut" / f"{path.stem}xx.lablaut"
        if not labels.exists():
            continue
        stretches, open_ = emodb(labels)
        info = soundfile.info(path)
        length = info.frames / info.samplerate
        if open_ is not None and open_ < length:
            stretches.append([open_, length])
        stretches = [(a, min(b, length)) for a, b in stretches if a < length]
        if not stretches:
            continue
        # A second of silence after it, so that the end of speech can be measured: recordings are cut tightly.
        sound, rate = soundfile.read(path, dtype="int16")
        name = out / "emodb" / f"{path.stem}.wav"
        name.parent.mkdir(exist_ok=True)
        floor = numpy.random.default_rng(1).normal(0, 3, rate).round().astype("int16")
        soundfile.write(name, numpy.concatenate([floor[: rate // 2], sound, floor]), rate)
        text = " ".join(f"{a + 0.5:.4f}-{b + 0.5:.4f}" for a, b in stretches)
        rows.append((name, "", text, "emodb"))
    write(out / "speech.csv", ["file", "rttm", "segments", "group"], rows)


def tone(hz, seconds, level=0.12):
    time = numpy.arange(int(RATE * seconds)) / RATE
    return level * sum(numpy.sin(2 * numpy.pi * f * time) for f in hz)


def cadence(parts, seconds):
    """parts: (frequencies, seconds on, seconds off)"""
    pieces = []
    while sum(map(len, pieces)) < RATE * seconds:
        for hz, on, off in parts:
            pieces += [tone(hz, on), numpy.zeros(int(RATE * off))]
    return numpy.concatenate([numpy.zeros(RATE // 2), *pieces])


NETWORK = {
    "ringback_us": [([440, 480], 2, 4)],
    "ringback_uk": [([400, 450], 0.4, 0.2), ([400, 450], 0.4, 2)],
    "ringback_eu": [([425], 1, 4)],
    "ringback_cn": [([450], 1, 4)],
    "ringback_jp": [([384, 416], 1, 2)],
    "ringback_fr": [([440], 1.5, 3.5)],
    "busy_us": [([480, 620], 0.5, 0.5)],
    "busy_eu": [([425], 0.48, 0.48)],
    "busy_cn": [([450], 0.35, 0.35)],
    "congestion_us": [([480, 620], 0.25, 0.25)],
    "dial_us": [([350, 440], 5, 0.5)],
    "dial_eu": [([425], 5, 0.5)],
    "waiting_us": [([440], 0.3, 3)],
    "sit": [([950], 0.33, 0.03), ([1400], 0.33, 0.03), ([1800], 0.33, 1)],
    "fax_cng": [([1100], 0.5, 3)],
    "fax_ced": [([2100], 3, 0.5)],
}
KEYS = {k: (r, c) for r, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"))
        for c, k in zip((1209, 1336, 1477, 1633), row)}


def note(random, kind, hz, seconds):
    """One note of an instrument, with its overtones, attack and decay."""
    n = int(RATE * seconds)
    time = numpy.arange(n) / RATE
    if kind == "plucked":  # Karplus and Strong, 1983
        period = max(2, int(RATE / hz))
        line, out = random.uniform(-1, 1, period), numpy.empty(n)
        for i in range(n):
            out[i] = line[i % period]
            line[i % period] = 0.498 * (line[i % period] + line[(i + 1) % period])
        return out * 0.5
    vibrato = 1 + (0.006 * numpy.sin(2 * numpy.pi * 5.5 * time + random.uniform(0, 6)) if kind in ("strings", "brass") else 0)
    phase = 2 * numpy.pi * numpy.cumsum(hz * vibrato * numpy.ones(n)) / RATE
    partials, slope, attack, decay = {
        "strings": (12, 1.1, 0.12, 0.3), "brass": (14, 0.8, 0.05, 0.4), "organ": (8, 0.6, 0.02, 0.1),
        "piano": (8, 1.4, 0.005, 3.0), "bells": (6, 0.5, 0.002, 2.0), "bass": (5, 1.5, 0.01, 2.0),
    }[kind]
    out = numpy.zeros(n)
    for k in range(1, partials + 1):
        ratio = k * (1 + 0.0004 * k * k) if kind == "piano" else (k * 1.41 if kind == "bells" and k > 1 else k)
        if hz * ratio < RATE / 2:
            out += numpy.sin(phase * ratio) / k ** slope
    return out * numpy.minimum(1, time / attack) * numpy.exp(-decay * time) * numpy.minimum(1, (seconds - time) / 0.03)


def drums(random, seconds, beat):
    out = numpy.zeros(int(RATE * seconds))
    for i in range(int(seconds / beat * 2)):
        at, length = int(i * beat / 2 * RATE), RATE // 8
        time = numpy.arange(length) / RATE
        hit = random.normal(0, 1, length) * numpy.exp(-60 * time) * (0.6 if i % 4 == 2 else 0.15)
        if i % 4 == 0:
            hit = hit + numpy.sin(2 * numpy.pi * 60 * time * numpy.exp(-4 * time)) * numpy.exp(-15 * time)
        out[at: at + length] += hit[: len(out) - at]
    return out


def music(seed, kind, seconds=20.0):
    random = numpy.random.default_rng(seed)
    beat = random.uniform(0.35, 0.7)
    scale = numpy.array([0, 2, 4, 5, 7, 9, 11] if seed % 2 else [0, 2, 3, 5, 7, 8, 10])
    root = random.integers(45, 57)
    out = numpy.zeros(int(RATE * seconds))

    def put(kind, pitch, at, length, level):
        sound = level * note(random, kind, 440 * 2 ** ((pitch - 69) / 12), length)
        at = int(at * RATE)
        end = min(len(out), at + len(sound))
        out[at:end] += sound[: end - at]

    step, at = 0, 0.0
    while at < seconds - 4 * beat:
        degree = int(random.choice([0, 3, 4, 5, 1]))
        for third in (0, 2, 4):
            put(kind, root + scale[(degree + third) % 7] + 12 * ((degree + third) // 7), at, 4 * beat, 0.25)
        if seed % 3:
            put("bass", root - 12 + scale[degree % 7], at, 2 * beat, 0.5)
        for i in range(8 if seed % 5 else 4):
            if random.uniform() < 0.8:
                step = int(numpy.clip(step + random.integers(-2, 3), -3, 9))
                put(kind, root + 12 + scale[step % 7] + 12 * (step // 7), at + i * beat / 2, beat * random.choice([0.5, 1]), 0.4)
        at += 4 * beat
    if seed % 4 == 1:
        out += 0.5 * drums(random, seconds, beat)
    return 0.1 * out / numpy.sqrt(numpy.mean(out ** 2))


def sounds(data, out):
    rows = []

    def made(name, group, sound):
        path = out / group / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, numpy.clip(sound, -0.99, 0.99), RATE, subtype="PCM_16")
        rows.append((path, group))

    random = numpy.random.default_rng(7)
    for path in sorted((data / "noise/dtmf_pipecat").glob("*.wav")):
        rows.append((path, "dtmf"))
    for path in sorted((data / "noise/baresip_tones").glob("*.wav")):
        # These are announcements, the third against its name: its spectrogram is that of a voice.
        if path.stem in ("error", "notfound", "ring"):
            continue
        rows.append((path, "dtmf" if path.stem.startswith("sound") and path.stem != "soundroute" else "ringback"))
    for name, parts in NETWORK.items():
        made(name, "ringback", cadence(parts, 20))
    for n, (on, off) in enumerate([(0.08, 0.08), (0.15, 0.1), (0.3, 0.4), (0.06, 0.2)]):
        keys = [([*KEYS[k]], on, off) for k in random.permutation(list(KEYS))]
        sound = cadence(keys, 15)
        made(f"keys_{n}", "dtmf", sound)
        made(f"keys_{n}_noise", "dtmf", sound + random.normal(0, 0.005, len(sound)))
    for seed in range(28):
        kind = ["strings", "plucked", "organ", "brass", "piano", "bells", "strings"][seed % 7]
        made(f"{seed:02}_{kind}", "music", music(seed, kind))
    groups = {"Dog bark": "animals", "Rooster": "animals", "Baby cry": "people", "Person sneeze": "people"}
    with open(data / "noise/esc10/labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            sound, rate = soundfile.read(data / "noise/esc10" / row["file"])
            sound = sound.mean(axis=1) if sound.ndim > 1 else sound
            path = out / "esc10" / (pathlib.Path(row["file"]).stem + ".wav")
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, numpy.clip(sound, -0.99, 0.99), rate, subtype="PCM_16")
            rows.append((path, groups.get(row["class"], "noise")))
    for path in sorted((data / "noise/speechbrain_noise").glob("*.flac")):
        rows.append((path, "noise"))
    white = random.normal(0, 1, 10 * RATE)
    pink = numpy.fft.irfft(numpy.fft.rfft(white) / numpy.sqrt(numpy.maximum(1, numpy.arange(5 * RATE + 1))))
    for name, sound in (("white", white), ("pink", pink)):
        for dbfs in (-60, -40, -25):
            made(f"{name}{dbfs}", "noise", sound / numpy.std(sound) * 10 ** (dbfs / 20))
    write(out / "sounds.csv", ["file", "group"], rows)


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    print(f"{path}: {len(rows)} files")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    speech(pathlib.Path(sys.argv[1]).resolve(), folder)
    sounds(pathlib.Path(sys.argv[1]).resolve(), folder)
