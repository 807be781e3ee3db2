//! The words for numbers: one table for whoever reads or says them. (`pii` has its own, because it stands alone.)

/// Zero to nineteen.
pub(crate) const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

/// Twenty to ninety.
pub(crate) const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// What an English word in lower case is worth: "zero" to "nineteen", "twenty" to "ninety".
pub(crate) fn english(word: &str) -> Option<u32> {
    let place = |table: &[&str]| table.iter().position(|known| *known == word).and_then(|at| u32::try_from(at).ok());
    place(&SMALL).or_else(|| place(&TENS).map(|at| (at + 2) * 10))
}

/// What a Chinese digit is worth: 零 to 九, 两, and 幺 as in telephone numbers.
pub(crate) fn chinese(digit: char) -> Option<u32> {
    Some(match digit {
        '零' | '〇' => 0,
        '一' | '幺' | '壹' => 1,
        '二' | '两' | '贰' => 2,
        '三' | '叁' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_characters_have_their_worth() {
        let words = ["zero", "nine", "ten", "nineteen", "twenty", "ninety", "hundred", "ones"];
        assert_eq!(words.map(english), [Some(0), Some(9), Some(10), Some(19), Some(20), Some(90), None, None]);
        assert_eq!(['零', '幺', '两', '九', '十', 'a'].map(chinese), [Some(0), Some(1), Some(2), Some(9), None, None]);
    }
}
