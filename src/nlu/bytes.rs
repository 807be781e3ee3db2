//! The files of models: little-endian numbers in a row, packed as a whole, read without trust.

use super::NluError;
use std::io::Read;

/// No file unpacks to more than this, whatever it claims.
const LARGEST: u64 = 64 << 20;
/// How hard the packer tries: a model is packed once and read often.
const EFFORT: i32 = 19;

/// A file: its first bytes as they are, the rest packed (zstd).
pub(crate) fn pack(magic: &[u8; 8], bytes: &[u8]) -> Vec<u8> {
    let mut file = magic.to_vec();
    // Packing into memory fails when there is none left, and then so does everything else.
    file.extend(zstd::bulk::compress(bytes, EFFORT).unwrap_or_default());
    file
}

/// What [`pack`] packed.
///
/// # Errors
/// [`NluError::Model`] when the file begins otherwise, is cut or damaged, or unpacks to more than 64 MiB.
pub(crate) fn unpack(magic: &[u8; 8], file: &[u8]) -> Result<Vec<u8>, NluError> {
    let packed = file.strip_prefix(magic).ok_or(NluError::Model("it begins with other bytes"))?;
    let damaged = |_| NluError::Model("it is cut or damaged");
    let mut bytes = Vec::new();
    let unpacking = zstd::Decoder::new(packed).map_err(damaged)?.single_frame();
    unpacking.take(LARGEST + 1).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > LARGEST { Err(NluError::Model("it is too large")) } else { Ok(bytes) }
}

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

    /// Numbers in order, as the steps between them, all lowest bytes first: that packs best.
    pub fn steps(&mut self, numbers: &[u32]) {
        self.count(numbers.len());
        let mut before = 0;
        let steps: Vec<[u8; 4]> =
            numbers.iter().map(|n| n.wrapping_sub(std::mem::replace(&mut before, *n)).to_le_bytes()).collect();
        (0..4).for_each(|place| self.0.extend(steps.iter().map(|step| step[place])));
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

    pub fn steps(&mut self) -> Result<Vec<u32>, NluError> {
        let count = self.count()?;
        let mut planes = [&[][..]; 4];
        for plane in &mut planes {
            *plane = self.take(count)?;
        }
        let mut before = 0u32;
        let step = |n: usize| {
            before = before.wrapping_add(u32::from_le_bytes(planes.map(|plane| plane[n])));
            before
        };
        Ok((0..count).map(step).collect())
    }

    pub fn halves(&mut self) -> Result<Vec<u16>, NluError> {
        self.list(u16::from_le_bytes)
    }

    pub fn small(&mut self) -> Result<Vec<u8>, NluError> {
        let count = self.count()?;
        self.take(count).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_what_is_damaged_does_not() {
        let mut out = Writer::default();
        let numbers = [3, 70_000, 70_001, 5, u32::MAX];
        out.steps(&numbers);
        out.floats(&[1.5, -2.0]);
        let file = pack(b"12345678", &out.0);
        let bytes = unpack(b"12345678", &file).unwrap();
        let mut from = Reader(&bytes);
        assert_eq!((from.steps().unwrap(), from.floats().unwrap()), (numbers.to_vec(), vec![1.5, -2.0]));
        assert!(unpack(b"12345679", &file).is_err());
        assert!((0..file.len()).all(|end| unpack(b"12345678", &file[..end]).is_err()));
        let bomb = pack(b"12345678", &vec![0; LARGEST as usize + 2]);
        assert!(bomb.len() < 20_000 && unpack(b"12345678", &bomb).is_err());
    }
}
