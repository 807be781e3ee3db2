//! The program as a newcomer meets it: help, mistakes in files, what stands in the way of a call.

use crate::sip_support::{Raw, header};
use crate::support::skip;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tipring::audio::CodecKind;
use tipring::phone::{Config, Handset, Plan, Script};

/// What every command here is given: nothing of this machine, engines that need no library.
fn tipring(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tipring"));
    command.args(arguments.split(' ').filter(|argument| !argument.is_empty())).current_dir(folder).env_clear();
    command
        .env("TIPRING__SIP__LISTEN", "127.0.0.1:0")
        .env("TIPRING__HTTP__LISTEN", "127.0.0.1:0")
        .env("TIPRING__ENGINE__ASR", "scripted")
        .env("TIPRING__ENGINE__TTS", "scripted")
        .env("TIPRING__SIP__NO_RESPONSE_MS", "500")
        .env("TIPRING__SIP__REGISTER_TIMEOUT_MS", "500");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, standard output, standard error.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

async fn run_aside(command: Command) -> (Option<i32>, String, String) {
    tokio::task::spawn_blocking(move || run(command)).await.unwrap()
}

#[test]
fn output_that_nobody_reads_ends_the_program_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tipring(folder.path(), "simulate turns --calls 2 --json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What reads is gone before the first line comes.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(141), ""));
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (code, help, _) = run(tipring(folder.path(), "--help"));
    assert_eq!(code, Some(0));
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 7, "{help}");
    for name in commands.into_iter().chain(["flow check", "models fetch"]) {
        let (code, help, _) = run(tipring(folder.path(), &format!("{name} --help")));
        assert_eq!(code, Some(0), "{name}");
        assert!(help.contains(&format!("Usage: tipring {name}")), "{help}");
    }
    assert_eq!(run(tipring(folder.path(), "")).0, Some(2));
    assert_eq!(run(tipring(folder.path(), "srve")).0, Some(2));
}

#[test]
fn a_broken_flow_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let flow = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let head = "start = \"hello\"\n[fallback]\nsay = \"Sorry.\"\n";
    flow("good.toml", &format!("{head}[state.hello]\nsay = \"Hello.\"\nhang_up = true\n"));
    flow("lost.toml", &format!("{head}[state.hello]\nsay = \"Hello.\"\ngoto = \"nowhere\"\n"));
    flow("torn.toml", "start = \"hello\n");
    let (code, out, error) = run(tipring(folder.path(), "flow check good.toml"));
    assert_eq!((code, out.as_str()), (Some(0), "good.toml: 1 state, all is well\n"), "{error}");
    let (code, out, _) = run(tipring(folder.path(), "flow check good.toml lost.toml torn.toml missing.toml"));
    assert_eq!(code, Some(1));
    let line =
        |start: &str| out.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {out}"));
    assert!(line("lost.toml:6: error: ").contains("'nowhere'"), "{out}");
    line("torn.toml:1:");
    assert!(line("missing.toml: ").contains("cannot read"), "{out}");
    line("good.toml: ");
}

#[test]
fn facts_that_are_not_there_and_strange_voices_are_told_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let flow = |name: &str, key: &str| {
        let rest = "[fallback]\nsay = \"Sorry.\"\n[state.hello]\nsay = \"Hello.\"\nhang_up = true\n";
        std::fs::write(folder.path().join(name), format!("start = \"hello\"\n{key}\n{rest}")).unwrap();
    };
    flow("facts.toml", "knowledge = \"nope\"");
    let (code, out, _) = run(tipring(folder.path(), "flow check facts.toml"));
    assert_eq!(code, Some(1));
    assert!(
        out.contains("facts.toml:2: knowledge = \"nope\"") && out.contains("write a folder that is there"),
        "{out}"
    );
    assert_eq!(out.matches("os error").count(), 1, "{out}");

    flow("voice.toml", "voice = \"bob\"");
    let with_voices = |arguments: &str| {
        let mut command = tipring(folder.path(), arguments);
        // A server that nothing is asked of here.
        command
            .env("TIPRING__ENGINE__TTS", "openai,scripted")
            .env("TIPRING__ENGINE__OPENAI_TTS__BASE_URL", "http://127.0.0.1:1/v1");
        command
    };
    let (code, out, error) = run(with_voices("flow check --engines voice.toml"));
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("voice.toml:2: warning: voice = \"bob\"") && out.contains("1 warning"), "{out}");
    let (code, out, _) = run(tipring(folder.path(), "flow check --engines voice.toml"));
    assert!(code == Some(0) && out.contains("all is well"), "hummed lines have every voice: {out}");
}

