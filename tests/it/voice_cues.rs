//! Our own echo and people who talk over us, spoken by flite, through µ-law both ways. Skips where flite is absent; the same
//! on recordings of people is `tipring eval overlap`.

use crate::support::skip;
use tipring::audio::{FRAME_SAMPLES, level};
use tipring::engine::batch::Pool;
use tipring::engine::tts::{Flite, FliteConfig};
use tipring::engine::vad::{Earshot, EarshotConfig};
use tipring::sim::Dice;
use tipring::sim::echo::{EchoPath, Line, judge};
use tipring::speech::{Language, SpeechRequest, Synthesis, Synthesizer, Wake};

const AGENT: [&str; 6] = [
    "The open day begins at ten o'clock on Saturday and ends at four in the afternoon.",
    "Could you please tell me your name and your telephone number?",
    "There is a car park behind the building, and the bus stops in front of the door.",
    "Thank you very much. Your appointment is on Monday the fourteenth at nine thirty.",
    "You can bring your children, there is something to do for everybody.",
    "Our prices depend on the size of the house and on the year in which it was built.",
];
const CALLERS: [&str; 6] = [
    "Wait a moment, that is not what I asked.",
    "Can you tell me what it costs?",
    "No, that is the wrong number, please stop.",
    "I would like to speak to somebody else.",
    "Hold on, I need a pen.",
    "Do you take credit cards there?",
];

fn speak(flite: &Flite, voice: &str, text: &str) -> Vec<i16> {
    let request =
        SpeechRequest { text: text.to_owned(), language: Language("en".into()), voice: Some(voice.to_owned()) };
    let mut stream = flite.speak(&request, Wake::noop().clone()).unwrap();
    let mut samples = Vec::new();
    loop {
        match stream.poll() {
            Synthesis::Frame(frame) => samples.extend_from_slice(&frame[..]),
            Synthesis::Pending => std::thread::sleep(std::time::Duration::from_millis(2)),
            Synthesis::Done => return samples,
            Synthesis::Failed(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_echo_interrupts_nobody_and_a_caller_over_it_is_heard() {
    let pool = Pool::start("voices", 1).unwrap();
    let flite = match Flite::open(&FliteConfig::default(), &pool) {
        Ok(flite) => flite,
        Err(error) => return skip(error),
    };
    let vad = Earshot::new(EarshotConfig::default());
    let mut dice = Dice::new(11);
    let ours: Vec<_> = AGENT.iter().flat_map(|text| ["slt", "kal16"].map(|voice| speak(&flite, voice, text))).collect();
    let theirs: Vec<_> =
        CALLERS.iter().flat_map(|text| ["rms", "awb"].map(|voice| speak(&flite, voice, text))).collect();
    let (mut lines, mut overlaps, mut late, mut stopped) = (0, 0, 0, 0);
    let (mut callers, mut heard) = (0, 0);
    // The first two are loud enough for a caller of whom nothing is known yet.
    for echo_db in [-12.0, -16.0, -25.0, -30.0] {
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let mut sent = vec![0; 4800];
            sent.extend(ours);
            sent.resize((sent.len() + 16_000).next_multiple_of(FRAME_SAMPLES), 0);
            let path = EchoPath::hybrid(echo_db, dice.between(50.0, 300.0) as f32, &mut dice);
            let line = Line { language: "en", ours: &sent, echo: Some(&path), caller: None, noise_dbfs: -69.0 };
            let alone = judge(&line, &vad, &mut dice).unwrap();
            lines += 1;
            overlaps += alone.echoes;
            late += alone.late;
            if echo_db <= -25.0 {
                stopped += u32::from(alone.interrupted_itself);
            }

            let at = dice.between(12_000.0, (sent.len() - 30_000) as f64) as usize;
            let mut theirs = theirs.clone();
            level::normalise(&mut theirs, dice.between(-30.0, -16.0) as f32);
            let verdicts = judge(&Line { caller: Some((at, &theirs)), ..line }, &vad, &mut dice).unwrap();
            callers += 1;
            heard += u32::from(verdicts.stopped_ms.is_some_and(|ms| ms <= 600.0));
        }
    }
    println!(
        "{lines} lines: {overlaps} overlaps of the echo alone, {late} not known for one at 200 ms, {stopped} lines \
         of -25 dB and less interrupted; {heard} of {callers} callers heard"
    );
    assert!(overlaps >= 20, "the echo is loud enough to be heard: {overlaps}");
    assert_eq!(stopped, 0, "of {lines}");
    assert!(heard * 100 >= callers * 95, "{heard} of {callers}");
}
