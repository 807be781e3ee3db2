//! The walls of the house: who may import whom, and what may not appear where. The floors are read from the table in
//! `src/lib.rs`, so that the map and the rule cannot disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Imports between rooms of one floor; all others on a floor do not know each other.
const SIDEWAYS: &[(&str, &str)] = &[
    ("speech", "audio"),
    ("record", "audio"),
    ("phone", "sim"),
    ("app", "settings"),
    ("cli", "app"),
    ("cli", "settings"),
    ("main", "cli"),
];

/// Imports that point down and are refused all the same.
const REFUSED: &[(&str, &str, &str)] = &[
    ("call", "engine", "engines are reached by trait; `app` builds them"),
    ("server", "ua", "the server sees calls only through what the call room shows"),
    ("server", "media", "the server sees calls only through what the call room shows"),
    ("server", "engine", "the server sees calls only through what the call room shows"),
    ("telesales", "ua", "telesales knows calls by plan and record"),
    ("telesales", "media", "telesales knows calls by plan and record"),
    ("telesales", "engine", "telesales knows calls by plan and record"),
];

/// Rooms that are given the time and never ask for it, and that know no thread, socket or runtime.
const PURE: &[&str] = &["audio", "speech", "record", "rtp", "sdp", "nlu", "agent"];

/// The longest file, its unit tests left out, and with them.
const MAX_LINES: (usize, usize) = (500, 800);

/// One piece of Rust source, comments and literals left out.
#[derive(Clone, PartialEq, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single characters. Comments, strings, characters and lifetimes are dropped.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let c = at(i);
        let from = i;
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = raw_string_end(&chars, i) {
            i = end;
        } else if c == '"' || (c == 'b' && at(i + 1) == '"') {
            i += if c == 'b' { 2 } else { 1 };
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == '\'' {
            // A lifetime has no closing quote.
            if at(i + 1) == '\\' {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            } else if at(i + 2) == '\'' {
                i += 3;
            } else {
                i += 1;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
            }
        } else if c.is_alphanumeric() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            out.push(Token { text: chars[from..i].iter().collect(), line });
        } else if c == ':' && at(i + 1) == ':' {
            i += 2;
            out.push(Token { text: "::".into(), line });
        } else {
            i += 1;
            if !c.is_whitespace() {
                out.push(Token { text: c.into(), line });
            }
        }
        line += chars[from..i.min(chars.len())].iter().filter(|&&c| c == '\n').count();
    }
    out
}

/// Where a raw string that begins at `i` ends.
fn raw_string_end(chars: &[char], i: usize) -> Option<usize> {
    let before = i.checked_sub(1).and_then(|b| chars.get(b)).copied().unwrap_or(' ');
    if before.is_alphanumeric() || before == '_' {
        return None;
    }
    let r = i + usize::from(chars.get(i) == Some(&'b'));
    (chars.get(r) == Some(&'r')).then_some(())?;
    let hashes = chars[r + 1..].iter().take_while(|&&c| c == '#').count();
    (chars.get(r + 1 + hashes) == Some(&'"')).then_some(())?;
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = r + 2 + hashes;
    Some((body..chars.len()).find(|&e| chars[e..].starts_with(&close)).map_or(chars.len(), |e| e + close.len()))
}

/// The source of one file with what the rules need to know of it.
struct Source {
    /// As printed: `src/ua/inbound.rs`.
    path: String,
    tokens: Vec<Token>,
    /// For each token, how many inline modules enclose it, and whether one of them is a test module.
    inside: Vec<(usize, bool)>,
    /// Lines without the unit tests at the end, and with them.
    lines: (usize, usize),
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let mut inside = Vec::with_capacity(tokens.len());
        let (mut depth, mut open): (usize, Vec<(usize, bool)>) = (0, Vec::new());
        let word = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
        for (i, token) in tokens.iter().enumerate() {
            inside.push((open.len(), open.iter().any(|o| o.1)));
            match token.text.as_str() {
                "{" => {
                    depth += 1;
                    if i >= 2 && word(i - 2) == "mod" {
                        open.push((depth, word(i - 1).contains("test")));
                    }
                }
                "}" => {
                    open.retain(|&(d, _)| d < depth);
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
        }
        let all = text.lines().count();
        let tests = text.lines().position(|l| l == "#[cfg(test)]").unwrap_or(all);
        Self { path: path.into(), tokens, inside, lines: (tests, all) }
    }

    fn word(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |t| t.text.as_str())
    }

