//! The page that lists the calls: plain HTML, no script, fresh every few seconds.

use super::view::{Registration, Summary};
use crate::call::ActiveCall;
use std::borrow::Cow;
use std::fmt::Write;
use time::OffsetDateTime;
use time::macros::format_description;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>\
<meta name=viewport content='width=device-width'><title>tipring</title><style>\
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%;margin:.5em 0 2em}th,td{text-align:left;padding:.3em .8em .3em 0;\
border-bottom:1px solid #8884;vertical-align:top}th{font-weight:600}.bad{color:#b00}.none{color:#777}\
a{color:#05a}@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}a{color:#7bf}.bad{color:#f77}}\
</style><h1>tipring</h1>";

/// The whole page. Everything that came from outside is escaped.
pub(super) fn render(
    draining: bool,
    registrations: &[Registration],
    active: &[ActiveCall],
    recent: &[Summary],
) -> String {
    let mut out = String::from(HEAD);
    out.push_str(if draining {
        "<p class=bad>Draining: no new calls are taken.</p>"
    } else {
        "<p>Ready. <a href=/health>health</a> · <a href=/metrics>metrics</a> · <a href=/api/calls>calls as JSON</a></p>"
    });
    if !registrations.is_empty() {
        table(&mut out, "Registrations", &["account", "state"], registrations, |out, line| {
            let class = if line.registered { "" } else { " class=bad" };
            let _ = write!(out, "<td>{}<td{class}>{}", escape(&line.account), escape(&line.status));
        });
    }
    table(&mut out, "Calls", &["began", "from", "to", "flow", "state", "up for"], active, |out, call| {
        let _ = write!(
            out,
            "<td><a href=/api/calls/{}>{}</a><td>{}<td>{}<td>{}<td>{}<td>{}",
            call.id,
            clock(call.began),
            escape(&call.from),
            escape(&call.to),
            escape(&call.flow),
            escape(&call.state),
            call.answered_ms.map_or_else(|| "ringing".into(), length)
        );
    });
    let titles = ["began", "from", "to", "flow", "length", "turns", "codec", "ended"];
    table(&mut out, "Ended", &titles, recent, |out, call| {
        let _ = write!(
            out,
            "<td><a href=/api/calls/{}>{}</a><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
            call.id,
            clock(call.began),
            escape(&call.from),
            escape(&call.to),
            escape(&call.flow),
            length(call.duration_ms),
            call.turns,
            escape(&call.codec),
            call.end_reason.label()
        );
    });
    out
}

fn table<T>(out: &mut String, title: &str, columns: &[&str], lines: &[T], mut row: impl FnMut(&mut String, &T)) {
    let _ = write!(out, "<h2>{title}</h2>");
    if lines.is_empty() {
        out.push_str("<p class=none>none</p>");
        return;
    }
    out.push_str("<table><tr>");
    for column in columns {
        let _ = write!(out, "<th>{column}");
    }
    for line in lines {
        out.push_str("<tr>");
        row(out, line);
    }
    out.push_str("</table>");
}

fn clock(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z")).unwrap_or_default()
}

fn length(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1000 % 60)
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CallId;
    use crate::record::Direction;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let call = ActiveCall {
            id: CallId::from_parts(0, 1),
            direction: Direction::Inbound,
            from: "sip:<script>alert(1)</script>@h".into(),
            to: "sip:a\"b'@h".into(),
            flow: "f".into(),
            state: String::new(),
            began: OffsetDateTime::UNIX_EPOCH,
            answered_ms: Some(83_000),
        };
        let page = render(false, &[], &[call], &[]);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("1970-01-01 00:00:00Z") && page.contains("1:23"));
        assert!(render(true, &[], &[], &[]).contains("Draining"));
    }
}
