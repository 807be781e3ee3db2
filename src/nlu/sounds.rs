//! How words sound over a telephone: what is told apart is left, what is easily misheard is made one.

use super::features::hash;
use pinyin::ToPinyin;

/// The syllable of a character without its tone, and without what speakers of many regions do not tell apart: zh/z, ch/c, sh/s,
/// n/l at the beginning, ng/n at the end.
pub(crate) fn syllable(c: char) -> u32 {
    let Some(plain) = c.to_pinyin().map(|pinyin| pinyin.plain()) else {
        return hash(12, c.encode_utf8(&mut [0; 4]).as_bytes());
    };
    let mut spoken = [0u8; 8];
    let mut length = 0;
    let bytes = plain.as_bytes();
    for (n, byte) in bytes.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| bytes.get(n)).copied();
        match (byte, before) {
            (b'h', Some(b'z' | b'c' | b's')) => continue,
            (b'g', Some(b'n')) if n + 1 == bytes.len() => continue,
            _ => {}
        }
        if let Some(place) = spoken.get_mut(length) {
            *place = if n == 0 && *byte == b'n' { b'l' } else { *byte };
            length += 1;
        }
    }
    hash(12, &spoken[..length])
}

/// The consonants of an English word in small letters as a telephone lets them through, one letter for those that sound alike.
pub(crate) fn skeleton(word: &str) -> impl Iterator<Item = u8> + '_ {
    let mut before = 0;
    word.bytes().filter_map(move |c| {
        let class = match c {
            b'b' | b'p' => b'p',
            b'd' | b't' => b't',
            b'g' | b'k' | b'c' | b'q' => b'k',
            b'f' | b'v' => b'f',
            b's' | b'z' | b'x' | b'j' => b's',
            b'm' | b'n' => b'n',
            b'l' | b'r' => c,
            _ => return None,
        };
        (std::mem::replace(&mut before, class) != class).then_some(class)
    })
}

/// The hash of a word's skeleton.
pub(crate) fn spoken(word: &str) -> u32 {
    let mut bones = [0u8; 16];
    let mut length = 0;
    for (place, bone) in bones.iter_mut().zip(skeleton(word)) {
        *place = bone;
        length += 1;
    }
    hash(13, &bones[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_alike_is_one() {
        // Nor are zh and z, n and l told apart.
        assert_eq!(syllable('师'), syllable('丝'));
        assert_ne!(syllable('师'), syllable('书'));
        assert_eq!(skeleton("banned").collect::<Vec<u8>>(), b"pnt");
        assert_eq!(spoken("bear"), spoken("pair"));
        assert_ne!(spoken("bear"), spoken("rare"));
    }
}
