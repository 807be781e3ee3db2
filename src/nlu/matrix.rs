//! Rows of small numbers: one row per feature, four bits a weight, one scale a row. A text sums over a hundred rows, so that what is
//! rounded away averages out. Of sixteen values seven are used: the file is packed, and twice as many features in as many bytes
//! tell more than finer weights.

use super::NluError;
use super::bytes::{Reader, Writer};

/// The largest weight of a row.
const MOST: f32 = 3.0;
/// A scale is a power of two with this many steps to the next one.
const FINE: f32 = 8.0;
/// The step of the scale 1.
const ONE: f32 = 160.0;

/// The byte that a scale is written as; 0 for none.
fn code(scale: f32) -> u8 {
    if scale > 0.0 { (scale.log2() * FINE + ONE).round().clamp(1.0, 255.0) as u8 } else { 0 }
}

/// The scale that a byte stands for.
fn scale(code: u8) -> f32 {
    if code == 0 { 0.0 } else { ((f32::from(code) - ONE) / FINE).exp2() }
}

/// A matrix with rows of 4-bit weights, two in a byte.
#[derive(Clone, Default, Debug)]
pub(crate) struct Matrix {
    columns: usize,
    scales: Vec<f32>,
    weights: Vec<u8>,
}

impl Matrix {
    /// Rounds the rows of a matrix.
    pub fn round(weights: &[f32], columns: usize) -> Self {
        let mut matrix = Self { columns, scales: Vec::new(), weights: Vec::with_capacity(weights.len().div_ceil(2)) };
        for row in weights.chunks_exact(columns.max(1)) {
            let scale = best_scale(row);
            matrix.scales.push(scale);
            let small = |w: f32| if scale > 0.0 { ((w / scale).round().clamp(-MOST, MOST) + 8.0) as u8 } else { 8 };
            for pair in row.chunks(2) {
                let (low, high) = (small(pair[0]), pair.get(1).map_or(8, |w| small(*w)));
                matrix.weights.push(low | (high << 4));
            }
        }
        matrix
    }

    /// Bytes of a row.
    fn width(&self) -> usize {
        self.columns.div_ceil(2)
    }

    /// Adds `value` times a row to `sums`. A row that is not there adds nothing.
    pub fn add(&self, row: usize, value: f32, sums: &mut [f32]) {
        let Some(scale) = self.scales.get(row) else { return };
        let from = row * self.width();
        let Some(weights) = self.weights.get(from..from + self.width()) else { return };
        let value = value * scale;
        let (pairs, rest) = sums.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(weights) {
            pair[0] += value * (f32::from(byte & 15) - 8.0);
            pair[1] += value * (f32::from(byte >> 4) - 8.0);
        }
        if let ([last], Some(byte)) = (rest, weights.last()) {
            *last += value * (f32::from(byte & 15) - 8.0);
        }
    }

    /// As many as each row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    pub fn write(&self, out: &mut Writer) {
        out.count(self.columns);
        out.small(&self.scales.iter().map(|scale| code(*scale)).collect::<Vec<u8>>());
        out.small(&self.weights);
    }

    pub fn read(from: &mut Reader<'_>) -> Result<Self, NluError> {
        let columns = from.count()?;
        let scales = from.small()?.into_iter().map(scale).collect();
        let matrix = Self { columns, scales, weights: from.small()? };
        if Some(matrix.weights.len()) == matrix.scales.len().checked_mul(matrix.width()) {
            Ok(matrix)
        } else {
            Err(NluError::Model("a matrix has the wrong size"))
        }
    }
}

/// The scale under which the rounded row is nearest to the row: the largest weights may be cut.
fn best_scale(row: &[f32]) -> f32 {
    let most = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let missed =
        |scale: f32| -> f32 { row.iter().map(|w| (w - (w / scale).round().clamp(-MOST, MOST) * scale).powi(2)).sum() };
    if most <= 0.0 {
        return 0.0;
    }
    let tried = [1.0f32, 0.85, 0.7, 0.55, 0.45].map(|share| scale(code(most * share / MOST)));
    tried.into_iter().min_by(|a, b| missed(*a).total_cmp(&missed(*b))).unwrap_or(most / MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_nearly_as_they_were() {
        let weights = [0.7, -0.1, 0.3, -0.7, 0.0, 0.2];
        let matrix = Matrix::round(&weights, 3);
        let mut writer = Writer::default();
        matrix.write(&mut writer);
        let matrix = Matrix::read(&mut Reader(&writer.0)).unwrap();
        assert_eq!((matrix.rows(), matrix.columns()), (2, 3));
        for (row, wanted) in weights.chunks(3).enumerate() {
            let mut sums = [0.0; 3];
            matrix.add(row, 1.0, &mut sums);
            assert!(sums.iter().zip(wanted).all(|(sum, w)| (sum - w).abs() < 0.13), "{sums:?} {wanted:?}");
        }
        matrix.add(2, 1.0, &mut [0.0; 3]);
        assert!(Matrix::read(&mut Reader(&writer.0[..10])).is_err());
    }
}