    /// The first segment below the crate: the room. `main.rs` and `lib.rs` are rooms of their own.
    fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
    }

    /// How many `super` lead from the file to the crate's root.
    fn depth(&self) -> usize {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        inner.split('/').filter(|part| *part != "mod").count()
    }

    /// The rooms that this file names, with the line.
    fn imports(&self) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        let mut i = 0;
        while i < self.tokens.len() {
            let word = self.word(i);
            let root = if word == "crate" || (word == "tipring" && self.word(i + 1) == "::") {
                Some(i + 1)
            } else if word == "super" && (i < 2 || self.word(i - 2) != "super") {
                let (mut supers, mut j) = (1, i + 1);
                while self.word(j) == "::" && self.word(j + 1) == "super" {
                    (supers, j) = (supers + 1, j + 2);
                }
                (supers >= self.depth() + self.inside[i].0).then_some(j)
            } else {
                None
            };
            if let Some(j) = root.filter(|&j| self.word(j) == "::") {
                self.first_segments(j + 1, &mut out);
            }
            i += 1;
        }
        out
    }

    /// The first segments of the use-tree or path at token `i`.
    fn first_segments(&self, i: usize, out: &mut Vec<(String, usize)>) {
        let Some(token) = self.tokens.get(i) else { return };
        if token.text != "{" {
            out.push((token.text.clone(), token.line));
            return;
        }
        let (mut depth, mut j) = (1, i + 1);
        let mut first = true;
        while depth > 0 && j < self.tokens.len() {
            match self.word(j) {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => first = true,
                _ if first => {
                    out.push((self.word(j).to_owned(), self.tokens[j].line));
                    first = false;
                }
                _ => {}
            }
            j += 1;
        }
    }

    /// Where `words` stand in a row; `::` counts as a word.
    fn find(&self, words: &[&str], tests_too: bool) -> Vec<usize> {
        (0..self.tokens.len())
            .filter(|&i| tests_too || !self.inside[i].1)
            .filter(|&i| words.iter().enumerate().all(|(n, w)| self.word(i + n) == *w))
            .map(|i| self.tokens[i].line)
            .collect()
    }
}

/// The floors of the table in `src/lib.rs`.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for row in lib.lines().filter_map(|l| l.strip_prefix("//! | ")) {
        let mut cells = row.split('|').map(str::trim);
        let (Some(floor), Some(rooms)) = (cells.next().and_then(|c| c.parse().ok()), cells.next()) else { continue };
        for room in rooms.split(',') {
            out.insert(room.trim().trim_matches(['[', ']', '`']).to_owned(), floor);
        }
    }
    out
}

