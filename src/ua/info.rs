//! Keys pressed, sent as SIP INFO (the older ways that some PBXs still use).

/// The key in an INFO body: `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`).
pub(super) fn key(content_type: &str, body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    // 10 and 11 are how the event codes of RFC 4733 write * and #.
    match signal {
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut chars = signal.chars();
            let key = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && (key.is_ascii_digit() || "*#ABCD".contains(key))).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        assert_eq!(key("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(key("Application/DTMF-Relay;x=y", b"Signal= #\n"), Some('#'));
        assert_eq!(key("application/dtmf-relay", b"Signal=11\r\n"), Some('#'));
        assert_eq!(key("application/dtmf", b" a "), Some('A'));
        assert_eq!(key("application/dtmf", b"55"), None);
        assert_eq!(key("application/dtmf", b"x"), None);
        assert_eq!(key("text/plain", b"5"), None);
        assert_eq!(key("application/dtmf-relay", &[0xff, 0xfe]), None);
    }
}
