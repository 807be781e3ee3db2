//! Our own voice, come back: finds what of the caller's sound is explained by what we sent.
//!
//! A hybrid or a loudspeaker returns what we say, softer by 20 to 35 dB and later by up to half a second. Both signals are
//! taken down to 4 kHz and differentiated a little; their correlation (by transform, weighted between that of the signals
//! and that of their phases) gives the lags that are worth a closer look, and for these a filter of 12 ms is fitted by least
//! squares. The share of the caller's energy that the filter explains is the measure: near one for an echo however soft,
//! near zero for somebody else's voice, and the share of the echo when both are there at once. A filter that has explained
//! well is kept: with it a single frame can be judged. Nothing is cancelled here.
//!
//! Nothing is allocated after construction. A look costs three transforms of 4096 points and a few fits.

use super::fft::{Complex, RealFft};
use super::{AudioFrame, HalfBandDown};

/// Samples at 4 kHz per millisecond.
const PER_MS: usize = 4;
/// Samples at 16 kHz to one at 4 kHz.
const DOWN: u64 = 4;
/// Samples of a frame at 4 kHz.
const FRAME: usize = 80;
/// The longest lag.
const MAX_LAG: usize = 500 * PER_MS;
/// What a look is at.
const WINDOW: usize = 200 * PER_MS;
/// What the share is taken of: the end of the window.
const LATEST: usize = 120 * PER_MS;
/// Taps of the filter: 12 ms.
const TAPS: usize = 12 * PER_MS;
/// Taps before the lag that the correlation gave.
const EARLY: usize = 2 * PER_MS;
/// Half the points of the transform.
const HALF: usize = 2048;
/// Samples that are remembered of both.
const KEPT: usize = 4096;
/// Lags that are looked at closely, beside the known one.
const CANDIDATES: usize = 3;
/// Steps of the solver. It stops before it can fit what is only noise.
const STEPS: usize = 14;
/// What is added to the energies of the filter's input: 30 dB below them.
const LOADING: f32 = 1e-3;
/// A filter that explains this share is kept.
const KEEP: f32 = 0.75;
/// Frames of which the whole power is remembered: as many as make a window.
const POWERS: usize = WINDOW / FRAME;
/// Below this share of the power of all frequencies, those below 2 kHz are noise beside a hiss that is not looked at.
const HISS: f32 = 0.03;
/// Below this share of the window's mean power its newest part has faded away.
const FADED: f32 = 0.25;
/// Mean square, in the differentiated domain, of the softest sound that is looked at: about −75 dBFS.
const FLOOR: f32 = 3e-8;

const _: () = assert!(WINDOW + MAX_LAG <= 2 * HALF && MAX_LAG < HALF && WINDOW + MAX_LAG + TAPS < KEPT);

/// One signal at 4 kHz, as far back as is needed.
#[derive(Clone)]
struct Line {
    first: HalfBandDown,
    second: HalfBandDown,
    before: f32,
    kept: Box<[f32; KEPT]>,
    /// Just after the last sample, in samples at 4 kHz.
    end: u64,
}

impl Default for Line {
    fn default() -> Self {
        let (first, second) = (HalfBandDown::default(), HalfBandDown::default());
        Self { first, second, before: 0.0, kept: Box::new([0.0; KEPT]), end: 0 }
    }
}

impl Line {
    fn put(&mut self, at: u64, value: f32) {
        if let Some(slot) = self.kept.get_mut(at as usize % KEPT) {
            *slot = value;
        }
    }

    fn push(&mut self, frame: &AudioFrame) {
        let (mut narrow, mut low) = ([0i16; 2 * FRAME], [0i16; FRAME]);
        self.first.process(&frame.samples, &mut narrow);
        self.second.process(&narrow, &mut low);
        let at = frame.at.samples() / DOWN;
        // A frame that is missing was silent; one that comes twice is the better one.
        for missing in self.end..at.min(self.end + KEPT as u64) {
            self.put(missing, 0.0);
        }
        for (at, sample) in (at..).zip(low) {
            let sample = f32::from(sample) / 32_768.0;
            self.put(at, sample - 0.9 * self.before);
            self.before = sample;
        }
        self.end = at + FRAME as u64;
    }