/// Everything in `source` that breaks a rule, as `path:line: what`.
fn violations(source: &Source, floors: &BTreeMap<String, usize>) -> Vec<String> {
    let mut out = Vec::new();
    let path = source.path.as_str();
    let mut report = |line: usize, what: String| out.push(format!("{path}:{line}: {what}"));
    let room = source.room();
    if room != "lib" {
        let Some(floor) = floors.get(room) else {
            report(1, format!("the room '{room}' is not in the table of src/lib.rs"));
            return out;
        };
        for (target, line) in source.imports() {
            let Some(below) = floors.get(&target) else { continue };
            if target == room {
                continue;
            }
            let refused = REFUSED.iter().find(|r| r.0 == room && r.1 == target);
            if let Some((_, _, why)) = refused {
                report(line, format!("{room} must not import {target}: {why}"));
            } else if below > floor {
                report(line, format!("{room} (floor {floor}) imports {target} (floor {below}): imports point down"));
            } else if below == floor && *floor > 0 && !SIDEWAYS.contains(&(room, target.as_str())) {
                report(line, format!("{room} imports {target} of its own floor: they do not know each other"));
            } else if *floor == 0 {
                report(line, format!("{room} imports {target}: the rooms of floor 0 stand alone"));
            }
        }
    }
    let (code, all) = source.lines;
    if code > MAX_LINES.0 || all > MAX_LINES.1 {
        let (most, with_tests) = MAX_LINES;
        report(all, format!("{code} lines ({all} with tests): {most} when it must, {with_tests} with tests never"));
    }
    for part in path.trim_end_matches(".rs").split(['/', '_']) {
        if matches!(part, "manager" | "helper" | "helpers" | "common" | "util" | "utils" | "misc") {
            report(1, format!("'{part}' says nothing about what is in it"));
        }
    }
    for (i, token) in source.tokens.iter().enumerate() {
        let declares = i > 0 && matches!(source.word(i - 1), "struct" | "enum" | "trait" | "type" | "mod");
        if declares && ["Manager", "Helper", "Utils", "helpers", "utils"].iter().any(|w| token.text.ends_with(w)) {
            report(token.line, format!("'{}' says nothing about what it does", token.text));
        }
    }
    let unsafe_allowed = path == "src/media/sys.rs" || (path.starts_with("src/engine/") && path.ends_with("/ffi.rs"));
    if !unsafe_allowed {
        for line in source.find(&["unsafe"], true) {
            report(line, "unsafe belongs into engine/*/ffi.rs and media/sys.rs".into());
        }
    }
    if !matches!(room, "main" | "cli" | "app") {
        for line in source.find(&["anyhow"], true) {
            report(line, "anyhow is for main, cli and app: this room has an error enum".into());
        }
    }
    if room == "media" {
        for line in source.find(&["tokio"], false) {
            report(line, "the media room knows no tokio".into());
        }
        let thread_side = ["worker", "port", "link"].iter().any(|f| path.starts_with(&format!("src/media/{f}")));
        for lock in ["Mutex", "RwLock", "Condvar"].iter().filter(|_| thread_side) {
            for line in source.find(&[lock], false) {
                report(line, format!("{lock}: the media thread does not wait"));
            }
        }
    }
    if PURE.contains(&room) {
        for (words, what) in [
            (&["tokio"][..], "tokio"),
            (&["Instant", "::", "now"], "Instant::now"),
            (&["SystemTime"], "SystemTime"),
            (&["OffsetDateTime", "::", "now_utc"], "the wall clock"),
            (&["std", "::", "thread"], "a thread"),
            (&["std", "::", "net", "::", "UdpSocket"], "a socket"),
            (&["TcpStream"], "a socket"),
        ] {
            for line in source.find(words, false) {
                report(line, format!("{what} in {room}: pure rooms are given the time and know no thread or socket"));
            }
        }
    }
    out
}

/// A path of rooms that leads back to its beginning.
fn cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk<'a>(
        at: &'a str,
        edges: &'a BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(from) = path.iter().position(|p| *p == at) {
            return Some(path[from..].iter().chain([&at]).map(|s| (*s).to_owned()).collect());
        }
        if !done.insert(at) {
            return None;
        }
        path.push(at);
        let found = edges.get(at)?.iter().find_map(|next| walk(next, edges, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut Vec::new(), &mut done))
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn the_house_stands_as_drawn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let floors = floors(&std::fs::read_to_string(root.join("src/lib.rs")).unwrap());
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let mut found = String::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rooms = BTreeSet::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let source = Source::new(&path, &std::fs::read_to_string(&file).unwrap());
        for violation in violations(&source, &floors) {
            writeln!(found, "{violation}").unwrap();
        }
        if source.room() != "lib" {
            rooms.insert(source.room().to_owned());
            let room = edges.entry(source.room().to_owned()).or_default();
            room.extend(
                source.imports().into_iter().map(|i| i.0).filter(|t| t != source.room() && floors.contains_key(t)),
            );
        }
    }
    if let Some(path) = cycle(&edges) {
        writeln!(found, "a cycle of rooms: {}", path.join(" → ")).unwrap();
    }
    assert_eq!(
        rooms,
        floors.keys().cloned().collect(),
        "the rooms of src/ and those of the table in src/lib.rs differ"
    );
    assert!(found.is_empty(), "\n{found}");
}

