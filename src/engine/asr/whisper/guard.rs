//! Whisper makes up words where there are none, and says things over and over. Its ways are known: what it wrote is judged by
//! its own doubt, by how well it can be squeezed, by loops, and by what it has learned from the ends of videos.

use super::ffi::Decoded;
use super::words::{join, plain, units};

/// Above this probability of no speech, words of which Whisper is unsure are none (OpenAI's own rule).
const NO_SPEECH: f32 = 0.6;
/// Below this mean logarithm of the tokens' probabilities Whisper is unsure.
const UNSURE: f32 = -1.0;
/// Above this one, a short courtesy that it likes to make up is believed.
const SURE: f32 = -0.4;
/// Text that is this many times longer than its substance goes round in circles (OpenAI's own rule).
const SQUEEZE: f32 = 2.4;
/// Text too short for squeezing to say anything, in bytes.
const SHORT: usize = 60;
/// A single word may stand this often in a row: digits are said like that.
const MAX_SAME: usize = 6;
/// A group of words may.
const MAX_GROUP: usize = 3;
/// Longest group that is looked for.
const GROUP: usize = 10;

/// Written for sounds that are no speech. Brackets and notes are taken off before.
const BOILERPLATE: [&str; 22] = [
    "thank you for watching",
    "thanks for watching",
    "thank you so much for watching",
    "thank you very much for watching",
    "thanks for watching and i'll see you next time",
    "please subscribe",
    "please subscribe to my channel",
    "don't forget to subscribe",
    "like and subscribe",
    "subscribe to the channel",
    "see you in the next video",
    "i'll see you in the next video",
    "subtitles by the amara.org community",
    "transcription by castingwords",
    "谢谢观看",
    "感谢观看",
    "謝謝觀看",
    "感謝觀看",
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
    "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
    "字幕by索兰娅",
    "优优独播剧场 yoyo television series exclusive",
];
/// Beginnings of such lines.
const BEGINNINGS: [&str; 5] = ["subtitles by", "transcribed by", "transcription by", "字幕由", "字幕志愿者"];
/// Said by people, too: made up only where Whisper is not sure.
const COURTESIES: [&str; 8] = ["thank you", "thanks", "bye", "bye bye", "you", "okay", "so", "谢谢"];

/// Why nothing, or not all, of a text was believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// Nothing is wrong with it.
    None,
    /// There was no speech.
    NoSpeech,
    /// It is one of the lines that Whisper writes over noise.
    Boilerplate,
    /// It went round in circles; what came before the second round is kept.
    Loop,
    /// It was cut at the most tokens that so much audio can have.
    TooLong,
}

/// What is believed of a decode.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Judged {
    /// In plain text; empty when nothing is.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Why it is less than was written.
    pub doubt: Doubt,
}

impl Judged {
    /// Nothing was said, and nothing written.
    pub fn nothing() -> Self {
        Self { text: String::new(), confidence: 0.0, doubt: Doubt::None }
    }
}

/// Judges a decode that could have `max_tokens`.
pub(super) fn judge(decoded: &Decoded, max_tokens: usize) -> Judged {
    let nothing = |doubt| Judged { text: String::new(), confidence: 0.0, doubt };
    let text = plain(&without_brackets(&decoded.text));
    if text.is_empty() {
        return nothing(if decoded.tokens == 0 { Doubt::None } else { Doubt::NoSpeech });
    }
    if decoded.no_speech > NO_SPEECH && decoded.log_probability < UNSURE {
        return nothing(Doubt::NoSpeech);
    }
    let courtesy = COURTESIES.contains(&text.as_str()) && decoded.no_speech > NO_SPEECH / 2.0;
    if courtesy && decoded.log_probability < SURE {
        return nothing(Doubt::NoSpeech);
    }
    if BOILERPLATE.contains(&text.as_str()) || BEGINNINGS.iter().any(|start| text.starts_with(start)) {
        return nothing(Doubt::Boilerplate);
    }
    let confidence = decoded.log_probability.min(0.0).exp() * (1.0 - 0.5 * decoded.no_speech.clamp(0.0, 1.0));
    if let Some(once) = without_loop(&text) {
        return Judged { text: once, confidence: confidence / 2.0, doubt: Doubt::Loop };
    }
    if text.len() >= SHORT && squeeze(text.as_bytes()) > SQUEEZE {
        return nothing(Doubt::Loop);
    }
    let (confidence, doubt) = match decoded.tokens >= max_tokens {
        true => (confidence / 2.0, Doubt::TooLong),
        false => (confidence, Doubt::None),
    };
    Judged { text, confidence, doubt }
}

/// Takes off what stands for sounds: `[BLANK_AUDIO]`, `(laughter)`, `♪ la la ♪`.
fn without_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut closing: Option<char> = None;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) if c == end => closing = None,
            (Some(_), _) => {}
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '（') => closing = Some('）'),
            (None, '【') => closing = Some('】'),
            (None, '♪') => closing = Some('♪'),
            (None, '*') => closing = Some('*'),
            (None, c) => out.push(c),
        }
    }
    out
}

