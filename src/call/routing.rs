//! Which flow answers which call. Pure.

use super::config::{Config, Route};

/// The name of the flow for a call to `to` from `from` (user parts of the URIs).
pub fn flow_for<'a>(config: &'a Config, to: &str, from: &str) -> &'a str {
    config.routes.iter().find(|route| fits(route, to, from)).map_or(&config.default_flow, |route| &route.flow)
}

fn fits(route: &Route, to: &str, from: &str) -> bool {
    route.to.as_deref().is_none_or(|pattern| glob(pattern, to))
        && route.from.as_deref().is_none_or(|pattern| glob(pattern, from))
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters. Linear: only the last star is ever revisited.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

/// The user part of a SIP URI, or of a name-addr that holds one; empty when there is none.
pub fn user_of(uri: &str) -> &str {
    let inner = uri.split_once('<').map_or(uri, |(_, rest)| rest.split('>').next().unwrap_or(rest));
    let rest = inner.split_once(':').map_or(inner, |(_, rest)| rest);
    rest.rsplit_once('@').map_or("", |(user, _)| user.split([';', ':']).next().unwrap_or(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, fit) in [
            ("650", "650", true),
            ("650", "6500", false),
            ("0800*", "0800123", true),
            ("*99", "1299", true),
            ("*99", "12990", false),
            ("*", "", true),
            ("1*2*3", "1xx2yy3", true),
            ("1*2*3", "1xx2yy", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_route_that_fits_wins() {
        let config = Config {
            routes: vec![
                Route { to: Some("65*".into()), from: Some("1001".into()), flow: "friends".into() },
                Route { to: Some("65*".into()), from: None, flow: "desk".into() },
            ],
            ..Config::default()
        };
        assert_eq!(flow_for(&config, "650", "1001"), "friends");
        assert_eq!(flow_for(&config, "650", "1002"), "desk");
        assert_eq!(flow_for(&config, "700", "1001"), "welcome");
    }

    #[test]
    fn user_parts() {
        for (uri, user) in [
            ("sip:650@127.0.0.1:5060", "650"),
            ("\"Ann\" <sip:ann;x=1@example.org>;tag=9", "ann"),
            ("sips:a:secret@h", "a"),
            ("sip:127.0.0.1", ""),
            ("", ""),
        ] {
            assert_eq!(user_of(uri), user);
        }
    }
}
