#!/usr/bin/env python3
"""What `engine/turn` has to compute: Whisper's log-mel front end with numpy, and the tiny model's answer.

    python3 scripts/models/smart_turn_golden.py audio-models/tiny/smart_turn.onnx > src/engine/turn/golden.txt

Written from the definition and independent of the Rust code: a dense filter bank, numpy's transform, numpy's padding.
Needs numpy and onnxruntime.
"""
import sys

import numpy
import onnxruntime


def filters(bands=80, bins=201, top=8000.0):
    def to_mel(f):
        return numpy.where(f >= 1000, 15 + numpy.log(numpy.maximum(f, 1e-9) / 1000) * 27 / numpy.log(6.4), 3 * f / 200)

    def to_hz(m):
        return numpy.where(m >= 15, 1000 * numpy.exp(numpy.log(6.4) / 27 * (m - 15)), 200 * m / 3)

    edges = to_hz(numpy.linspace(to_mel(numpy.array(0.0)), to_mel(numpy.array(top)), bands + 2))
    slopes = edges[:, None] - numpy.linspace(0, top, bins)[None, :]
    width = numpy.diff(edges)
    down, up = -slopes[:-2] / width[:-1, None], slopes[2:] / width[1:, None]
    return numpy.maximum(0, numpy.minimum(down, up)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def features(samples):
    x = numpy.concatenate([numpy.zeros(128000), samples / 32768.0])[-128000:]
    x = (x - x.mean()) / numpy.sqrt(x.var() + 1e-7)
    x = numpy.pad(x, 200, mode="reflect")
    window = numpy.hanning(401)[:-1]
    frames = numpy.lib.stride_tricks.sliding_window_view(x, 400)[::160][:800]
    power = numpy.abs(numpy.fft.rfft(frames * window, axis=1)) ** 2
    levels = numpy.log10(numpy.maximum(1e-10, filters() @ power.T))
    return (numpy.maximum(levels, levels.max() - 8) + 4) / 4


time = numpy.arange(48000) / 16000
phase = 2 * numpy.pi * (200 * time + 100 * time ** 2)
signal = 3000 * numpy.sin(phase) + 900 * numpy.sin(5 * phase)
signal[30000] += 12000
mel = features(numpy.round(signal))
print("# made by scripts/models/smart_turn_golden.py: band, frame, value; the mean of all; the tiny model's answer")
for band in (0, 1, 7, 20, 33, 47, 60, 79):
    for frame in (0, 250, 499, 500, 501, 600, 687, 688, 750, 799):
        print(f"mel {band} {frame} {mel[band, frame]:.5f}")
print(f"mean {mel.mean():.6f}")
session = onnxruntime.InferenceSession(sys.argv[1])
print(f"complete {session.run(None, {'input_features': mel[None].astype('float32')})[0][0, 0]:.6f}")