    /// The samples from `from` on; those that have not come yet, or are forgotten, are zero.
    fn read(&self, from: i64, out: &mut [f32]) {
        for (at, slot) in (from..).zip(out) {
            let known = at >= 0 && (at as u64) < self.end && at as u64 + KEPT as u64 > self.end;
            *slot = if known { self.kept.get(at as usize % KEPT).copied().unwrap_or(0.0) } else { 0.0 };
        }
    }
}

/// A way from us to the caller's microphone.
#[derive(Clone)]
struct Path {
    /// Of the first tap.
    lag: usize,
    taps: [f32; TAPS],
}

/// Compares the caller with what we sent.
#[derive(Clone)]
pub struct EchoFinder {
    sent: Line,
    heard: Line,
    /// Mean squares of the caller's last frames, all frequencies; the newest last.
    powers: [f32; POWERS],
    fft: Box<RealFft<HALF>>,
    ours: Box<[Complex; HALF]>,
    theirs: Box<[Complex; HALF]>,
    matrix: Box<[[f32; TAPS]; TAPS]>,
    path: Option<Path>,
}

impl Default for EchoFinder {
    fn default() -> Self {
        Self {
            sent: Line::default(),
            heard: Line::default(),
            powers: [0.0; POWERS],
            fft: Box::default(),
            ours: Box::new([[0.0; 2]; HALF]),
            theirs: Box::new([[0.0; 2]; HALF]),
            matrix: Box::new([[0.0; TAPS]; TAPS]),
            path: None,
        }
    }
}

impl EchoFinder {
    /// 20 ms of ours, as sent.
    pub fn sent(&mut self, frame: &AudioFrame) {
        self.sent.push(frame);
    }

    /// 20 ms of the caller.
    pub fn heard(&mut self, frame: &AudioFrame) {
        self.heard.push(frame);
        let sum: f32 = frame.samples.iter().map(|sample| (f32::from(*sample) / 32_768.0).powi(2)).sum();
        self.powers.rotate_left(1);
        if let Some(newest) = self.powers.last_mut() {
            *newest = sum / frame.samples.len() as f32;
        }
    }

    /// The lag of the echo, once one was found, in milliseconds.
    pub fn lag_ms(&self) -> Option<f32> {
        self.path.as_ref().map(|path| (path.lag + EARLY) as f32 / PER_MS as f32)
    }

    /// Have we said anything in the time that could come back in the last `ms` milliseconds of the caller?
    pub fn could_be(&self, ms: usize) -> bool {
        let mut ours = [0f32; WINDOW + MAX_LAG];
        let length = (ms * PER_MS).min(WINDOW) + MAX_LAG;
        let Some(ours) = ours.get_mut(..length) else { return false };
        self.sent.read(self.heard.end as i64 - length as i64, ours);
        energy(ours) > FLOOR * 40.0 * FRAME as f32
    }

    /// The share, 0 to 1, of `ms` milliseconds of the caller (200 at most), which ended `ago_ms` ago, that the known way
    /// explains. None: no way is known, there is nothing to be heard, or only a hiss above the frequencies that are looked at.
    pub fn known_share(&self, ms: usize, ago_ms: u64) -> Option<f32> {
        let path = self.path.as_ref()?;
        let mut theirs = [0f32; WINDOW];
        let theirs = theirs.get_mut(..(ms * PER_MS).min(WINDOW))?;
        let end = self.heard.end as i64 - (ago_ms as usize * PER_MS) as i64;
        self.heard.read(end - theirs.len() as i64, theirs);
        if energy(theirs) < self.floor(theirs.len(), ago_ms as usize * PER_MS) {
            return None;
        }
        Some(self.explained(path, theirs, end))
    }

