//! The spectrum of a short real signal. Small, allocation-free after construction.

use std::f64::consts::TAU;

/// A complex number, real part first.
pub(super) type Complex = [f32; 2];

/// Transforms `N` real samples into `N / 2` bins; `N` is a power of two, `H` its half.
///
/// The samples are taken as `H` complex ones, transformed, and untangled.
#[derive(Clone)]
pub(super) struct RealFft<const H: usize> {
    /// e^(−iπk/H)
    roots: [Complex; H],
}

impl<const H: usize> Default for RealFft<H> {
    fn default() -> Self {
        const { assert!(H.is_power_of_two() && H >= 4) };
        let root = |k: usize| {
            let (sin, cos) = (-TAU * k as f64 / (2 * H) as f64).sin_cos();
            [cos as f32, sin as f32]
        };
        Self { roots: std::array::from_fn(root) }
    }
}

const fn multiply([a, b]: Complex, [c, d]: Complex) -> Complex {
    [a * c - b * d, a * d + b * c]
}

impl<const H: usize> RealFft<H> {
    /// `bins` holds the samples two by two on the way in, the bins 0 to `H − 1` on the way out (of bin 0 the real part
    /// alone; the bin at half the sample rate is not given).
    pub(super) fn transform(&self, bins: &mut [Complex; H]) {
        self.complex(bins);
        let (half, other) = ([0.5, 0.0], [0.0, -0.5]);
        let [dc, _] = [bins[0][0] + bins[0][1], 0.0];
        for k in 1..=H / 2 {
            let (Some([a, b]), Some([c, d]), Some(root)) =
                (bins.get(k).copied(), bins.get(H - k).copied(), self.roots.get(k).copied())
            else {
                continue;
            };
            let even = multiply([a + c, b - d], half);
            let odd = multiply(root, multiply([a - c, b + d], other));
            if let Some(bin) = bins.get_mut(k) {
                *bin = [even[0] + odd[0], even[1] + odd[1]];
            }
            // The mirrored bin is the conjugate of the difference.
            if k != H - k
                && let Some(bin) = bins.get_mut(H - k)
            {
                *bin = [even[0] - odd[0], odd[1] - even[1]];
            }
        }
        bins[0] = [dc, 0.0];
    }

    /// The way back: `bins` holds the bins 0 to `H − 1` of a real signal that has nothing at 0 and at half the sample rate
    /// (both count as zero), and then its samples two by two.
    pub(super) fn invert(&self, bins: &mut [Complex; H]) {
        bins[0] = [0.0, 0.0];
        for k in 1..=H / 2 {
            let (Some([a, b]), Some([c, d]), Some(root)) =
                (bins.get(k).copied(), bins.get(H - k).copied(), self.roots.get(k).copied())
            else {
                continue;
            };
            let even = [(a + c) / 2.0, (b - d) / 2.0];
            let odd = multiply([root[0], -root[1]], [(a - c) / 2.0, (b + d) / 2.0]);
            // The inverse is the transform of the conjugate.
            if let Some(bin) = bins.get_mut(k) {
                *bin = [even[0] - odd[1], -(even[1] + odd[0])];
            }
            if k != H - k
                && let Some(bin) = bins.get_mut(H - k)
            {
                *bin = [even[0] + odd[1], even[1] - odd[0]];
            }
        }
        self.complex(bins);
        for bin in bins {
            *bin = [bin[0] / H as f32, -bin[1] / H as f32];
        }
    }

    /// Radix 2, in place, decimation in time.
    fn complex(&self, bins: &mut [Complex; H]) {
        let shift = usize::BITS - H.trailing_zeros();
        for k in 0..H {
            let mirrored = k.reverse_bits() >> shift;
            if mirrored > k {
                bins.swap(k, mirrored);
            }
        }
        let mut half = 1;
        while half < H {
            for block in bins.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((low, high), root) in low.iter_mut().zip(high).zip(self.roots.iter().step_by(H / half)) {
                    let turned = multiply(*high, *root);
                    *high = [low[0] - turned[0], low[1] - turned[1]];
                    *low = [low[0] + turned[0], low[1] + turned[1]];
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_transform_of_the_definition() {
        let signal: [f32; 32] = std::array::from_fn(|n| ((n * n * 7 + 3 * n) % 23) as f32 - 11.0);
        let mut bins = [[0.0; 2]; 16];
        bins.as_flattened_mut().copy_from_slice(&signal);
        RealFft::<16>::default().transform(&mut bins);
        let mut back = bins;
        RealFft::<16>::default().invert(&mut back);
        let rest = |n: usize| {
            // What the way back takes for zero: the mean, and the mean with alternating signs.
            let sum =
                |sign: f32| signal.iter().zip(0..).map(|(s, n)| s * if n % 2 == 0 { 1.0 } else { sign }).sum::<f32>();
            (sum(1.0) + sum(-1.0) * if n.is_multiple_of(2) { 1.0 } else { -1.0 }) / 32.0
        };
        for (n, sample) in back.as_flattened().iter().enumerate() {
            assert!(
                (sample - (signal[n] - rest(n))).abs() < 1e-4,
                "sample {n}: {sample} is not {}",
                signal[n] - rest(n)
            );
        }
        for (k, bin) in bins.iter().enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in signal.iter().enumerate() {
                let (sin, cos) = (-TAU * (k * n) as f64 / 32.0).sin_cos();
                re += f64::from(*sample) * cos;
                im += f64::from(*sample) * sin;
            }
            let error = (re - f64::from(bin[0])).abs().max((im - f64::from(bin[1])).abs());
            assert!(error < 1e-3, "bin {k}: {bin:?} is not {re} {im}");
        }
    }
}
