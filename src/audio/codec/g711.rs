//! G.711, bit-exact with the reference of ITU-T G.191. (The codec library encodes A-law a step too near to zero below it.)

/// A companding law.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::audio) enum Law {
    Mu,
    A,
}

impl Law {
    /// One character signal for each sample, as far as both slices go.
    pub(in crate::audio) fn encode(self, samples: &[i16], out: &mut [u8]) {
        let encode = match self {
            Self::Mu => mu_from_linear,
            Self::A => a_from_linear,
        };
        for (byte, sample) in out.iter_mut().zip(samples) {
            *byte = encode(*sample);
        }
    }

    /// One 16-bit sample for each character signal, as far as both slices go.
    pub(in crate::audio) fn decode(self, bytes: &[u8], out: &mut [i16]) {
        let decode = match self {
            Self::Mu => linear_from_mu,
            Self::A => linear_from_a,
        };
        for (sample, byte) in out.iter_mut().zip(bytes) {
            *sample = decode(*byte);
        }
    }
}

/// µ-law: 14 bits, a bias of 33, eight segments each twice as wide as the one before, all bits inverted.
fn mu_from_linear(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // One's complement: the negative half mirrors the positive one.
    let magnitude = sample ^ (sample >> 15);
    let biased = ((magnitude as u16 >> 2) + 33).min(0x1FFF);
    let segment = 10 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 15;
    sign | (!((segment as u8) << 4 | step as u8) & 0x7F)
}

fn linear_from_mu(byte: u8) -> i16 {
    let code = i16::from(!byte);
    let magnitude = (((2 * (code & 15) + 33) << (code >> 4 & 7)) - 33) * 4;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

/// A-law: 13 bits, the two lowest of eight segments equally wide, every second bit inverted.
fn a_from_linear(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = (sample ^ (sample >> 15)) as u16 >> 4;
    let segment = 12u32.saturating_sub(magnitude.leading_zeros());
    // The leading bit of a segment above the first is implied; in the first segment it counts as a step.
    let code = match segment {
        0 => magnitude,
        _ => (segment as u16) << 4 | ((magnitude >> (segment - 1)) & 15),
    };
    (sign | code as u8) ^ 0x55
}

fn linear_from_a(byte: u8) -> i16 {
    let code = i16::from(byte ^ 0x55);
    let step = 2 * (code & 15) + 1;
    let magnitude = match code >> 4 & 7 {
        0 => step * 8,
        segment => ((step + 32) << (segment - 1)) * 8,
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoders of G.191, written as there.
    fn g191_mu(sample: i16) -> u8 {
        let x = i32::from(sample);
        let absno = (if x < 0 { (!x >> 2) + 33 } else { (x >> 2) + 33 }).min(0x1FFF);
        let (mut i, mut segno) = (absno >> 6, 1);
        while i != 0 {
            segno += 1;
            i >>= 1;
        }
        let out = ((8 - segno) << 4) | (0xF - ((absno >> segno) & 0xF));
        (if x >= 0 { out | 0x80 } else { out }) as u8
    }

    fn g191_a(sample: i16) -> u8 {
        let x = i32::from(sample);
        let mut ix = (if x < 0 { !x } else { x }) >> 4;
        if ix > 15 {
            let mut iexp = 1;
            while ix > 16 + 15 {
                ix >>= 1;
                iexp += 1;
            }
            ix = ix - 16 + (iexp << 4);
        }
        ((if x >= 0 { ix | 0x80 } else { ix }) ^ 0x55) as u8
    }

    #[test]
    fn every_sample_is_encoded_as_the_reference_does() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(mu_from_linear(sample), g191_mu(sample), "µ-law of {sample}");
            assert_eq!(a_from_linear(sample), g191_a(sample), "A-law of {sample}");
        }
    }

    #[test]
    fn known_character_signals() {
        // G.711, tables 1a to 2b: the ends of the range, the smallest steps and a segment's end.
        for (byte, linear) in
            [(0x80, 32124), (0x00, -32124), (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0xEF, 132), (0x90, 15996)]
        {
            assert_eq!(linear_from_mu(byte), linear, "µ-law {byte:#04x}");
        }
        for (byte, linear) in
            [(0xAA, 32256), (0x2A, -32256), (0xD5, 8), (0x55, -8), (0xC5, 264), (0x45, -264), (0xF5, 528)]
        {
            assert_eq!(linear_from_a(byte), linear, "A-law {byte:#04x}");
        }
    }

    #[test]
    fn coding_again_changes_nothing_and_the_error_is_half_a_step() {
        for byte in 0..=255u8 {
            // µ-law has two zeros.
            assert_eq!(mu_from_linear(linear_from_mu(byte)), if byte == 0x7F { 0xFF } else { byte });
            assert_eq!(a_from_linear(linear_from_a(byte)), byte);
        }
        for sample in -32_000..=32_000i16 {
            let bound = i32::from(sample).abs() / 32 + 9;
            for decoded in [linear_from_mu(mu_from_linear(sample)), linear_from_a(a_from_linear(sample))] {
                assert!((i32::from(decoded) - i32::from(sample)).abs() <= bound, "{sample} became {decoded}");
            }
        }
    }
}
