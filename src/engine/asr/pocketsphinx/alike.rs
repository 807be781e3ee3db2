//! How alike two phrases sound: the sounds to replace, leave out and put in that make one of the other.

/// What it costs to leave a sound out or put one in.
const MISSED: f32 = 0.7;
/// What it costs to say one vowel for another; any other sound for another costs 1.
const VOWEL: f32 = 0.5;

/// From 0, the same, to 1, nothing in common, for a sound of the longer phrase.
pub(super) fn difference(one: &[&str], other: &[&str]) -> f32 {
    let mut row: Vec<f32> = (0..=other.len()).map(|missed| missed as f32 * MISSED).collect();
    for (at, sound) in one.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], (at + 1) as f32 * MISSED);
        for (index, against) in other.iter().enumerate() {
            let replaced = corner + replacing(sound, against);
            corner = row[index + 1];
            row[index + 1] = replaced.min(corner + MISSED).min(row[index] + MISSED);
        }
    }
    row[other.len()] / one.len().max(other.len()).max(1) as f32
}

fn replacing(sound: &str, other: &str) -> f32 {
    let is_vowel = |sound: &str| sound.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    match sound == other {
        true => 0.0,
        false if is_vowel(sound) && is_vowel(other) => VOWEL,
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(one: &str, other: &str) -> f32 {
        difference(&one.split(' ').collect::<Vec<_>>(), &other.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn ways_to_say_the_same_are_alike_and_other_words_are_not() {
        assert_eq!(apart("N OW", "N OW"), 0.0);
        assert!(apart("Y EH S", "Y AE") < 0.5, "yes and yeah");
        assert!(apart("K AO L M IY", "K AO L M IY B AE K") < 0.5);
        assert!(apart("F AY V", "N AY N") >= 0.5 && apart("W AH N", "N AY N") >= 0.5);
        assert!((apart("N OW", "K AO L M IY") - apart("K AO L M IY", "N OW")).abs() < 1e-6);
        assert_eq!(difference(&[], &[]), 0.0);
    }
}
