//! The three layers of settings, and what a mistake in each of them says.

use std::path::Path;
use tipring::settings::{DEFAULTS, LogFormat, Settings, SettingsError};

fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(file.map(|_| path.as_path()), environment)
}

#[test]
fn what_is_compiled_in_says_what_the_code_does() {
    let written = load(None, &[]).unwrap();
    assert_eq!(format!("{written:#?}"), format!("{:#?}", Settings::default()));
}

/// The keys that a section knows, asked of the section itself.
fn known_keys(section: &str) -> Vec<String> {
    let text = if section.is_empty() { "no_such_key = 1".to_owned() } else { format!("[{section}]\nno_such_key = 1") };
    let error = toml::from_str::<Settings>(&text).err().unwrap();
    error.message().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_in_the_documented_file() {
    for section in known_keys("").into_iter().chain([String::new()]).filter(|s| s != "data_dir") {
        let body = DEFAULTS.split_once(&format!("\n[{section}]\n")).map_or(DEFAULTS, |(_, rest)| rest);
        for key in known_keys(&section) {
            let line = |prefix: &str| body.lines().any(|l| l.starts_with(&format!("{prefix}{key} = ")));
            let table = DEFAULTS.lines().any(|l| {
                let l = l.trim_start_matches("# ");
                l == format!("[{section}.{key}]") || l == format!("[[{section}.{key}]]") || l == format!("[{key}]")
            });
            assert!(line("") || line("# ") || table, "sip-config/tipring.toml does not have '{key}' of [{section}]");
        }
    }
}

#[test]
fn a_file_and_then_the_environment_count() {
    let file = "data_dir = '/srv/a'\n[log]\nfilter = 'debug'\nformat = 'json'\n[store]\nrecent = 7";
    let settings = load(
        Some(file),
        &[
            ("TIPRING__DATA_DIR", "/srv/b"),
            ("TIPRING__STORE__SYNC", "false"),
            ("TIPRING__HTTP__LISTEN", "127.0.0.1:9090"),
            ("TIPRING_TEST_DATA", "not one of ours"),
        ],
    )
    .unwrap();
    assert_eq!(settings.data_dir.0, Path::new("/srv/b"));
    assert_eq!((settings.log.filter.as_str(), settings.log.format), ("debug", LogFormat::Json));
    assert_eq!((settings.store.recent, settings.store.sync), (7, false));
    assert_eq!(settings.http.listen.port(), 9090);
}

#[track_caller]
fn says(result: Result<Settings, SettingsError>, parts: &[&str]) {
    let text = result.expect_err("a mistake").to_string();
    for part in parts {
        assert!(text.contains(part), "'{text}' does not say '{part}'");
    }
}

#[test]
fn mistakes_say_where_they_are() {
    says(
        load(Some("\n[http]\nlistn = '127.0.0.1:1'"), &[]),
        &["my.toml:3:", "unknown key 'listn'", "did you mean 'listen'"],
    );
    says(load(Some("[htp]\n"), &[]), &["my.toml:1:", "unknown key 'htp'", "did you mean 'http'"]);
    says(load(Some("# x\n\n[store]\nrecent = 'many'"), &[]), &["my.toml:4:", "string \"many\""]);
    says(load(Some("[store\n"), &[]), &["my.toml:1:"]);
    says(load(None, &[("TIPRING__HTTP__LISTN", "x")]), &["TIPRING__HTTP__LISTN", "did you mean 'listen'"]);
    says(load(None, &[("TIPRING__STORE__RECENT", "many")]), &["TIPRING__STORE__RECENT", "many"]);
    says(load(None, &[("TIPRING__HTTP__LISTEN", "0.0.0.0:80")]), &["http.listen", "allow_remote"]);
    says(load(Some("[media]\nrtp_ports = [9, 3]"), &[]), &["media.rtp_ports", "20000"]);
    says(load(None, &[("TIPRING__TURN__MOOD__ON", "7")]), &["turn.mood.on is 7"]);
    says(load(Some("[turn.mood]\noff = 0.95"), &[]), &["turn.mood.off is 0.95", "not be above on"]);
    says(load(Some("[turn.mood]\nshown_turns = 0"), &[]), &["turn.mood.shown_turns", "1 to 5"]);
    let missing = Settings::load(Some(Path::new("/nowhere/x.toml")), []).err().unwrap().to_string();
    assert!(missing.contains("/nowhere/x.toml"), "{missing}");
}

#[test]
fn the_example_of_remote_engines_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-config/engines/remote.toml");
    let settings = Settings::load(Some(&path), []).unwrap();
    assert_eq!(settings.engine.asr, ["deepgram", "openai", "pocketsphinx"]);
    let answer_ms = settings.engine.openai_asr.answer_timeout_ms;
    assert!(settings.turn.final_grace_ms > answer_ms, "the agent decides before the recogniser has answered");
    // What is commented out is no less right.
    let text = std::fs::read_to_string(&path).unwrap();
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')).unwrap_or(line))
        .filter(|line| {
            !line.starts_with("asr = [\"deepgram\"")
                && !line.starts_with("tts = [\"openai\"")
                && !line.starts_with("llm = [\"openai\"")
        })
        .fold(String::new(), |text, line| text + line + "\n");
    toml::from_str::<Settings>(&all).unwrap_or_else(|error| panic!("{error}\n{all}"));
}
