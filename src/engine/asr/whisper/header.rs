//! What a file of weights says of itself, read before whisper.cpp reads it: that ends the process over some of what can be
//! wrong, and takes a file without any weights for a good one.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const MAGIC: u32 = 0x6767_6d6c;
/// Names and bounds of the header's numbers: far beyond the largest model, far below what makes a sum overflow.
const FIELDS: [(&str, u32, u32); 11] = [
    ("n_vocab", 51_864, 60_000),
    ("n_audio_ctx", 64, 1_500),
    ("n_audio_state", 16, 4_096),
    ("n_audio_head", 1, 128),
    ("n_audio_layer", 1, 128),
    ("n_text_ctx", 64, 4_096),
    ("n_text_state", 16, 4_096),
    ("n_text_head", 1, 128),
    ("n_text_layer", 1, 128),
    ("n_mels", 80, 128),
    ("ftype", 0, 100_000),
];
/// Frequencies of the spectrum.
const N_FFT: u32 = 201;
const MAX_TOKEN: u32 = 1024;

/// Whether this may be a model of Whisper.
///
/// # Errors
/// Says what is wrong with the file, its name first.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("no weights: {name}: {error}"))?;
    let length = file.metadata().map_err(|error| format!("{name}: {error}"))?.len();
    read(&mut BufReader::new(file), length).map_err(|what| format!("{name} is no model of Whisper: {what}"))
}

fn read(file: &mut impl Read, length: u64) -> Result<(), String> {
    if number(file)? != MAGIC {
        return Err("it does not begin like a ggml file".to_owned());
    }
    let mut values = [0; FIELDS.len()];
    for ((name, least, most), value) in FIELDS.iter().zip(&mut values) {
        *value = number(file)?;
        if !(*least..=*most).contains(value) {
            return Err(format!("{name} is {value}, expected is {least} to {most}"));
        }
    }
    let [n_vocab, _, audio_state, audio_heads, _, _, text_state, text_heads, _, n_mels, _] = values;
    if audio_state % audio_heads != 0 || text_state % text_heads != 0 || audio_state != text_state {
        return Err(format!(
            "{audio_state} and {text_state} states do not go with {audio_heads} and {text_heads} heads"
        ));
    }
    if (number(file)?, number(file)?) != (n_mels, N_FFT) {
        return Err("its mel filters have another size than it says".to_owned());
    }
    let mut at = 4 * (FIELDS.len() as u64 + 3) + skip(file, u64::from(n_mels * N_FFT) * 4)?;
    let tokens = number(file)?;
    if tokens > n_vocab {
        return Err(format!("{tokens} tokens in a vocabulary of {n_vocab}"));
    }
    let mut blank = false;
    for _ in 0..tokens {
        let length = number(file)?;
        if length > MAX_TOKEN {
            return Err(format!("a token of {length} bytes"));
        }
        let mut token = vec![0; length as usize];
        file.read_exact(&mut token).map_err(|_| "it ends within the vocabulary".to_owned())?;
        blank |= token == b" ";
        at += 4 + u64::from(length);
    }
    if !blank {
        // whisper.cpp looks it up and ends the process when it is not there.
        return Err("its vocabulary has no blank".to_owned());
    }
    // The token embedding alone, at the fewest bits there are.
    let least = u64::from(n_vocab) * u64::from(text_state) / 4;
    if length < at + least {
        return Err("it has a header and no weights, or was cut: fetch it again".to_owned());
    }
    Ok(())
}

fn number(file: &mut impl Read) -> Result<u32, String> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes).map_err(|_| "it ends within the header".to_owned())?;
    Ok(u32::from_le_bytes(bytes))
}

fn skip(file: &mut impl Read, bytes: u64) -> Result<u64, String> {
    match std::io::copy(&mut file.take(bytes), &mut std::io::sink()) {
        Ok(read) if read == bytes => Ok(bytes),
        _ => Err("it ends within the header".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(values: [u32; 11], tokens: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = [MAGIC].iter().chain(&values).flat_map(|v| v.to_le_bytes()).collect();
        bytes.extend(values[9].to_le_bytes().into_iter().chain(N_FFT.to_le_bytes()));
        bytes.resize(bytes.len() + (values[9] * N_FFT * 4) as usize, 0);
        bytes.extend(tokens.to_le_bytes());
        (1..tokens).for_each(|_| bytes.extend([2, 0, 0, 0, b'a', b'b']));
        bytes.extend([1, 0, 0, 0, b' ']);
        bytes
    }

    const SMALL: [u32; 11] = [51_865, 1500, 64, 1, 1, 448, 64, 1, 1, 80, 1];

    #[test]
    fn a_file_without_weights_or_with_odd_numbers_is_refused() {
        let bytes = header(SMALL, 300);
        let whole = bytes.len() as u64 + 51_865 * 64;
        assert_eq!(read(&mut bytes.as_slice(), whole), Ok(()));
        let error = read(&mut bytes.as_slice(), bytes.len() as u64).unwrap_err();
        assert!(error.contains("no weights"), "{error}");
        for (at, value) in [(0, 1000), (1, 3000), (2, 0), (3, 3), (6, 128), (9, 4), (10, u32::MAX)] {
            let mut values = SMALL;
            values[at] = value;
            assert!(read(&mut header(values, 3).as_slice(), whole).is_err(), "{at}: {value}");
        }
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..70_000) {
            let _ = read(&mut bytes.as_slice(), bytes.len() as u64);
            let good = header(SMALL, 3);
            let cut = cut.min(good.len());
            let (mut start, _) = good.split_at(cut);
            prop_assert!(read(&mut start, cut as u64).is_err());
        }
    }
}