#[test]
fn labelled_sets_that_say_nothing_or_what_is_not_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("facts")).unwrap();
    put("facts/a.md", "# Fee\n\nThe fee is ten euros.\n");
    put("intents.csv", "text,label\n");
    put("vad.csv", "file,segments\n");
    put("none.csv", "question,heading,language\n");
    put("heading.csv", "question,heading,language\nwhat is the fee,Fee,en\nwhat is the fee,Fees,en\n");
    put("language.csv", "question,heading,language\nwhat is the fee,Fee,fr\n");
    put("good.csv", "question,heading,language\nwhat is the fee,Fee,en\n");
    for (command, says) in [
        ("eval intent --data intents.csv", "intents.csv: has nothing below its first line"),
        ("eval vad --data vad.csv", "vad.csv: has nothing below its first line"),
        ("eval knowledge --facts facts --data none.csv", "none.csv: has nothing below its first line"),
        (
            "eval knowledge --facts facts --data heading.csv",
            "heading.csv:3: no fact in en below facts has the heading 'Fees'",
        ),
        ("eval knowledge --facts facts --data language.csv", "language.csv:2: 'fr' is no language"),
        ("chat --replay 01KNOPE", "26 letters and digits"),
    ] {
        let (code, out, error) = run(tipring(folder.path(), command));
        assert!(code.is_some_and(|code| code > 0) && error.contains(says), "{command}: {out}{error}");
    }
    assert_eq!(run(tipring(folder.path(), "eval knowledge --facts facts --data good.csv")).0, Some(0));
}

#[test]
fn a_slip_in_the_settings_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my.toml"), "[sip]\nlistn = \"127.0.0.1:5070\"\n").unwrap();
    for command in ["serve", "check", "call sip:a@127.0.0.1"] {
        let (code, out, error) = run(tipring(folder.path(), &format!("--config my.toml {command}")));
        let said = if command == "check" { out } else { error };
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("my.toml:2: unknown key 'listn'") && said.contains("'listen'"), "{said}");
    }
}

/// The findings of `check --json` with these settings.
fn findings(folder: &Path, settings: &[(&str, String)]) -> (Option<i32>, Vec<Value>) {
    let mut command = tipring(folder, "check --json");
    command.envs(settings.iter().map(|(key, value)| (format!("TIPRING__{key}"), value)));
    let (code, out, error) = run(command);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{error}")))
}

#[track_caller]
fn finding<'a>(findings: &'a [Value], check: &str, level: &str, part: &str) -> &'a Value {
    findings
        .iter()
        .find(|f| {
            f["check"] == check && f["level"] == level && f["what"].as_str().is_some_and(|what| what.contains(part))
        })
        .unwrap_or_else(|| panic!("no {level} of {check} says '{part}': {findings:#?}"))
}

fn account(registrar: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("SIP__ACCOUNTS__0__NAME", "pbx".into()),
        ("SIP__ACCOUNTS__0__REGISTRAR", registrar.to_string()),
        ("SIP__ACCOUNTS__0__USERNAME", "1001".into()),
        ("SIP__ACCOUNTS__0__PASSWORD", "hush7".into()),
    ]
}

