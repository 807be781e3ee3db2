//! The balance of the spectrum in a few bands, which are wide enough not to see single harmonics of most voices.

use super::{BIN_HZ, BINS, decibel};

/// Bands of the balance.
pub const BANDS: usize = 8;
/// Where the bands begin and end, in Hz.
pub const BAND_EDGES_HZ: [f32; BANDS + 1] = [200.0, 400.0, 600.0, 850.0, 1150.0, 1550.0, 2050.0, 2650.0, 3400.0];
/// Bands that lie below 1 kHz, nearly.
const LOW: usize = 3;

/// What is said of a window.
pub(super) struct Balance {
    pub bands_db: [f32; BANDS],
    pub low_high_db: f32,
    pub flux: f32,
}

/// Measures it, and remembers the last two windows.
#[derive(Clone, Default)]
pub(super) struct Bands {
    /// Shares of the bands' amplitudes two windows ago, and one.
    before: [Option<[f32; BANDS]>; 2],
}

impl Bands {
    pub(super) fn forget(&mut self) {
        self.before = [None; 2];
    }

    pub(super) fn measure(&mut self, power: &[f32; BINS]) -> Balance {
        let mut energies = [0f32; BANDS];
        for (energy, edges) in energies.iter_mut().zip(BAND_EDGES_HZ.windows(2)) {
            let [from, to] = *edges else { continue };
            let bins = (from / BIN_HZ) as usize..(to / BIN_HZ) as usize;
            *energy = power.get(bins).unwrap_or_default().iter().sum::<f32>();
        }
        let total = energies.iter().sum::<f32>().max(1e-12);
        let low: f32 = energies.iter().take(LOW).sum();
        let high: f32 = energies.iter().skip(LOW).sum();
        let amplitudes = energies.map(|energy| (energy / total).sqrt());
        let sum = amplitudes.iter().sum::<f32>().max(1e-6);
        let shares = amplitudes.map(|amplitude| amplitude / sum);
        let [older, newer] = self.before;
        let flux =
            older.map_or(0.0, |older| shares.iter().zip(older).map(|(now, then)| (now - then).abs()).sum::<f32>());
        self.before = [newer, Some(shares)];
        Balance {
            bands_db: energies.map(|energy| decibel(energy / total).max(-60.0)),
            low_high_db: (decibel(low / total) - decibel(high / total)).clamp(-60.0, 60.0),
            flux: (flux / 2.0).min(1.0),
        }
    }
}