    /// The share, 0 to 1, of the last 120 ms of the caller that is explained by what we sent up to half a second before. None:
    /// there is nothing to be heard, or only a hiss above the frequencies that are looked at.
    pub fn share(&mut self) -> Option<f32> {
        let mut theirs = [0f32; WINDOW];
        let end = self.heard.end as i64;
        self.heard.read(end - WINDOW as i64, &mut theirs);
        if energy(&theirs) < FLOOR * WINDOW as f32 {
            return None;
        }
        // The newest part, unless it is the silence after what is to be judged.
        let newest = theirs.get(WINDOW - LATEST..).unwrap_or_default();
        let faded = energy(newest) * (WINDOW as f32) < FADED * energy(&theirs) * LATEST as f32;
        let latest = if faded { theirs.as_slice() } else { newest };
        if energy(latest) < self.floor(latest.len(), 0) {
            return None;
        }
        if !self.could_be(WINDOW / PER_MS) {
            return Some(0.0);
        }
        let mut best = self.path.as_ref().map_or(0.0, |path| self.explained(path, latest, end));
        if best >= KEEP {
            return Some(best);
        }
        let mut found = None;
        for lag in self.candidates(&theirs) {
            let path = self.fit(lag.saturating_sub(EARLY), &theirs);
            let share = self.explained(&path, latest, end);
            if share > best {
                (best, found) = (share, Some(path));
            }
        }
        if best >= KEEP && found.is_some() {
            self.path = found;
        }
        Some(best)
    }

    /// The least energy of `length` samples, which ended `ago` samples ago, that says anything.
    fn floor(&self, length: usize, ago: usize) -> f32 {
        let (frames, ago) = (length.div_ceil(FRAME), ago / FRAME);
        let whole: f32 = self.powers.iter().rev().skip(ago).take(frames).sum();
        (HISS * whole / frames.max(1) as f32).max(FLOOR) * length as f32
    }

    /// The lags at which the correlation is highest.
    fn candidates(&mut self, theirs: &[f32; WINDOW]) -> [usize; CANDIDATES] {
        let from = self.heard.end as i64 - (WINDOW + MAX_LAG) as i64;
        let flat = self.ours.as_flattened_mut();
        flat.fill(0.0);
        self.sent.read(from, flat.get_mut(..WINDOW + MAX_LAG).unwrap_or_default());
        let flat = self.theirs.as_flattened_mut();
        flat.fill(0.0);
        flat.iter_mut().zip(theirs).for_each(|(slot, sample)| *slot = *sample);
        self.fft.transform(&mut self.ours);
        self.fft.transform(&mut self.theirs);
        // The product of one spectrum with the other's conjugate, weighted, is transformed back as a real sequence: the sum
        // of its real and its imaginary part.
        let mut product = [0f32; HALF];
        let mut mirrored = [0f32; HALF];
        for (((sum, difference), [a, b]), [c, d]) in
            product.iter_mut().zip(&mut mirrored).zip(self.ours.iter()).zip(self.theirs.iter())
        {
            let (re, im) = (a * c + b * d, b * c - a * d);
            let weight = 1.0 / ((a * a + b * b).sqrt() * (c * c + d * d).sqrt()).sqrt().max(1e-9);
            (*sum, *difference) = ((re + im) * weight, (re - im) * weight);
        }
        let flat = self.ours.as_flattened_mut();
        flat.fill(0.0);
        flat.iter_mut().zip(product).for_each(|(slot, value)| *slot = value);
        flat.iter_mut().rev().zip(mirrored.into_iter().skip(1)).for_each(|(slot, value)| *slot = value);
        self.fft.transform(&mut self.ours);

        let mut best = [(0f32, 0usize); CANDIDATES];
        for (shift, [re, im]) in self.ours.iter().enumerate().take(MAX_LAG + 1) {
            let (height, lag) = ((re + im).abs(), MAX_LAG - shift);
            // One lag for each peak: the highest of its neighbours.
            if let Some(near) = best.iter_mut().find(|(_, known)| known.abs_diff(lag) < TAPS / 4) {
                if height > near.0 {
                    *near = (height, lag);
                }
            } else if let Some(lowest) = best.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0))
                && height > lowest.0
            {
                *lowest = (height, lag);
            }
        }
        best.map(|(_, lag)| lag)
    }

    /// The filter from this lag on that explains the window best.
    fn fit(&mut self, lag: usize, theirs: &[f32; WINDOW]) -> Path {
        let mut ours = [0f32; WINDOW + TAPS];
        self.sent.read(self.heard.end as i64 - (WINDOW + lag + TAPS) as i64, &mut ours);
        // What goes into tap `n`: ours, `n` samples later still.
        let input = |tap: usize| ours.get(TAPS - tap..TAPS - tap + WINDOW).unwrap_or_default();
        let at = |index: usize| ours.get(index).copied().unwrap_or(0.0);
        let mut wanted = [0f32; TAPS];
        for (tap, wanted) in wanted.iter_mut().enumerate() {
            *wanted = dot(input(tap), theirs);
        }
        for apart in 0..TAPS {
            let mut sum = dot(input(0), input(apart));
            for tap in 0..TAPS - apart {
                if tap > 0 {
                    let (near, far) = (TAPS - tap, TAPS - tap - apart);
                    sum += at(near) * at(far) - at(near + WINDOW) * at(far + WINDOW);
                }
                for (row, column) in [(tap, tap + apart), (tap + apart, tap)] {
                    if let Some(cell) = self.matrix.get_mut(row).and_then(|row| row.get_mut(column)) {
                        *cell = sum;
                    }
                }
            }
        }
        let loading = LOADING * energy(input(0)) + 1e-12;
        for (tap, row) in self.matrix.iter_mut().enumerate() {
            if let Some(cell) = row.get_mut(tap) {
                *cell += loading;
            }
        }
        Path { lag, taps: solve(&self.matrix, wanted) }
    }

    /// The share of `theirs`, which end at `end`, that `path` explains.
    fn explained(&self, path: &Path, theirs: &[f32], end: i64) -> f32 {
        let mut ours = [0f32; WINDOW + TAPS];
        let Some(ours) = ours.get_mut(..theirs.len() + TAPS - 1) else { return 0.0 };
        let from = end - (theirs.len() + path.lag + TAPS - 1) as i64;
        self.sent.read(from, ours);
        let mut turned = path.taps;
        turned.reverse();
        let left: f32 =
            ours.windows(TAPS).zip(theirs).map(|(ours, sample)| (sample - dot(ours, &turned)).powi(2)).sum();
        (1.0 - left / energy(theirs).max(1e-12)).clamp(0.0, 1.0)
    }
}

