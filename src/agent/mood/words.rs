//! Impatience in words: what asks for haste, what says that it was understood long ago, "hello?", and what was said before.

use crate::agent::dialogue::{digits, tokens, words};

/// Requests for haste, as they are spoken. The recogniser is told to expect those of the flow's language where the flow has
/// a rule for them.
pub(crate) const EXPLICIT_EN: [&str; 33] = [
    "speed this up",
    "move this along",
    "skip all that",
    "how much longer",
    "hurry up",
    "please hurry",
    "can you hurry",
    "get to the point",
    "please get to the point",
    "come to the point",
    "what is the point",
    "what is your point",
    "cut to the chase",
    "make it quick",
    "make it short",
    "keep it short",
    "make it fast",
    "be quick",
    "be brief",
    "quickly please",
    "faster please",
    "go faster",
    "can you speed this up",
    "i am in a hurry",
    "i am in a rush",
    "i have no time",
    "i do not have time",
    "i do not have all day",
    "i have not got all day",
    "just tell me",
    "just get on with it",
    "get on with it",
    "this is taking too long",
];

/// The same in Mandarin.
pub(crate) const EXPLICIT_ZH: [&str; 35] = [
    "快说",
    "简短一点",
    "绕弯子",
    "挑重要的",
    "快点",
    "快一点",
    "快些",
    "赶紧",
    "赶快",
    "说重点",
    "讲重点",
    "重点是什么",
    "直说",
    "直接说",
    "有话直说",
    "有话快说",
    "长话短说",
    "简单点",
    "简短点",
    "没空",
    "没时间",
    "没工夫",
    "没功夫",
    "赶时间",
    "行了行了",
    "好了好了",
    "得了得了",
    "别啰嗦",
    "别罗嗦",
    "太啰嗦",
    "别废话",
    "少废话",
    "别绕弯",
    "到底什么事",
    "到底要说什么",
];

/// Rarer ones, which are known when they are heard; the recogniser is not told to expect them, since there are so many.
const RARER_EN: [&str; 50] = [
    // Hurry.
    "hurry it up",
    "can we hurry",
    "could you hurry",
    "chop chop",
    "quick please",
    "speed it up",
    "go a bit faster",
    "talk faster",
    "speak faster",
    // The point.
    "get to it",
    "to the point please",
    "what is the bottom line",
    "the bottom line please",
    "spit it out",
    "just say it",
    "just say what you want",
    "say what you want",
    "stop beating around the bush",
    "beating about the bush",
    "skip to the",
    "skip ahead",
    "can we skip",
    // Short.
    "the short version",
    "cut it short",
    "keep it brief",
    "keep it quick",
    "in one sentence",
    "wrap it up",
    "wrap this up",
    "stop rambling",
    "enough already",
    "can we move on",
    "move on please",
    // Time.
    "wasting my time",
    "waste my time",
    "waste of my time",
    "i have not got time",
    "i have not got the time",
    "i have got no time",
    "i do not have the time",
    "i do not have much time",
    "i have not much time",
    "i have only got a minute",
    "i only have a minute",
    "short on time",
    "pressed for time",
    "we do not have all day",
    "this takes too long",
    "taking forever",
    "takes forever",
];

/// The same in Mandarin.
const RARER_ZH: [&str; 46] = [
    // Hurry.
    "抓紧",
    "麻利点",
    "利索点",
    "干脆点",
    "痛快点",
    "速度点",
    "快讲",
    "别磨蹭",
    "磨磨蹭蹭",
    "磨叽",
    "别拖",
    "等不及",
    // The point.
    "说要点",
    "讲要点",
    "要点是什么",
    "挑重点",
    "拣重要的",
    "捡重要的",
    "拣重点",
    "捡重点",
    "挑要紧的",
    "兜圈子",
    "卖关子",
    "有事说事",
    "有话就说",
    "有事快说",
    "到底想说什么",
    "到底想干什么",
    "到底想干嘛",
    "到底要干嘛",
    // Short.
    "简要",
    "简明",
    "简单说",
    "简短说",
    "少啰嗦",
    "啰里啰嗦",
    "啰啰嗦嗦",
    "废话少说",
    "没完没了",
    "有完没完",
    // Time.
    "浪费时间",
    "浪费我时间",
    "耽误时间",
    "耽误我时间",
    "有急事",
    "时间不多",
];

