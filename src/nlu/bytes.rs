//! The files of models: little-endian numbers in a row, read without trust.

use super::NluError;

/// Writes.
#[derive(Default, Debug)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn count(&mut self, n: usize) {
        // Larger things than four thousand million are not made.
        self.0.extend(u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend(text.as_bytes());
    }

    pub fn floats(&mut self, numbers: &[f32]) {
        self.count(numbers.len());
        numbers.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
    }

    pub fn words(&mut self, numbers: &[u32]) {
        self.count(numbers.len());
        numbers.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
    }

    pub fn halves(&mut self, numbers: &[u16]) {
        self.count(numbers.len());
        numbers.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
    }

    pub fn small(&mut self, numbers: &[u8]) {
        self.count(numbers.len());
        self.0.extend(numbers);
    }
}

/// Reads what [`Writer`] wrote. Whatever is missing is an error, never a panic, and nothing is allocated before it is known to be
/// there.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], NluError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(NluError::Model("it ends too soon"))?;
        self.0 = rest;
        Ok(head)
    }

    pub fn count(&mut self) -> Result<usize, NluError> {
        let (head, rest) = self.0.split_first_chunk::<4>().ok_or(NluError::Model("it ends too soon"))?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*head) as usize)
    }

    fn list<const N: usize, T>(&mut self, make: impl Fn([u8; N]) -> T) -> Result<Vec<T>, NluError> {
        let count = self.count()?;
        let bytes = self.take(count.checked_mul(N).ok_or(NluError::Model("a length is impossible"))?)?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|chunk| make(*chunk)).collect())
    }

    pub fn text(&mut self) -> Result<String, NluError> {
        let count = self.count()?;
        let bytes = self.take(count)?.to_vec();
        String::from_utf8(bytes).map_err(|_| NluError::Model("a name is no text"))
    }

    pub fn floats(&mut self) -> Result<Vec<f32>, NluError> {
        let numbers = self.list(f32::from_le_bytes)?;
        if numbers.iter().all(|n| n.is_finite()) { Ok(numbers) } else { Err(NluError::Model("a weight is no number")) }
    }

    pub fn words(&mut self) -> Result<Vec<u32>, NluError> {
        self.list(u32::from_le_bytes)
    }

    pub fn halves(&mut self) -> Result<Vec<u16>, NluError> {
        self.list(u16::from_le_bytes)
    }

    pub fn small(&mut self) -> Result<Vec<u8>, NluError> {
        let count = self.count()?;
        self.take(count).map(<[u8]>::to_vec)
    }
}