#[test]
fn the_doctor_names_who_has_a_port_and_who_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (sip, http) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let ours = format!("process {}", std::process::id());

    let (code, found) = findings(folder.path(), &account(silent.local_addr().unwrap()));
    assert_eq!(code, Some(1));
    finding(&found, "config", "ok", "");
    finding(&found, "sip", "ok", "is free");
    let fix = &finding(&found, "account", "error", "pbx: unreachable")["fix"];
    assert!(fix.as_str().is_some_and(|fix| fix.contains("firewall")), "{fix}");
    finding(&found, "data", "ok", "can be written");
    finding(&found, "tts", "ok", "scripted");
    finding(&found, "flows", "ok", "welcome");
    finding(&found, "audio", "ok", "PCMU");
    assert!(found.iter().all(|f| !f.to_string().contains("hush7")));

    let mut settings = account(silent.local_addr().unwrap());
    settings.push(("SIP__LISTEN", sip.local_addr().unwrap().to_string()));
    settings.push(("HTTP__LISTEN", http.local_addr().unwrap().to_string()));
    settings.push(("SIP__TRUNKS__0__NAME", "carrier".into()));
    settings.push(("SIP__TRUNKS__0__ADDRESS", "nobody.invalid:5060".into()));
    let (code, found) = findings(folder.path(), &settings);
    assert_eq!(code, Some(1));
    for check in ["sip", "http"] {
        let fix = &finding(&found, check, "error", &ours)["fix"];
        assert!(fix.as_str().is_some_and(|fix| fix.contains("__LISTEN=127.0.0.1:")), "{fix}");
    }
    finding(&found, "account", "error", "unreachable");
    finding(&found, "account", "warning", "password was not tried");
    finding(&found, "trunk", "error", "cannot resolve nobody.invalid");
}

#[test]
fn the_doctor_opens_the_emotion_engine_and_the_turn_model() {
    let folder = tempfile::tempdir().unwrap();
    let with = |key: &'static str, value: &str| findings(folder.path(), &[(key, value.to_owned())]);
    let (code, found) = with("ENGINE__EMOTION__ENGINE", "prosdy");
    assert_eq!(code, Some(1));
    finding(&found, "emotion", "error", "there is no engine 'prosdy'; use one of: prosody, off");
    let (code, found) = with("ENGINE__EMOTION__MODEL", "/nowhere/mine.emotion");
    assert_eq!(code, Some(1));
    finding(&found, "emotion", "error", "/nowhere/mine.emotion");
    let (_, found) = with("ENGINE__EMOTION__ENGINE", "off");
    finding(&found, "emotion", "ok", "off");
    let (_, found) = with("TURN__MOOD__TRACK", "false");
    finding(&found, "emotion", "ok", "not used");
    let (code, found) = with("ENGINE__TURN", "smart-trun");
    assert_eq!(code, Some(1));
    finding(&found, "turn", "error", "there is no turn model 'smart-trun'; use one of: smart-turn");
    let (_, found) = with("ENGINE__TURN", "smart-turn");
    finding(&found, "turn", "warning", "engine.smart_turn.model names no file");
}

#[test]
fn the_doctor_hears_and_understands_its_own_voice() {
    let folder = tempfile::tempdir().unwrap();
    let engines = [("ENGINE__ASR", "pocketsphinx".to_owned()), ("ENGINE__TTS", "flite".to_owned())];
    let (_, found) = findings(folder.path(), &engines);
    if let Some(missing) = found.iter().find(|f| f["level"] == "error" && (f["check"] == "asr" || f["check"] == "tts"))
    {
        skip(missing);
        return;
    }
    for codec in CodecKind::ALL {
        // By itself, or with Silero where ONNX Runtime is installed.
        let heard = [format!("{codec}: earshot hears"), format!("{codec}: earshot+silero hears")];
        assert!(
            found.iter().any(|f| f["what"].as_str().is_some_and(|what| heard.iter().any(|heard| what.contains(heard)))),
            "{heard:?}: {found:?}"
        );
    }
    // A single word in telephone band, at the very beginning of a call, is not always understood; the doctor then says so.
    let wide = finding(&found, "audio", "ok", "G722: earshot")["what"].as_str().unwrap();
    assert!(wide.contains("pocketsphinx understands it"), "{wide}");
    assert!(!found.iter().any(|f| f["what"].as_str().is_some_and(|what| what.contains("cannot hear these words"))));
}

