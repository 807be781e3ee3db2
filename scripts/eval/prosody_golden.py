#!/usr/bin/env python3
"""Makes tests/golden/prosody.csv: what Praat says of some recordings of EMO-DB, for tests/it/prosody_golden.rs.

Praat is a reference for tests only; nothing of it is in the product. The values are kept, the recordings are not.

    python3 -m venv venv && venv/bin/pip install praat-parselmouth==0.4.5 numpy
    venv/bin/python scripts/eval/prosody_golden.py DATA/emotion/emodb > tests/golden/prosody.csv
"""

import math
import pathlib
import sys

import parselmouth

FILES = """03a01Fa 03a01Nc 03a02Ta 03a05Aa 03b03Wc 08a01Wa 08a02Ab 08a05Nb 08b01Fe 09a01Nb 09a07Wb 10a01Nb
11a02Nc 11b03Wb 12a01Fb 12a02Wa 13a01Ea 13b01Nc 14a02Wa 14a07Na 15a01Fb""".split()

print(f"# Praat {parselmouth.PRAAT_VERSION} through praat-parselmouth {parselmouth.__version__}, every 10 ms")
print("# pitch: autocorrelation, 65 to 600 Hz, 0 where not voiced; formants: Burg, four below 4 kHz; HNR: cross-correlation, 8 kHz")
print("file,ms,pitch_hz,f1_hz,f2_hz,f3_hz,hnr_db")
for name in FILES:
    path = pathlib.Path(sys.argv[1]) / f"{name}.flac"
    sound = parselmouth.Sound(str(path))
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=65, pitch_ceiling=600)
    formants = sound.to_formant_burg(time_step=0.01, max_number_of_formants=4, maximum_formant=4000)
    harmonicity = sound.resample(8000).to_harmonicity_cc(time_step=0.01, minimum_pitch=75)
    for step in range(4, int(sound.duration * 100) - 4):
        at = step / 100
        hz = pitch.get_value_at_time(at)
        if math.isnan(hz):
            print(f"{name},{step * 10},0,0,0,0,0")
            continue
        values = [formants.get_value_at_time(n, at) for n in (1, 2, 3)]
        values = [0 if math.isnan(value) else round(value) for value in values]
        print(f"{name},{step * 10},{hz:.1f},{values[0]},{values[1]},{values[2]},{harmonicity.get_value(at):.1f}")
