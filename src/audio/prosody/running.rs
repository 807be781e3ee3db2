//! Statistics of a quantity that are right at any moment: mean, deviation, quantiles.

/// Cells of a histogram.
const CELLS: usize = 48;

/// One quantity. Nothing is kept but sums and a histogram, so it can run for a whole call.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Bounds of the histogram; what lies beyond counts as lying there.
    low: f32,
    high: f32,
    count: f32,
    sum: f64,
    squares: f64,
    cells: [f32; CELLS],
}

impl Running {
    /// Of a quantity that lies between these, mostly.
    pub const fn new(low: f32, high: f32) -> Self {
        Self { low, high, count: 0.0, sum: 0.0, squares: 0.0, cells: [0.0; CELLS] }
    }

    pub fn add(&mut self, value: f32) {
        let value = value.clamp(self.low, self.high);
        self.count += 1.0;
        self.sum += f64::from(value);
        self.squares += f64::from(value).powi(2);
        let place = (value - self.low) / (self.high - self.low) * CELLS as f32;
        if let Some(cell) = self.cells.get_mut((place as usize).min(CELLS - 1)) {
            *cell += 1.0;
        }
    }

    /// What was counted so far counts half.
    pub fn fade(&mut self) {
        self.count /= 2.0;
        self.sum /= 2.0;
        self.squares /= 2.0;
        self.cells.iter_mut().for_each(|cell| *cell /= 2.0);
    }

    pub const fn count(&self) -> f32 {
        self.count
    }

    /// The mean; the middle of the bounds when nothing was counted.
    pub fn mean(&self) -> f32 {
        if self.count <= 0.0 { self.low.midpoint(self.high) } else { (self.sum / f64::from(self.count)) as f32 }
    }

    /// Standard deviation.
    pub fn deviation(&self) -> f32 {
        if self.count <= 0.0 {
            return 0.0;
        }
        let (count, mean) = (f64::from(self.count), self.sum / f64::from(self.count));
        (self.squares / count - mean * mean).max(0.0).sqrt() as f32
    }

    /// The value that this share of the values does not exceed, to a part of a cell.
    pub fn quantile(&self, share: f32) -> f32 {
        let wanted = share * self.count;
        let width = (self.high - self.low) / CELLS as f32;
        let mut below = 0.0;
        for (cell, n) in self.cells.iter().zip(0u16..) {
            if below + cell >= wanted && *cell > 0.0 {
                return self.low + width * (f32::from(n) + (wanted - below) / cell);
            }
            below += cell;
        }
        self.low.midpoint(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_values() {
        let mut running = Running::new(0.0, 10.0);
        assert_eq!((running.mean(), running.deviation(), running.quantile(0.5)), (5.0, 0.0, 5.0));
        (0..=1000).for_each(|n| running.add(n as f32 / 100.0));
        assert!((running.mean() - 5.0).abs() < 1e-3 && (running.deviation() - 2.889).abs() < 0.01);
        assert!((running.quantile(0.2) - 2.0).abs() < 0.05 && (running.quantile(0.8) - 8.0).abs() < 0.05);
        running.fade();
        assert!((running.mean() - 5.0).abs() < 1e-3 && (running.count() - 500.5).abs() < 1e-3);
        // As many again at the top: the older ones count half.
        (0..500).for_each(|_| running.add(99.0));
        assert!((running.mean() - 7.5).abs() < 0.01 && running.quantile(0.9) > 9.7, "{}", running.mean());
    }
}