/// The text up to the second round of a loop, when it has one.
fn without_loop(text: &str) -> Option<String> {
    let units = units(text);
    for from in 0..units.len() {
        for group in 1..=GROUP.min((units.len() - from) / 2) {
            let unit = |at: usize| units.get(at);
            let mut rounds = 1;
            while (0..group).all(|i| unit(from + i).is_some() && unit(from + i) == unit(from + rounds * group + i)) {
                rounds += 1;
            }
            if rounds > if group == 1 { MAX_SAME } else { MAX_GROUP } {
                return Some(join(units.iter().take(from + group).copied()));
            }
        }
    }
    None
}

/// How many times longer a text is than what a simple compressor (matches of at least four bytes, three bytes each) makes of it.
fn squeeze(text: &[u8]) -> f32 {
    let (mut at, mut size) = (0, 0);
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let matches = |from: usize| {
            let earlier = text.get(from..).unwrap_or_default();
            earlier.iter().zip(rest).take_while(|(a, b)| a == b).count()
        };
        let longest = (at.saturating_sub(4096)..at).map(matches).max().unwrap_or(0);
        (at, size) = if longest >= 4 { (at + longest, size + 3) } else { (at + 1, size + 1) };
    }
    text.len() as f32 / size.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, no_speech: f32, log_probability: f32) -> Judged {
        let tokens = text.split_whitespace().count();
        judge(&Decoded { text: text.into(), tokens, log_probability, no_speech }, 100)
    }

    #[test]
    fn what_is_sure_is_believed() {
        let yes = judged(" Yes, I would like that.", 0.01, -0.2);
        assert_eq!((yes.text.as_str(), yes.doubt), ("yes i would like that", Doubt::None));
        assert!((0.75..0.85).contains(&yes.confidence), "{}", yes.confidence);
        assert_eq!(judged("Thank you.", 0.05, -0.2).text, "thank you");
        assert_eq!(judged("谢谢。", 0.05, -0.2).text, "谢谢");
        assert_eq!(judged("5 5 5, 0 0 0 0, 1 2", 0.0, -0.2).text, "5 5 5 0 0 0 0 1 2", "digits repeat");
    }

    #[test]
    fn words_where_there_is_no_speech_are_none() {
        for (text, no_speech, log_probability, doubt) in [
            ("I don't know.", 0.9, -1.4, Doubt::NoSpeech),
            ("[BLANK_AUDIO]", 0.1, -0.1, Doubt::NoSpeech),
            ("(laughs) ♪ la la ♪", 0.1, -0.1, Doubt::NoSpeech),
            ("Thanks for watching!", 0.1, -0.1, Doubt::Boilerplate),
            ("Subtitles by somebody else", 0.1, -0.1, Doubt::Boilerplate),
            ("请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", 0.0, -0.1, Doubt::Boilerplate),
            ("字幕由 Amara.org 社群提供", 0.0, -0.1, Doubt::Boilerplate),
            ("Thank you.", 0.5, -0.7, Doubt::NoSpeech),
        ] {
            let judged = judged(text, no_speech, log_probability);
            assert_eq!((judged.text.as_str(), judged.doubt, judged.confidence), ("", doubt, 0.0), "{text}");
        }
    }

    #[test]
    fn a_loop_is_cut_at_its_second_round() {
        let judged_loop = judged(&format!("I will come. {}", "on Tuesday and ".repeat(8)), 0.1, -0.3);
        assert_eq!((judged_loop.text.as_str(), judged_loop.doubt), ("i will come on tuesday and", Doubt::Loop));
        assert!(judged_loop.confidence < 0.4);
        assert_eq!(judged(&"no ".repeat(20), 0.1, -0.3).text, "no");
        assert_eq!(judged(&"好的".repeat(20), 0.1, -0.3).text, "好的");
        // A loop too uneven to be cut, but of no substance.
        let uneven = "that is what i said and that is what i said so that is what i said but that is what i said or that \
                      is what i said as that is what i said then that is what i said";
        assert_eq!(judged(uneven, 0.1, -0.3).doubt, Doubt::Loop);
    }

    #[test]
    fn a_text_as_long_as_it_may_be_is_doubted() {
        let decoded = Decoded { text: "one two three".into(), tokens: 12, log_probability: -0.1, no_speech: 0.0 };
        assert_eq!(judge(&decoded, 12).doubt, Doubt::TooLong);
        assert!(judge(&decoded, 12).confidence < judge(&decoded, 13).confidence);
    }

    #[test]
    fn ordinary_sentences_are_not_squeezed() {
        for text in [
            "we are calling about the appointment that you made last week with our office in town on the first floor",
            "my number is five five five one two three four and my name is smith s m i t h please call me back tomorrow",
            "我想问一下上个星期在你们那里预约的时间能不能改到下个星期二下午三点钟左右如果不行的话请给我打电话",
        ] {
            assert!(squeeze(text.as_bytes()) < 2.0, "{}", squeeze(text.as_bytes()));
        }
    }

    proptest::proptest! {
        #[test]
        fn survives_any_text(text in "\\PC{0,200}", no_speech in -1.0_f32..2.0, log_probability in -9.0_f32..1.0) {
            let judged = judged(&text, no_speech, log_probability);
            proptest::prop_assert!((0.0..=1.0).contains(&judged.confidence));
        }
    }
}
