//! What the files of an acoustic model say of themselves, read before the library reads them: it ends the process over some
//! of what can be wrong. What a header does not tell is found out in a copy of the process, see [`super::ffi::apart`].

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// As much of a file as a header takes.
const HEADER: usize = 4096;
/// How files of numbers begin, how their header ends, and what tells the order of bytes after it.
const BEGIN: &[u8] = b"s3\n";
const END: &[u8] = b"endhdr\n";
const ORDER: u32 = 0x1122_3344;
/// How the list of sounds begins where it is binary, in either order of bytes.
const BINARY: [(&[u8], bool); 2] = [(b"BMDF", true), (b"FDMB", false)];
/// Numbers of things in the list of sounds, after its version and its description.
const COUNTS: usize = 10;
/// Longest text at the beginning of `sendump`.
const TITLE: u32 = 999;
/// Streams of features that a model may have: the library knows kinds of one to four.
const STREAMS: u32 = 8;

/// Whether these files of a folder may be those of an acoustic model.
///
/// # Errors
/// Says what is wrong with which file.
pub(super) fn check(directory: &Path) -> Result<(), String> {
    sounds(&open(directory, "mdef")?)?;
    let shape = |name| gaussians(&open(directory, name)?);
    if shape("means")? != shape("variances")? {
        return Err(format!("{}: its means and variances are not of one model", directory.display()));
    }
    let transitions = open(directory, "transition_matrices")?;
    transitions.array(3)?;
    match directory.join("sendump").is_file() {
        true => dump(&open(directory, "sendump")?),
        false => open(directory, "mixture_weights")?.array(3).map(drop),
    }
}

/// The beginning of a file.
struct Start {
    name: String,
    head: Vec<u8>,
    length: u64,
}

fn open(directory: &Path, name: &str) -> Result<Start, String> {
    let path = directory.join(name);
    let name = path.display().to_string();
    let read = || {
        let mut head = Vec::with_capacity(HEADER);
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        file.take(HEADER as u64).read_to_end(&mut head)?;
        Ok((head, length))
    };
    let (head, length) = read().map_err(|error: std::io::Error| format!("cannot read {name}: {error}"))?;
    Ok(Start { name, head, length })
}

/// Numbers in a header, one after the other.
struct Numbers<'a> {
    of: &'a Start,
    at: usize,
    little: bool,
}

impl Numbers<'_> {
    fn next(&mut self) -> Result<u32, String> {
        let bytes = self.of.head.get(self.at..self.at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
        let bytes = bytes.ok_or_else(|| self.of.wrong("it ends within its header"))?;
        self.at += 4;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

impl Start {
    fn wrong(&self, what: &str) -> String {
        format!("{} holds no part of an acoustic model: {what}; fetch or install it again", self.name)
    }

    /// The numbers after the header of a file of numbers.
    fn numbers(&self) -> Result<Numbers<'_>, String> {
        if !self.head.starts_with(BEGIN) {
            return Err(self.wrong("it does not begin with \"s3\""));
        }
        let end = self.head.windows(END.len()).position(|window| window == END);
        let at = end.ok_or_else(|| self.wrong("its header has no end"))? + END.len();
        let mut numbers = Numbers { of: self, at, little: true };
        match numbers.next()? {
            ORDER => Ok(numbers),
            order if order.swap_bytes() == ORDER => Ok(Numbers { little: false, ..numbers }),
            _ => Err(self.wrong("the order of its bytes is not to be told")),
        }
    }

    /// Sees whether so many numbers of four bytes are there, and nothing but a sum behind them.
    fn holds(&self, numbers: &Numbers<'_>, count: u64) -> Result<(), String> {
        let end = count.checked_mul(4).and_then(|bytes| bytes.checked_add(numbers.at as u64));
        match end.and_then(|end| self.length.checked_sub(end)) {
            Some(0 | 4) if count > 0 => Ok(()),
            _ => Err(self.wrong(&format!("{} bytes do not go with the sizes in its header", self.length))),
        }
    }

    /// An array of so many dimensions, followed by its length.
    fn array(&self, dimensions: usize) -> Result<Vec<u32>, String> {
        let mut numbers = self.numbers()?;
        let sizes = (0..dimensions).map(|_| numbers.next()).collect::<Result<Vec<u32>, _>>()?;
        let product = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(u64::from(size)));
        let count = u64::from(numbers.next()?);
        if product != Some(count) {
            return Err(self.wrong(&format!("{sizes:?} do not make {count} numbers")));
        }
        self.holds(&numbers, count)?;
        Ok(sizes)
    }
}