/// What sounds like one and is the opposite.
const TAKEN_BACK_EN: [&str; 6] =
    ["no hurry", "no rush", "no need to hurry", "no need to rush", "any hurry", "without hurry"];
/// Words before an explicit phrase that take it back: "don't hurry", 不用快点.
const NEGATIONS_EN: [&str; 2] = ["not", "never"];
const NEGATIONS_ZH: [&str; 8] = ["不", "不用", "不必", "不要", "别", "没", "没必要", "不需要"];
/// What nobody asks for, but asks to be spared: 别 and 不要 before it do not take it back.
const VICES_ZH: [&str; 10] = [
    "兜圈子",
    "卖关子",
    "磨磨蹭蹭",
    "磨叽",
    "啰里啰嗦",
    "啰啰嗦嗦",
    "浪费时间",
    "浪费我时间",
    "耽误时间",
    "耽误我时间",
];
const NOT_SO_ZH: [&str; 2] = ["不", "没"];
/// Explicit phrases that are negations themselves, or that a negation does not take back.
const ALREADY_NEGATIVE_ZH: [char; 4] = ['没', '别', '少', '到'];

const WEARY_EN: [&str; 12] = [
    "yeah yeah",
    "yes yes",
    "okay okay",
    "i know",
    "i know i know",
    "you said that already",
    "you already said that",
    "i already told you",
    "i told you already",
    "i have already said that",
    "come on",
    "yes i know",
];
const WEARY_ZH: [&str; 12] = [
    "知道了",
    "我知道",
    "知道知道",
    "说过了",
    "说了多少遍",
    "不是说了吗",
    "不是说过",
    "都说了",
    "我都说了",
    "又来了",
    "行吧行吧",
    "对对对对",
];

const HELLO_EN: [&str; 4] = ["hello", "are you there", "is anybody there", "are you listening"];
const HELLO_ZH: [&str; 4] = ["喂", "在不在", "在吗", "听得到吗"];

/// Words that carry no question: what is left must be alike for a question to be the same.
const FUNCTION_WORDS: [&str; 40] = [
    "a", "an", "the", "is", "are", "am", "was", "it", "that", "this", "to", "of", "in", "on", "at", "do", "does",
    "did", "will", "would", "can", "could", "please", "and", "so", "but", "i", "you", "me", "my", "your", "again",
    "said", "asked", "just", "now", "then", "的", "了", "吗",
];

/// The same word three times in a row: "right right right", 行行行. To say yes so is usual in Mandarin, 对对对, 嗯嗯嗯.
fn said_thrice(heard: &[String]) -> bool {
    const USUAL: [&str; 4] = ["对", "嗯", "是", "哈"];
    heard.windows(3).any(|part| match part {
        [a, b, c] => a == b && b == c && !USUAL.contains(&a.as_str()),
        _ => false,
    })
}

/// What a turn's words say of the caller's patience.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Spoken {
    /// They ask for haste.
    pub explicit: bool,
    /// They say that it was understood.
    pub weary: bool,
    /// "Hello?"
    pub hello: bool,
    /// How alike to something said before, 0 to 1.
    pub repeated: f32,
}

fn holds(heard: &[String], phrase: &str) -> Option<usize> {
    let phrase = words(phrase);
    heard.windows(phrase.len().max(1)).position(|part| part == phrase.as_slice())
}

fn holds_any(heard: &[String], text: &str, en: &[&str], zh: &[&str]) -> bool {
    en.iter().any(|phrase| holds(heard, phrase).is_some()) || zh.iter().any(|phrase| text.contains(phrase))
}

/// Whether the words ask for haste: explicit, and not taken back.
pub(crate) fn asks_for_haste(text: &str) -> bool {
    let mut heard = words(text);
    for phrase in TAKEN_BACK_EN {
        while let Some(at) = holds(&heard, phrase) {
            heard.drain(at..at + phrase.split(' ').count());
        }
    }
    let en = EXPLICIT_EN.iter().chain(&RARER_EN).any(|phrase| {
        holds(&heard, phrase).is_some_and(|at| {
            let before = heard.get(at.saturating_sub(3)..at).unwrap_or_default();
            !before.iter().any(|word| NEGATIONS_EN.contains(&word.as_str()))
        })
    });
    en || EXPLICIT_ZH.iter().chain(&RARER_ZH).any(|phrase| {
        let text = squeezed(text);
        text.match_indices(phrase).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let negations: &[&str] = if VICES_ZH.contains(phrase) { &NOT_SO_ZH } else { &NEGATIONS_ZH };
            phrase.starts_with(ALREADY_NEGATIVE_ZH) || !negations.iter().any(|no| before.ends_with(no))
        })
    })
}

