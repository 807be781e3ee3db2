//! Text from outside, cut to a bound.

/// The beginning of `text`, at most `max` bytes, ending between characters.
pub(crate) fn bounded(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(bounded("hello", 9), "hello");
        assert_eq!(bounded("hello", 4), "hell");
        assert_eq!(bounded("您好", 5), "您");
        assert_eq!(bounded("您好", 0), "");
    }
}
