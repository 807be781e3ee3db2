//! Working ahead, over SIP and RTP against the whole server: the first lines of answers are ready when the caller's turn is over. The
//! engines are the scripted ones: whether the chain from the pause to the held line works is no matter of recognition.

use std::sync::Arc;
use std::time::Duration;
use tipring::app::Tipring;
use tipring::audio::CodecKind;
use tipring::phone::{Act, Config, Handset, Plan, Script, Step, Trigger, Utterance};
use tipring::settings::{DataDir, Settings};

const FLOW: &str = r#"
name = "ready"
language = "en"
start = "come"
[fallback]
say = "Sorry."
hang_up = true
[state.come]
say = "Will you come?"
[[state.come.on]]
phrases = ["yes"]
say = "That is good."
goto = "eat"
[state.eat]
say = "Will you eat with us?"
[[state.eat.on]]
phrases = ["no"]
say = "That is a pity."
goto = "sure"
[state.sure]
say = "Are you sure?"
[[state.sure.on]]
phrases = ["yes"]
say = "All right, goodbye."
hang_up = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn most_first_lines_are_ready_when_the_turn_is_over() {
    let data = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(data.path().join("flows")).expect("a folder");
    std::fs::write(data.path().join("flows/ready.toml"), FLOW).expect("the folder is ours");
    let text = format!(
        "[sip]\nlisten = '127.0.0.1:0'\nallow = ['127.0.0.0/8']\n[calls]\ndrain_s = 1\ndefault_flow = 'ready'\nflows_dir = '{}'\n\
         [store]\nsync = false\n[engine]\nvad = ['scripted']\nasr = ['scripted']\ntts = ['scripted']\n[engine.scripted.asr]\n\
         lines = ['yes', 'no', 'yes']\n[engine.scripted.tts]\ndelay_ms = 60\n",
        data.path().join("flows").display()
    );
    let file = data.path().join("test.toml");
    std::fs::write(&file, text).expect("the folder is ours");
    let mut settings = Settings::load(Some(&file), []).expect("the settings of the test");
    settings.data_dir = DataDir(data.path().to_owned());
    let server = Tipring::start_without_http(settings).await.expect("a server");
    let config =
        Config { listen: "127.0.0.1:0".parse().expect("an address"), extension: None, codecs: CodecKind::ALL.to_vec() };
    let phone = Handset::start(config).await.expect("a telephone");
    let samples = (0..700 * 16).map(|i| if i % 40 < 20 { 5000i16 } else { -5000 }).collect();
    let sound = Arc::new(Utterance::annotate(samples, "answer", Some("an answer".into())).expect("sound"));
    let say = || Step { trigger: Trigger::AgentSilent(Duration::from_millis(400)), act: Act::Say(Arc::clone(&sound)) };
    let script = Script::new(vec![say(), say(), say()]).with_patience(Duration::from_secs(8));
    let plan = Plan { longest: Duration::from_secs(30), ..Plan::new(script) };
    let held = phone.call(&format!("sip:ready@{}", server.sip_addr()), plan, &mut |_| {}).await.expect("a call");
    phone.shutdown().await;
    let ready = server.metrics().first_lines_ready_percent();
    assert_eq!(server.metrics().came_twice(), 0);
    server.shutdown(Duration::ZERO).await;
    let gaps: Vec<f64> = held.turns().iter().filter_map(|turn| turn.gap_ms).collect();
    println!("{ready:?} % of the first lines were ready; gaps {gaps:?} ms");
    assert!(gaps.len() >= 2, "{:?}", held.turns());
    assert!(ready.is_some_and(|percent| percent >= 60.0), "{ready:?} % of the first lines were ready");
}