/// Answers every request with this status line.
fn answering(raw: Raw, status: &'static str) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let (request, from) = raw.read_from().await;
            if request.starts_with("ACK ") {
                continue;
            }
            let copied: String = ["Via", "From", "Call-ID", "CSeq"]
                .iter()
                .map(|name| format!("{name}: {}\r\n", header(&request, name).unwrap()))
                .collect();
            let to = header(&request, "To").unwrap();
            raw.send(from, &format!("SIP/2.0 {status}\r\n{copied}To: {to};tag=r\r\nContent-Length: 0\r\n\r\n")).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_a_wrong_password_from_a_peer_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (registrar, trunk) = (Raw::on("127.0.0.1:0").await, Raw::on("127.0.0.1:0").await);
    let mut settings = account(registrar.address());
    settings.push(("SIP__TRUNKS__0__NAME", "carrier".into()));
    settings.push(("SIP__TRUNKS__0__ADDRESS", trunk.address().to_string()));
    let tasks = [answering(registrar, "403 Forbidden"), answering(trunk, "404 Not Found")];
    let path = folder.path().to_owned();
    let (code, found) = tokio::task::spawn_blocking(move || findings(&path, &settings)).await.unwrap();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(code, Some(1));
    finding(&found, "account", "error", "password (403)");
    finding(&found, "trunk", "ok", "answered OPTIONS with 404");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let silent = Raw::on("127.0.0.1:0").await;
    let (code, out, error) = run_aside(tipring(folder.path(), &format!("call sip:1001@{}", silent.address()))).await;
    assert_eq!(code, Some(1), "{out}{error}");
    assert!(out.contains("the call failed: unreachable"), "{out}{error}");

    let busy = Raw::on("127.0.0.1:0").await;
    let command = tipring(folder.path(), &format!("call sip:1001@{} --json", busy.address()));
    let task = answering(busy, "486 Busy Here");
    let (code, out, error) = run_aside(command).await;
    task.abort();
    assert_eq!(code, Some(1), "{out}{error}");
    assert!(error.contains("the call failed: busy (486"), "{error}");
    let record: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&record["end_reason"]["kind"], &record["end_reason"]["status"]), (&"not_answered".into(), &486.into()));

    let mut command = tipring(folder.path(), "call 1002");
    command.envs(account(silent.address()).into_iter().map(|(key, value)| (format!("TIPRING__{key}"), value)));
    let (code, _, error) = run_aside(command).await;
    assert!(code == Some(1) && error.contains("account pbx: unreachable"), "{error}");
    let (code, _, error) = run_aside(tipring(folder.path(), "call sip:1@127.0.0.1 --var nobody=x")).await;
    assert!(code == Some(1) && error.contains("--var nobody"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_answered_leaves_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), extension: None, codecs: CodecKind::ALL.to_vec() };
    let mut callee = Handset::start(config).await.unwrap();
    let command = tipring(folder.path(), &format!("call sip:1001@{}", callee.local_addr()));
    let script = Script::new(Vec::new()).with_linger(Duration::from_secs(30)).with_patience(Duration::from_secs(30));
    let plan = Plan { longest: Duration::from_secs(3), ..Plan::new(script) };
    let answering = tokio::spawn(async move {
        let held = callee.answer(plan, &mut |_| {}).await;
        callee.shutdown().await;
        held.unwrap()
    });
    let (code, out, error) = run_aside(command).await;
    let held = answering.await.unwrap();
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(held.log.heard.packets > 100, "{} packets", held.log.heard.packets);
    for part in ["answered\n", "  agent   ", "the call is over", "the callee hung up"] {
        assert!(out.contains(part), "'{part}' is missing: {out}{error}");
    }
    for (label, least) in [("record:    ", 300), ("recording: ", 40_000)] {
        let path = out.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        assert!(std::fs::metadata(folder.path().join(path)).unwrap().len() > least, "{path}");
    }
}

#[test]
fn the_start_says_that_nobody_will_be_heard_in_any_flow() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    let mut command = tipring(folder.path(), "serve --log info");
    // No weights are there.
    command.env("TIPRING__ENGINE__ASR", "whisper").stderr(std::process::Stdio::piped());
    let mut serving = command.spawn().unwrap();
    let mut seen = Vec::new();
    let lines = std::io::BufReader::new(serving.stderr.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let ready = line.contains("ready for calls");
        seen.push(line);
        if ready {
            break;
        }
    }
    serving.kill().unwrap();
    serving.wait().unwrap();
    let all = seen.join("\n");
    // Also flows that no route names: a campaign may.
    let told = seen.iter().any(|line| line.contains("nobody will be heard in") && line.contains("course.zh"));
    assert!(told && all.contains("models fetch whisper-base-q5_1"), "{all}");
}