/// Codebooks, streams, densities and the lengths of the streams: the shape of means or variances.
fn gaussians(file: &Start) -> Result<Vec<u32>, String> {
    let mut numbers = file.numbers()?;
    let mut shape = (0..3).map(|_| numbers.next()).collect::<Result<Vec<u32>, _>>()?;
    let [codebooks, streams, densities] = shape[..] else { return Err(file.wrong("it ends within its header")) };
    if !(1..=STREAMS).contains(&streams) {
        return Err(file.wrong(&format!("{streams} streams of features")));
    }
    let mut width = 0u64;
    for _ in 0..streams {
        let length = numbers.next()?;
        width += u64::from(length);
        shape.push(length);
    }
    let count = u64::from(numbers.next()?);
    let each = u64::from(codebooks).checked_mul(u64::from(densities));
    if each.and_then(|each| each.checked_mul(width)) != Some(count) {
        return Err(file.wrong(&format!("{shape:?} do not make {count} numbers")));
    }
    file.holds(&numbers, count)?;
    Ok(shape)
}

/// The list of sounds: binary in either order of bytes, or a text that begins with its version.
fn sounds(file: &Start) -> Result<(), String> {
    let Some((_, little)) = BINARY.iter().find(|(begin, _)| file.head.starts_with(begin)) else {
        let text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let begins = file.head.starts_with(b"#") || file.head.starts_with(b"0.3");
        return match begins && file.head.iter().all(text) {
            true => Ok(()),
            false => Err(file.wrong("it is no list of sounds")),
        };
    };
    let mut numbers = Numbers { of: file, at: 4, little: *little };
    let (version, description) = (numbers.next()?, numbers.next()?);
    if version > 1 {
        return Err(file.wrong(&format!("its version is {version}")));
    }
    numbers.at = numbers.at.saturating_add(description as usize);
    let counts = (0..COUNTS).map(|_| numbers.next()).collect::<Result<Vec<u32>, _>>()?;
    let most = file.length.saturating_sub(numbers.at as u64);
    // The third may be 0 where states differ, the last ones, too; the very last is the number of the silence.
    let sound = counts.iter().enumerate().all(|(index, &count)| match index {
        2 => u64::from(count) <= most,
        _ => u64::from(count) <= most && (count > 0 || index > 6),
    });
    // Each phone takes twelve bytes.
    let phones = counts.get(1).map_or(0, |&count| u64::from(count));
    match sound && phones * 12 <= most {
        true => Ok(()),
        false => Err(file.wrong(&format!("{} bytes do not go with the sizes in its header", file.length))),
    }
}

