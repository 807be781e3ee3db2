//! Whether somebody asks something.

use super::words::words;

/// Words with which an English question begins, behind what people say first.
const BEGINNINGS: [&str; 38] = [
    "what", "how", "when", "where", "who", "whose", "which", "why", "is", "are", "am", "was", "do", "does", "did",
    "can", "could", "will", "would", "may", "should", "shall", "have", "has", "must", "what's", "how's", "isn't",
    "don't", "doesn't", "won't", "can't", "any", "whats", "anything", "suppose", "tell", "explain",
];
/// What they say first.
const BEFORE: [&str; 24] = [
    "and", "but", "so", "well", "okay", "ok", "yes", "yeah", "no", "right", "um", "uh", "hm", "oh", "sorry", "hello",
    "hi", "then", "just", "now", "first", "also", "alright", "listen",
];
/// Questions within an English sentence.
const WITHIN: [&str; 12] = [
    "how much",
    "how long",
    "how many",
    "how do",
    "how does",
    "what is",
    "what are",
    "what about",
    "what happens",
    "want to know",
    "wonder",
    "question about",
];
/// Chinese words that ask.
const ASKING: [&str; 33] = [
    "什么",
    "怎么",
    "怎样",
    "如何",
    "多少",
    "多久",
    "多大",
    "多长",
    "多高",
    "哪",
    "谁",
    "为什么",
    "为啥",
    "啥",
    "是不是",
    "有没有",
    "能不能",
    "可不可以",
    "可以不可以",
    "会不会",
    "要不要",
    "用不用",
    "行不行",
    "好不好",
    "算不算",
    "需不需要",
    "够不够",
    "收不收",
    "能否",
    "是否",
    "请问",
    "想问",
    "问一下",
];
/// Before 几 these make it "some" (好几年), behind it these do (几十个).
const SOME_BEFORE: [char; 7] = ['好', '十', '百', '千', '万', '这', '就'];
const SOME_AFTER: [char; 5] = ['十', '百', '千', '万', '乎'];
/// So many characters behind a word that asks, 都 or 也 makes it "any" (什么时候都行).
const ANY_WITHIN: usize = 3;
/// Endings of Chinese questions.
const ENDINGS: [char; 4] = ['吗', '呢', '么', '嘛'];

/// The words sound like a question, marks or not: recognisers write none.
pub(crate) fn is_question(text: &str) -> bool {
    let text = text.trim();
    if text.ends_with(['?', '？']) {
        return true;
    }
    let chinese = text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
    if chinese * 2 > text.chars().count() {
        let end = text.trim_end_matches(|c: char| !c.is_alphanumeric() || matches!(c, '啊' | '呀' | '的'));
        let ends = end.ends_with(ENDINGS) && !end.ends_with("好吗") && end.chars().count() > 2;
        return ends || asks(text) || doubled(text);
    }
    let heard = words(text);
    let begins = heard.iter().find(|word| !BEFORE.contains(&word.as_str()));
    let plain = format!(" {} ", heard.join(" "));
    heard.len() >= 3 && begins.is_some_and(|word| BEGINNINGS.contains(&word.as_str()))
        || WITHIN.iter().any(|words| plain.contains(&format!(" {words}")))
}

/// A Chinese word asks, and means neither "any" nor "some".
pub(crate) fn asks(text: &str) -> bool {
    let asking = ASKING.iter().flat_map(|word| text.match_indices(word)).any(|(at, word)| {
        let behind = text.get(at + word.len()..).unwrap_or_default();
        !behind.chars().take(ANY_WITHIN).any(|c| matches!(c, '都' | '也'))
    });
    let counting = text.match_indices('几').any(|(at, word)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(|c| SOME_BEFORE.contains(&c)) && !behind.is_some_and(|c| SOME_AFTER.contains(&c))
    });
    asking || counting
}

/// 收不收, 麻不麻烦: a word, 不 or 没, and the word again.
fn doubled(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.windows(3).any(|three| matches!(three, [a, '不' | '没', b] if a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_need_no_mark() {
        for text in [
            "what does it cost",
            "um and how long does it take",
            "can i cancel it later",
            "so i wonder whether it works abroad",
            "really?",
            "年费多少",
            "这个卡收不收年费",
            "能绑微信吗",
            "那要是丢了呢",
            "麻不麻烦",
            "多少钱",
            "什么时候能寄到",
            "几个人能用",
        ] {
            assert!(is_question(text), "{text}");
        }
        for text in [
            "yes",
            "that is too expensive",
            "i have a card already",
            "no thanks",
            "好的",
            "太贵了",
            "我考虑一下",
            "可以",
            "do it",
            "嗯",
            "好几年了",
            "一个月几百块",
            "什么时候都行",
            "十几个人",
        ] {
            assert!(!is_question(text), "{text}");
        }
    }
}
