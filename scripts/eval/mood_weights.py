#!/usr/bin/env python3
"""Fits the evidence that src/agent/mood/score.rs gives to each cue of impatience, and asks how soon it could be noticed at all.

  for l in en zh; do
      TIPRING__TURN__MOOD__ON=1 tipring simulate mood --half dev --lang $l --calls 1200 --trace $l.jsonl
  done
  mood_weights.py fit en.jsonl zh.jsonl
  mood_weights.py ideal en.jsonl zh.jsonl

With `on` at 1 the agent changes nothing about a call unless the words ask for haste, so that every turn shows the caller as he is.

fit    weights and the channels' constants such that the running odds (src/agent/mood/score.rs) are right in all turns of calm
       callers, and of impatient ones until the third turn after the first impatient one. One fifth of the calls have no voice.
       It ends in the same weights on the same files. Needs numpy 2.4 and scipy 1.17.
ideal  what gradient boosting makes of the same cues: all figures of the turn, of the two before it and their mean before, five folds by
       call. With how many calm callers taken for impatient, how many impatient ones are noticed, and how soon. Needs
       scikit-learn 1.9 or near.
"""

import json
import sys

import numpy as np

# As in PARTS: nothing at the first, all of the weight at the second.
RANGES = {
    "anger": (0.1, 0.8), "faster_speech": (-1.5, 3), "higher_pitch": (-1.5, 3), "louder_voice": (-1.5, 3),
    "barge_ins": (0, 3), "early_overlap": (0.85, 0.1), "shorter_answers": (1.0, -1.5), "shorter_gaps": (1.0, -1.5),
    "explicit_words": (0, 1), "weary_words": (0, 1), "hello": (0, 1), "repeated_question": (0.2, 0.6),
}
CUES = list(RANGES)
VOICE = range(4)
TURNS = {"shorter_answers", "shorter_gaps", "early_overlap"}
# As turn.mood.fades is.
FADES = 0.1
LONGEST = 24


def load(path):
    with open(path) as file:
        return [call for call in map(json.loads, file) if call["turns"]]


def cues(turn):
    return {cue["cue"]: cue["value"] for cue in turn["noticed"].get("cues", [])}


def impatient(call, turn):
    return call["onset"] is not None and turn["turn"] >= call["onset"]


def fit(paths):
    from scipy.optimize import minimize

    calls = [call for path in paths for call in load(path)]
    shape = (len(calls), LONGEST)
    shares, there, label, counts = np.zeros((*shape, len(CUES))), np.zeros((*shape, 3)), np.zeros(shape), np.zeros(shape)
    for i, call in enumerate(calls):
        for j, turn in enumerate(call["turns"][:LONGEST]):
            seen = cues(turn)
            for k, (cue, (low, high)) in enumerate(RANGES.items()):
                if cue in seen:
                    shares[i, j, k] = np.clip((seen[cue] - low) / (high - low), 0, 1)
            there[i, j] = "anger" in seen, bool(TURNS & set(seen)), bool(turn["text"])
            label[i, j] = impatient(call, turn)
            counts[i, j] = call["onset"] is None or turn["turn"] <= call["onset"] + 3
    deaf = np.random.RandomState(1).rand(len(calls)) < 0.2
    shares[np.ix_(deaf, range(LONGEST), VOICE)] = 0
    there[deaf, :, 0] = 0

    def loss(x):
        evidence = shares @ x[:12] - there @ x[12:15]
        becomes = 1 / (1 + np.exp(-x[15]))
        now, total = np.full(len(calls), becomes), 0.0
        for j in range(LONGEST):
            now = 1 / (1 + np.exp(-np.clip(np.log(now / (1 - now)) + evidence[:, j], -8, 8)))
            right = np.where(label[:, j] > 0, now, 1 - now)
            total -= (np.log(np.maximum(right, 1e-6)) * counts[:, j]).sum()
            now = now * (1 - FADES) + (1 - now) * becomes
        return total / counts.sum() + 1e-4 * (x[:12] ** 2).sum()

    start = np.array([3, 3, 2, 3, 1, 2, 1, 5, 5, 2.5, 3, 2, 3, 2.5, 0.3, -3.0])
    bounds = [(0, 8)] * 12 + [(0, 6)] * 3 + [(-5, -1.5)]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    print(f"loss {found.fun:.4f} after {found.nit} steps")
    for cue, weight in zip(CUES, found.x):
        print(f"{cue:18} {weight:5.2f}")
    print("against: voice {:.2f}, turns {:.2f}, words {:.2f}".format(*found.x[12:15]))
    print(f"becomes {1 / (1 + np.exp(-found.x[15])):.3f}")


def ideal(path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    calls = load(path)
    tables = []
    for call in calls:
        past, table = [], []
        for turn in call["turns"]:
            seen, voice = cues(turn), turn["noticed"].get("voice") or {}
            names = ("arousal", "valence", "anger", "rate_z", "pitch_z", "loudness_z")
            past.append([seen.get(cue, np.nan) for cue in CUES] + [voice.get(name, np.nan) for name in names])
            table.append(np.array(past, float))
        rows = []
        for seen in table:
            nothing = np.full(seen.shape[1], np.nan)
            known = ~np.isnan(seen[:-1])
            total, number = np.nansum(seen[:-1], 0), known.sum(0)
            mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
            rows.append(np.concatenate([seen[-1], *[seen[-n] if len(seen) >= n else nothing for n in (2, 3)], mean, [len(seen)]]))
        tables.append(rows)
    fold = np.random.RandomState(0).randint(0, 5, len(calls))
    scores = [None] * len(calls)
    for n in range(5):
        own = [i for i in range(len(calls)) if fold[i] != n]
        model = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=30, l2_regularization=1.0, random_state=0)
        model.fit([row for i in own for row in tables[i]], [impatient(calls[i], turn) for i in own for turn in calls[i]["turns"]])
        for i in range(len(calls)):
            if fold[i] == n:
                scores[i] = model.predict_proba(tables[i])[:, 1]
    print(path)
    for on in (0.7, 0.8, 0.85, 0.9, 0.95):
        false, calm, delays, onsets, early = 0, 0, [], 0, 0
        for call, score in zip(calls, scores):
            switched = next((turn["turn"] for turn, p in zip(call["turns"], score) if p >= on), None)
            if call["onset"] is None:
                calm += 1
                false += switched is not None
                continue
            onsets += 1
            if switched is not None and switched < call["onset"]:
                early += 1
            elif switched is not None:
                delays.append(switched - call["onset"])
        share = [100 * sum(delay <= n for delay in delays) / onsets for n in (0, 1, 2)]
        f1 = 2 * len(delays) / (len(delays) + early + false + onsets)
        print(f"  on {on}: false {100 * false / calm:.1f} %, F1 {f1:.3f}, noticed at once, within one and two turns "
              "{:.1f} {:.1f} {:.1f} %".format(*share))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("fit", "ideal"):
        sys.exit(__doc__)
    if sys.argv[1] == "fit":
        fit(sys.argv[2:])
    else:
        for path in sys.argv[2:]:
            ideal(path)
