//! Masking of telephone numbers and SIP addresses for logs and pages.

/// Up to this many digits a number is an extension inside a PBX, which says nothing about a person outside it.
const EXTENSION_DIGITS: usize = 5;

/// A telephone number with all but its last two digits hidden; extensions of up to five digits are left as they are, names
/// keep their first letter.
pub fn mask_number(user: &str) -> String {
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let number = user.chars().all(|c| c.is_ascii_digit() || "+-.() *#".contains(c));
    if user.is_empty() || (number && digits <= EXTENSION_DIGITS) {
        return user.to_owned();
    }
    if number {
        let tail: String = user.chars().filter(char::is_ascii_digit).skip(digits - 2).collect();
        return format!("***{tail}");
    }
    user.chars().next().map_or_else(String::new, |first| format!("{first}***"))
}

/// A SIP, SIPS or tel address with its display name removed and its user part masked by [`mask_number`]. Host, port and
/// transport stay: they are what an engineer needs. Text that is not an address comes back wholly masked.
pub fn mask_uri(address: &str) -> String {
    let text = address.trim();
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => text.get(open + 1..close).unwrap_or_default(),
        _ => text,
    };
    let Some((scheme, rest)) = inner.split_once(':') else {
        return if inner.is_empty() { String::new() } else { "***".to_owned() };
    };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "tel" => format!("tel:{}", mask_number(rest.split(';').next().unwrap_or_default())),
        "sip" | "sips" => match rest.rsplit_once('@') {
            // A password in the user part (RFC 3261 section 19.1.1) goes with it.
            Some((user, host)) => {
                let user = user.split([':', ';']).next().unwrap_or_default();
                format!("{scheme}:{}@{}", mask_number(user), host_of(host))
            }
            None => format!("{scheme}:{}", host_of(rest)),
        },
        _ => "***".to_owned(),
    }
}

/// Host and port, and of the parameters the transport alone: the rest can carry numbers.
fn host_of(text: &str) -> String {
    let host_and_parameters = text.split('?').next().unwrap_or_default();
    let mut parts = host_and_parameters.split(';');
    let mut out = parts.next().unwrap_or_default().to_owned();
    if let Some(transport) = parts.find(|p| p.to_ascii_lowercase().starts_with("transport=")) {
        out.push(';');
        out.push_str(transport);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_lose_all_but_two_digits_and_extensions_stay() {
        assert_eq!(mask_number("+15551234567"), "***67");
        assert_eq!(mask_number("555-123-4567"), "***67");
        assert_eq!(mask_number("1001"), "1001");
        assert_eq!(mask_number("alice"), "a***");
        assert_eq!(mask_number("alice.1234567"), "a***");
        assert_eq!(mask_number(""), "");
    }

    #[test]
    fn addresses_keep_what_an_engineer_needs() {
        assert_eq!(
            mask_uri("\"Alice B\" <sip:+15551234567;phone-context=x@pbx.example:5070;transport=tcp;user=phone>;tag=1"),
            "sip:***67@pbx.example:5070;transport=tcp"
        );
        assert_eq!(mask_uri("sip:1001:pw@10.0.0.2"), "sip:1001@10.0.0.2");
        assert_eq!(mask_uri("SIPS:bob@example.com?Subject=15551234567"), "sips:b***@example.com");
        assert_eq!(mask_uri("sip:10.0.0.2:5060"), "sip:10.0.0.2:5060");
        assert_eq!(mask_uri("tel:+15551234567;ext=3"), "tel:***67");
        assert_eq!(mask_uri("call me at 5551234567"), "***");
        assert_eq!(mask_uri(""), "");
    }

    proptest! {
        #[test]
        fn no_user_of_six_or_more_digits_survives(user in "[0-9]{6,20}", host in "[a-z]{1,10}") {
            let masked = mask_uri(&format!("<sip:{user}@{host}>"));
            prop_assert!(!masked.contains(&user));
            prop_assert!(masked.contains(&host));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = mask_uri(&text);
            let _ = mask_number(&text);
        }
    }
}