/// The text without blanks and marks.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// How alike two sets of words are: the share that they have in common (Jaccard).
fn alike(a: &[String], b: &[String]) -> f32 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let common = a.iter().filter(|word| b.contains(word)).count();
    let all = b.len() + a.iter().filter(|word| !b.contains(word)).count();
    common as f32 / all as f32
}

/// The words of a turn that say what it is about; none for one too short to be a question.
pub(super) fn substance(text: &str) -> Vec<String> {
    let heard = words(text);
    // A number is given again because it was asked for again.
    if digits(&heard).len() > 2 {
        return Vec::new();
    }
    let mut left: Vec<String> = heard.into_iter().filter(|word| !FUNCTION_WORDS.contains(&word.as_str())).collect();
    left.sort_unstable();
    left.dedup();
    let unspaced = left.iter().filter(|word| !word.is_ascii()).count() * 2 > left.len();
    let least = if unspaced { 4 } else { 2 };
    if left.len() < least { Vec::new() } else { left }
}

/// Looks at the words of a turn; `before` holds the substance of earlier ones.
pub(super) fn look<'a>(text: &str, before: impl Iterator<Item = &'a Vec<String>>) -> Spoken {
    let heard = words(text);
    let squeezed = squeezed(text);
    let own = substance(text);
    let bare = tokens(text).len() <= 3;
    Spoken {
        explicit: asks_for_haste(text),
        weary: holds_any(&heard, &squeezed, &WEARY_EN, &WEARY_ZH) || said_thrice(&heard),
        // As a greeting with more behind it, it says nothing.
        hello: bare && holds_any(&heard, &squeezed, &HELLO_EN, &HELLO_ZH),
        repeated: before.map(|earlier| alike(&own, earlier)).fold(0.0, f32::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_haste_are_known_and_what_takes_them_back() {
        for text in [
            "hurry up please",
            "Can you get to the point?",
            "I don't have time for this",
            "I haven't got all day",
            "ok make it quick",
            "快点说",
            "你说重点吧",
            "我没空",
            "现在没时间",
            "行了行了 知道了",
            "别啰嗦",
            "你到底要说什么",
            "you are wasting my time",
            "i haven't got the time",
            "can you skip to the price",
            "请抓紧",
            "你别兜圈子",
            "我有急事",
            "没完没了",
        ] {
            assert!(asks_for_haste(text), "{text}");
        }
        for text in [
            "no hurry",
            "there is no need to hurry",
            "please don't hurry",
            "i am not in a hurry",
            "take your time",
            "yes please",
            "what time does it start",
            "不用快点",
            "不用赶紧",
            "慢慢说 不急",
            "好的",
            "这个快递什么时候到",
            "没有急事",
            "不浪费时间",
            "i do not mind if it takes a while",
            "you are not wasting my time",
        ] {
            assert!(!asks_for_haste(text), "{text}");
        }
    }

    #[test]
    fn a_question_that_is_asked_again_is_known_in_other_words() {
        let before = [substance("how much does the premium plan cost")];
        let again = look("i asked you how much the premium plan costs", before.iter()).repeated;
        assert!(again > 0.45, "{again}");
        let other = look("can i keep my number", before.iter()).repeated;
        assert!(other < 0.2, "{other}");
        assert_eq!(look("yes", [substance("yes")].iter()).repeated, 0.0, "an answer is no question");
        let before = [substance("高级套餐多少钱")];
        assert!(look("我问的是高级套餐多少钱", before.iter()).repeated > 0.5);
        assert!(look("可以随时取消吗", before.iter()).repeated < 0.2);
    }

    #[test]
    fn hello_counts_alone_only() {
        assert!(look("喂？", [].iter()).hello && look("hello?", [].iter()).hello);
        assert!(!look("hello this is anna smith from work", [].iter()).hello);
        assert!(look("okay okay i know", [].iter()).weary && !look("okay", [].iter()).weary);
    }
}