fn energy(samples: &[f32]) -> f32 {
    dot(samples, samples)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Solves `matrix · x = wanted` for a symmetric, positive matrix by conjugate gradients.
fn solve(matrix: &[[f32; TAPS]; TAPS], wanted: [f32; TAPS]) -> [f32; TAPS] {
    let (mut x, mut residual, mut direction) = ([0f32; TAPS], wanted, wanted);
    let mut size = energy(&residual);
    let enough = size * 1e-6;
    for _ in 0..STEPS {
        if size <= enough || size <= f32::MIN_POSITIVE {
            break;
        }
        let mut image = [0f32; TAPS];
        for (image, row) in image.iter_mut().zip(matrix) {
            *image = dot(row, &direction);
        }
        let bend = dot(&direction, &image);
        if bend <= 0.0 {
            break;
        }
        let step = size / bend;
        for (((x, residual), direction), image) in x.iter_mut().zip(&mut residual).zip(&direction).zip(&image) {
            *x += step * direction;
            *residual -= step * image;
        }
        let now = energy(&residual);
        for (direction, residual) in direction.iter_mut().zip(&residual) {
            *direction = residual + now / size * *direction;
        }
        size = now;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{CodecKind, Decoder, Encoder, FRAME_BYTES, FRAME_SAMPLES, FrameOrigin, MediaTime};

    /// Something like a voice: pulses of a wandering pitch through two resonances that change, louder and softer.
    fn voice(seed: u32, pitch_hz: f32, samples: usize) -> Vec<f32> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let (mut phase, mut pitch, mut formants, mut loudness) = (0f32, pitch_hz, [500f32, 1500.0], 1f32);
        let mut memory = [[0f32; 2]; 2];
        (0..samples)
            .map(|n| {
                if n.is_multiple_of(1600) {
                    pitch = pitch_hz * (1.0 + 0.3 * random());
                    formants = [500.0 + 500.0 * random(), 1500.0 + 1200.0 * random()];
                    loudness = (0.6 + random()).max(0.02);
                }
                phase += pitch / 16_000.0;
                let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
                phase = phase.fract();
                let mut x = pulse + 0.02 * random();
                for (formant, [one, two]) in formants.iter().zip(&mut memory) {
                    let turn = std::f32::consts::TAU * formant / 16_000.0;
                    let y = x + 1.94 * turn.cos() * *one - 0.941 * *two;
                    (*two, *one) = (*one, y);
                    x = y * 0.2;
                }
                x * loudness * 9000.0
            })
            .collect()
    }

    fn ulaw(samples: &[f32]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(CodecKind::Pcmu), Decoder::new(CodecKind::Pcmu));
        let mut out = Vec::new();
        for chunk in samples.chunks_exact(FRAME_SAMPLES) {
            let mut bytes = [0; FRAME_BYTES];
            let count = encoder.encode(&std::array::from_fn(|n| chunk[n] as i16), &mut bytes);
            let mut heard = [0i16; FRAME_SAMPLES];
            decoder.decode(&bytes[..count], &mut heard);
            out.extend(heard);
        }
        out
    }

    /// Shares of each frame of `heard` from the first second on.
    fn shares(sent: &[f32], heard: &[f32]) -> (Vec<f32>, EchoFinder) {
        let heard = ulaw(heard);
        let mut finder = EchoFinder::default();
        let mut shares = Vec::new();
        for (n, (sent, heard)) in sent.chunks_exact(FRAME_SAMPLES).zip(heard.chunks_exact(FRAME_SAMPLES)).enumerate() {
            let at = MediaTime::from_frames(n as u64);
            let frame = |samples| AudioFrame { at, origin: FrameOrigin::Received, samples };
            finder.sent(&frame(std::array::from_fn(|n| sent[n] as i16)));
            finder.heard(&frame(std::array::from_fn(|n| heard[n])));
            if n >= 50 {
                shares.extend(finder.share());
            }
        }
        (shares, finder)
    }

    fn echo(sent: &[f32], delay_ms: usize, db: f32) -> Vec<f32> {
        let gain = 10f32.powf(db / 20.0);
        (0..sent.len()).map(|n| n.checked_sub(delay_ms * 16).map_or(0.0, |n| sent[n] * gain)).collect()
    }

    #[test]
    fn an_echo_is_known_however_soft_and_late_and_its_lag_told() {
        let ours = voice(1, 120.0, 64_000);
        for (delay_ms, db) in [(50, -20.0), (120, -25.0), (300, -30.0), (480, -35.0)] {
            let (shares, finder) = shares(&ours, &echo(&ours, delay_ms, db));
            let known = shares.iter().filter(|share| **share > 0.5).count();
            assert!(known * 100 >= shares.len() * 98, "{delay_ms} ms, {db} dB: {known} of {}", shares.len());
            // The line's own filters add 2 to 4 ms.
            let lag = finder.lag_ms().unwrap() - delay_ms as f32;
            assert!((-4.0..8.0).contains(&lag), "{lag}");
            assert!(finder.known_share(40, 0).is_none_or(|share| share > 0.5));
        }
    }

    #[test]
    fn another_voice_is_no_echo_with_or_without_one_under_it() {
        let (ours, theirs) = (voice(1, 120.0, 64_000), voice(9, 190.0, 64_000));
        let both: Vec<f32> = theirs.iter().zip(echo(&ours, 150, -25.0)).map(|(a, b)| a + b).collect();
        for heard in [&theirs, &both] {
            let (shares, _) = shares(&ours, heard);
            let wrong = shares.iter().filter(|share| **share >= 0.5).count();
            // The voices are buzzes, and chance makes two of them alike for a moment; neither is ever silent.
            assert!(wrong * 20 <= shares.len(), "{wrong} of {}", shares.len());
        }
    }

    #[test]
    fn silence_says_nothing_and_where_we_said_nothing_there_is_no_echo() {
        let ours = voice(1, 120.0, 32_000);
        assert!(shares(&ours, &vec![0.0; 32_000]).0.is_empty());
        let (shares, finder) = shares(&vec![0.0; 32_000], &ours);
        assert!(shares.iter().all(|share| *share == 0.0) && !finder.could_be(200) && finder.lag_ms().is_none());
    }
}