/// The weights as shorter numbers: texts with their lengths, an empty one, and then the numbers.
fn dump(file: &Start) -> Result<(), String> {
    let mut numbers = Numbers { of: file, at: 0, little: true };
    if !(1..=TITLE).contains(&numbers.next()?) {
        numbers = Numbers { of: file, at: 0, little: false };
        if !(1..=TITLE).contains(&numbers.next()?) {
            return Err(file.wrong("the order of its bytes is not to be told"));
        }
    }
    numbers.at = 0;
    // What its texts count; sounds without such a text are counted behind the texts.
    let (mut streams, mut mixtures, mut models, mut clusters) = (1, None, None, 0);
    loop {
        let length = numbers.next()? as usize;
        if length == 0 {
            break;
        }
        let text = file.head.get(numbers.at..numbers.at.saturating_add(length));
        let text = String::from_utf8_lossy(text.ok_or_else(|| file.wrong("it ends within its header"))?);
        numbers.at += length;
        let Some((name, count)) = text.trim_end_matches('\0').split_once(' ') else { continue };
        match (name, count.parse::<u64>()) {
            ("feature_count", Ok(count)) => streams = count,
            ("mixture_count", Ok(count)) => mixtures = Some(count),
            ("model_count", Ok(count)) => models = Some(count),
            ("cluster_count", Ok(count)) => clusters = count,
            _ => {}
        }
    }
    let weights = match (clusters, mixtures, models) {
        (1.., Some(mixtures), Some(models)) => mixtures.checked_mul(models),
        _ => u64::from(numbers.next()?).checked_mul(u64::from(numbers.next()?)),
    };
    // Each takes four bits at the least.
    let least = weights.and_then(|weights| weights.checked_mul(streams)).map(|weights| weights / 2);
    let rest = file.length.saturating_sub(numbers.at as u64);
    match least {
        Some(least @ 1..) if least <= rest => Ok(()),
        _ => Err(file.wrong(&format!("{} bytes do not go with the sizes in its header", file.length))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s3(numbers: &[u32], order: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let mut bytes = b"s3\nversion 1.0\nchksum0 no\nendhdr\n".to_vec();
        [ORDER].iter().chain(numbers).for_each(|&number| bytes.extend(order(number)));
        bytes
    }

    fn filled(mut bytes: Vec<u8>, numbers: usize) -> Vec<u8> {
        bytes.resize(bytes.len() + 4 * numbers, 0);
        bytes
    }

    /// Files with headers that go with their lengths, and with nothing that the library could use.
    pub fn headers() -> Vec<(&'static str, Vec<u8>)> {
        let gaussians = filled(s3(&[1, 2, 4, 3, 5, 32], u32::to_le_bytes), 32);
        let counts = [4_u32, 10, 3, 12, 20, 4, 9, 3, 0, 0];
        let mut mdef = [b"BMDF".to_vec(), 1_u32.to_le_bytes().to_vec(), 0_u32.to_le_bytes().to_vec()].concat();
        counts.iter().for_each(|count| mdef.extend(count.to_le_bytes()));
        let title = [2_u32.to_be_bytes().to_vec(), b"x\0".to_vec(), vec![0; 4], vec![0, 0, 0, 4, 0, 0, 0, 8]].concat();
        vec![
            ("mdef", filled(mdef, 60)),
            ("means", gaussians.clone()),
            ("variances", gaussians),
            ("transition_matrices", filled(s3(&[2, 3, 4, 24], u32::to_be_bytes), 24)),
            ("sendump", filled(title, 8)),
        ]
    }

    fn checked(files: &[(&'static str, Vec<u8>)]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        check(folder.path())
    }

    #[test]
    fn files_that_hold_no_model_are_named() {
        assert_eq!(checked(&headers()), Ok(()));
        for at in 0..headers().len() {
            for wrong in [Vec::new(), b"<html>not found</html>".to_vec(), vec![0; 100], b"version https://x".to_vec()] {
                let mut files = headers();
                files[at].1 = wrong;
                let error = checked(&files).unwrap_err();
                assert!(error.contains(files[at].0) && error.contains("fetch or install it again"), "{error}");
            }
            // Cut, or too long; the end of the list of sounds is not told by its header.
            let mut files = headers();
            let length = files[at].1.len();
            files[at].1.truncate(length / 2);
            assert!(checked(&files).unwrap_err().contains(files[at].0));
        }
        let mut files = headers();
        files[2].1 = filled(s3(&[2, 2, 2, 3, 5, 32], u32::to_le_bytes), 32);
        assert!(checked(&files).unwrap_err().contains("not of one model"));
        files[4] = ("mixture_weights", filled(s3(&[4, 2, 4, 32], u32::to_le_bytes), 33));
        files[2] = headers().remove(2);
        assert_eq!(checked(&files), Ok(()));
    }

    #[test]
    fn the_models_of_this_machine_are_none_of_these() {
        for folder in ["model/en-us/en-us", "test/data/tidigits/hmm"] {
            let folder = Path::new("/usr/share/pocketsphinx").join(folder);
            if folder.is_dir() {
                assert_eq!(check(&folder), Ok(()));
            }
        }
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..5_usize, cut in 0..400_usize) {
            let mut files = headers();
            let length = files[at].1.len();
            files[at].1.truncate(cut.min(length));
            files[at].1.extend(bytes);
            let _ = checked(&files);
        }
    }
}