#[cfg(test)]
mod rules {
    use super::*;

    fn plan() -> BTreeMap<String, usize> {
        floors(
            "//! | 6 | `main`, [`cli`], [`app`] | x |\n//! | 5 | [`server`] | x |\n//! | 3 | [`store`], [`call`] | x |\n\
             //! | 2 | [`media`], [`engine`] | x |\n//! | 1 | [`speech`], [`audio`] | x |\n//! | 0 | [`pii`], [`id`] | x |\n",
        )
    }

    #[track_caller]
    fn breaks(path: &str, text: &str, expected: &[&str]) {
        let found = violations(&Source::new(path, text), &plan());
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (violation, expected) in found.iter().zip(expected) {
            assert!(violation.contains(expected), "'{violation}' does not say '{expected}'");
        }
    }

    #[test]
    fn imports_up_and_sideways_are_found_with_their_line() {
        breaks(
            "src/speech/gate.rs",
            "\nuse crate::audio::Frame;\nuse crate::call::Plan;",
            &["src/speech/gate.rs:3: speech"],
        );
        breaks(
            "src/call/mod.rs",
            "use crate::{\n  audio::{Frame, id},\n  store::Store,\n};",
            &["mod.rs:3: call imports store"],
        );
        breaks("src/call/x.rs", "fn f() { crate::engine::build() }", &["call must not import engine"]);
        breaks("src/call/x.rs", "use super::super::store::Store;", &["call imports store"]);
        breaks("src/call/x.rs", "use super::store::Store; mod tests { use super::super::y::Z; }", &[]);
        breaks("src/call/mod.rs", "use super::store::Store;", &["call imports store"]);
        breaks("src/pii/mod.rs", "use crate::id::CallId;", &["stand alone"]);
        breaks("src/attic/mod.rs", "", &["not in the table"]);
    }

    #[test]
    fn comments_and_strings_import_nothing() {
        breaks(
            "src/audio/mod.rs",
            "//! [`crate::call`]\n/* use crate::call::X; */ const A: &str = r#\"crate::call \"unsafe\"\"#; const B: char = '\"';\n\
             fn f<'a>(x: &'a str) -> &'a str { \"\\\"tokio\" }",
            &[],
        );
    }

    #[test]
    fn what_has_no_place_is_found() {
        breaks("src/media/worker.rs", "use std::sync::Mutex;\nuse tokio::net::UdpSocket;", &["tokio", "Mutex"]);
        breaks("src/media/server.rs", "use std::sync::Mutex;", &[]);
        breaks("src/audio/x.rs", "fn f() { let t = std::time::Instant::now(); }", &["Instant::now"]);
        breaks("src/audio/x.rs", "mod tests { fn f() { let t = std::time::Instant::now(); } }", &[]);
        breaks("src/engine/asr/ffi.rs", "unsafe fn f() {}", &[]);
        breaks("src/engine/asr/pool.rs", "unsafe fn f() {}", &["unsafe belongs"]);
        breaks("src/call/utils.rs", "struct CallManager;", &["'utils'", "'CallManager'"]);
        breaks("src/store/mod.rs", "use anyhow::Result;", &["anyhow"]);
        breaks("src/store/mod.rs", &"\n".repeat(501), &["501 lines"]);
        breaks("src/store/mod.rs", &format!("{}#[cfg(test)]\n{}", "\n".repeat(400), "\n".repeat(300)), &[]);
        breaks("src/store/mod.rs", &format!("{}#[cfg(test)]\n{}", "\n".repeat(400), "\n".repeat(400)), &["801 with"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
        assert_eq!(cycle(&BTreeMap::from([edge("a", "b"), edge("b", "c"), edge("c", "b")])).unwrap(), ["b", "c", "b"]);
        assert_eq!(cycle(&BTreeMap::from([edge("a", "b"), edge("b", "c")])), None);
    }
}
