//! Text to words: lower case, no punctuation, contractions in full, fillers dropped. Phrases and speech alike, so that
//! "I can't come" and "i cannot come" are the same words.

/// Most words of an utterance that are looked at.
pub(crate) const MAX_WORDS: usize = 80;

/// Sounds that mean nothing.
const FILLERS: [&str; 8] = ["um", "uh", "er", "erm", "ah", "eh", "hm", "hmm"];

/// Sounds with which people show that they listen; each token of it.
const HUMS: [&str; 14] = ["uh", "huh", "mm", "mhm", "hm", "hmm", "mmm", "oh", "ah", "aha", "嗯", "哦", "啊", "噢"];
/// Words with which they do, and which answer a yes-or-no question; longer ones before those that they hold.
const ASSENTS: [&str; 15] =
    ["yeah", "yea", "yes", "yep", "yup", "okay", "ok", "right", "sure", "好的", "是的", "对的", "明白", "对", "是"];

/// Words with which people take the floor. A hum is misheard as anything, but hardly as one of these.
const FLOOR: [&str; 26] = [
    "no",
    "not",
    "wait",
    "stop",
    "hold",
    "hang",
    "sorry",
    "pardon",
    "excuse",
    "hello",
    "listen",
    "actually",
    "what",
    "who",
    "how",
    "why",
    "不",
    "等",
    "停",
    "喂",
    "什么",
    "请问",
    "抱歉",
    "不好意思",
    "对不起",
    "怎么",
];

/// Mandarin endings after which a speaker is not done.
const OPEN_ENDINGS_ZH: [&str; 61] = [
    "嗯",
    "呃",
    "那个",
    "就是",
    "这个",
    "怎么说呢",
    "然后",
    "因为",
    "但是",
    "所以",
    "不过",
    "而且",
    "还有",
    "如果",
    "或者",
    "比如",
    "我想",
    "我是",
    "我叫",
    "我姓",
    "我要",
    "我在",
    "主要是",
    "可能",
    "应该",
    "就",
    "还",
    "也",
    "要",
    "的时候",
    "只有",
    "有时候",
    "另外",
    "那",
    "和",
    "跟",
    "给",
    "把",
    "在",
    "是",
    "不对",
    "免贵",
    "比",
    "从",
    "我",
    "你",
    "他",
    "她",
    "我们",
    "你们",
    "很",
    "太",
    "最",
    "又",
    "再",
    "只",
    "能",
    "会",
    "想",
    "为什么",
    "或",
];

/// Words after which a speaker is not done: what joins, what stands before a noun, what stands before a verb.
const OPEN_ENDS: [&str; 62] = [
    "and", "but", "or", "because", "so", "the", "a", "an", "to", "of", "for", "with", "at", "on", "in", "my", "is",
    "if", "when", "that", "like", "from", "about", "am", "are", "was", "can", "could", "would", "will", "um", "uh",
    "er", "erm", "hmm", "well", "i", "we", "they", "he", "she", "your", "our", "his", "her", "their", "very", "has",
    "had", "does", "did", "should", "must", "may", "might", "than", "as", "into", "per", "while", "whether", "unless",
];

/// Questions that have only just begun: "is there", "does it", "can i".
const INVERTED: ([&str; 13], [&str; 7]) = (
    ["is", "are", "do", "does", "did", "can", "could", "will", "would", "should", "have", "has", "was"],
    ["it", "there", "i", "you", "we", "they", "that"],
);

const IRREGULAR: [(&str, &str); 9] = [
    ("won't", "will not"),
    ("can't", "can not"),
    ("cannot", "can not"),
    ("shan't", "shall not"),
    ("let's", "let us"),
    ("gonna", "going to"),
    ("wanna", "want to"),
    ("gotta", "got to"),
    ("ok", "okay"),
];

const SUFFIXES: [(&str, &str); 6] =
    [("n't", "not"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would"), ("'m", "am")];

/// Words before `'s` where it stands for "is".
const IS: [&str; 11] = ["it", "that", "what", "who", "where", "when", "how", "he", "she", "there", "here"];

/// The pairs that are spoken as one word, for the recogniser's list of phrases.
const CONTRACTED: [(&str, &str, &str); 22] = [
    ("i", "am", "i'm"),
    ("i", "will", "i'll"),
    ("i", "would", "i'd"),
    ("i", "have", "i've"),
    ("we", "are", "we're"),
    ("we", "will", "we'll"),
    ("do", "not", "don't"),
    ("does", "not", "doesn't"),
    ("did", "not", "didn't"),
    ("can", "not", "can't"),
    ("will", "not", "won't"),
    ("is", "not", "isn't"),
    ("it", "is", "it's"),
    ("that", "is", "that's"),
    ("what", "is", "what's"),
    ("who", "is", "who's"),
    ("where", "is", "where's"),
    ("when", "is", "when's"),
    ("how", "is", "how's"),
    ("there", "is", "there's"),
    ("you", "are", "you're"),
    ("could", "not", "couldn't"),
];

/// What is left of a text without these words.
fn without(text: &str, listed: &[&str]) -> Vec<String> {
    let mut left = tokens(text);
    for phrase in listed {
        let phrase = tokens(phrase);
        while let Some(at) = left.windows(phrase.len()).position(|part| part == phrase) {
            left.drain(at..at + phrase.len());
        }
    }
    left
}

/// Nothing but sounds and words with which a listener says "go on".
pub(crate) fn is_backchannel(text: &str) -> bool {
    !text.trim().is_empty() && without(&without(text, &ASSENTS).join(" "), &HUMS).is_empty()
}

/// A backchannel that would answer a yes-or-no question.
pub(crate) fn is_assent(text: &str) -> bool {
    is_backchannel(text) && !without(text, &HUMS).is_empty()
}

/// One short word, or two characters: so little may be misheard.
pub(crate) fn is_short(text: &str) -> bool {
    let text = text.trim();
    text.chars().count() <= if text.is_ascii() { 6 } else { 2 }
}

/// Three words at most, of which half or more are such as a listener hums: the others may be misheard.
pub(crate) fn is_mostly_backchannel(text: &str) -> bool {
    let (all, others) = (tokens(text).len(), words_beside_hums(text));
    all <= 3 && others < all && others * 2 <= all
}

/// How many words there are beside those that a listener hums.
pub(crate) fn words_beside_hums(text: &str) -> usize {
    without(&without(text, &ASSENTS).join(" "), &HUMS).len()
}

/// Below this confidence one or two words over the agent's voice are taken for a hum that was misheard: what people mean is heard
/// with 0.9 and more.
const SURE: f32 = 0.65;

/// One or two words of which the recogniser is not sure, and with which nobody takes the floor.
pub(crate) fn may_be_misheard(text: &str, confidence: f32) -> bool {
    confidence < SURE && words_beside_hums(text) <= 2 && !takes_floor(text)
}

/// Begins as people do who take the floor, whatever hums stand before it.
pub(crate) fn takes_floor(text: &str) -> bool {
    let rest = without(&without(text, &ASSENTS).join(" "), &HUMS);
    FLOOR.iter().any(|phrase| rest.starts_with(&tokens(phrase)))
}

/// The bare tokens: lower case, split at everything that is neither a letter, a digit nor an apostrophe within a word.
/// A Chinese, Japanese or Korean character is a token of its own.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let c = if c == '’' { '\'' } else { c };
        let ideograph = matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
        if c.is_alphanumeric() && !ideograph || c == '\'' {
            word.extend(c.to_lowercase());
            continue;
        }
        end_word(&mut tokens, &mut word);
        if ideograph {
            tokens.push(c.to_string());
        }
        if tokens.len() >= MAX_WORDS {
            break;
        }
    }
    end_word(&mut tokens, &mut word);
    tokens.truncate(MAX_WORDS);
    tokens
}

fn end_word(tokens: &mut Vec<String>, word: &mut String) {
    let trimmed = word.trim_matches('\'');
    if !trimmed.is_empty() {
        tokens.push(trimmed.to_owned());
    }
    word.clear();
}

/// One token's words: contractions in full.
pub(crate) fn expand(token: &str, out: &mut Vec<String>) {
    if let Some((_, full)) = IRREGULAR.iter().find(|(short, _)| *short == token) {
        out.extend(full.split(' ').map(str::to_owned));
        return;
    }
    for (suffix, word) in SUFFIXES {
        if let Some(stem) = token.strip_suffix(suffix)
            && !stem.is_empty()
        {
            out.push(stem.to_owned());
            out.push(word.to_owned());
            return;
        }
    }
    if let Some(stem) = token.strip_suffix("'s")
        && IS.contains(&stem)
    {
        out.push(stem.to_owned());
        out.push("is".to_owned());
        return;
    }
    out.push(token.to_owned());
}

/// The words of a text, ready to be compared.
pub(crate) fn words(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut out = Vec::with_capacity(tokens.len() + 4);
    for (index, token) in tokens.iter().enumerate() {
        // "uh huh" means yes.
        let hums = ["huh", "hmm", "hm"];
        let part_of_hum = tokens.get(index + 1).is_some_and(|next| hums.contains(&next.as_str()))
            || index > 0 && hums.contains(&token.as_str());
        if part_of_hum || !FILLERS.contains(&token.as_str()) {
            expand(token, &mut out);
        }
    }
    out.truncate(MAX_WORDS);
    out
}

/// Whether there is no word in it but fillers.
pub(crate) fn says_nothing(text: &str) -> bool {
    words(text).is_empty()
}

/// Whether the last word asks for more.
pub(crate) fn ends_open(text: &str) -> bool {
    let ending = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let tokens = tokens(text);
    let inverted = matches!(tokens.as_slice(), [.., verb, pronoun]
        if INVERTED.0.contains(&verb.as_str()) && INVERTED.1.contains(&pronoun.as_str()));
    inverted
        || tokens.last().is_some_and(|word| OPEN_ENDS.contains(&word.as_str()))
        || OPEN_ENDINGS_ZH.iter().any(|open| ending.ends_with(open))
}

/// The forms in which a phrase is spoken: as written, and with every contraction that it has room for.
pub(crate) fn spoken_forms(phrase: &[String]) -> Vec<String> {
    let mut contracted = Vec::with_capacity(phrase.len());
    let mut rest = phrase;
    while let Some((first, after)) = rest.split_first() {
        if first == "cannot" {
            contracted.push("can't");
            rest = after;
            continue;
        }
        let pair = after.first().and_then(|second| {
            CONTRACTED.iter().find(|(a, b, _)| a == first && b == second).map(|(_, _, short)| *short)
        });
        // At the end of a phrase nobody contracts: "yes i am".
        if let Some(short) = pair
            && (after.len() > 1 || short.ends_with("n't"))
        {
            contracted.push(short);
            rest = after.get(1..).unwrap_or_default();
        } else {
            contracted.push(first);
            rest = after;
        }
    }
    let written = phrase.join(" ");
    let contracted = contracted.join(" ");
    if contracted == written { vec![written] } else { vec![written, contracted] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        words(text).join(" ")
    }

    #[test]
    fn backchannels_are_told_from_answers() {
        for text in ["mm hm", "Uh huh.", "yeah", "okay okay", "oh right", "嗯", "嗯嗯", "好的", "对对", "是的"]
        {
            assert!(is_backchannel(text), "{text}");
        }
        for text in ["", "no", "yes but", "wait", "不对", "好", "what"] {
            assert!(!is_backchannel(text), "{text}");
        }
        assert!(is_assent("oh yes") && is_assent("对") && !is_assent("mm hm") && !is_assent("嗯"));
    }

    #[test]
    fn who_takes_the_floor_is_told_from_a_misheard_hum() {
        for text in ["wait", "no no", "oh no", "okay but what is it", "不对", "嗯 等一下", "what"] {
            assert_eq!(takes_floor(text), text != "okay but what is it", "{text}");
        }
        for text in ["", "mm hm", "the", "mm the", "对", "好的", "我", "nobody"] {
            assert!(!takes_floor(text), "{text}");
        }
    }

    #[test]
    fn who_asks_for_more_is_not_done() {
        for text in ["i would like to", "is there", "how much does it", "because", "我想", "因为", "我用的时候", "那个"]
        {
            assert!(ends_open(text), "{text}");
        }
        for text in ["yes", "the standard plan", "i live there", "好的", "没有了"] {
            assert!(!ends_open(text), "{text}");
        }
    }

    #[test]
    fn the_same_meaning_gives_the_same_words() {
        assert_eq!(joined("I can't come."), "i can not come");
        assert_eq!(joined("um, i cannot come"), "i can not come");
        assert_eq!(joined("That’s OK!"), "that is okay");
        assert_eq!(joined("what's the community centre's number"), "what is the community centre's number");
        assert_eq!(joined("uh huh"), "uh huh");
        assert_eq!(joined("mm hmm"), "mm hmm");
        assert_eq!(joined("  ?! "), "");
        assert_eq!(joined("你好 ok"), "你 好 okay");
    }

    #[test]
    fn nothing_grows_without_bound() {
        assert_eq!(words(&"i'll ".repeat(10_000)).len(), MAX_WORDS);
    }

    #[test]
    fn open_ends() {
        assert!(ends_open("i would like to"));
        assert!(ends_open("yes but"));
        assert!(!ends_open("yes please"));
        assert!(!ends_open(""));
    }

    #[test]
    fn the_recogniser_gets_contracted_forms_too() {
        let forms = |text: &str| spoken_forms(&tokens(text));
        assert_eq!(forms("i do not know"), ["i do not know", "i don't know"]);
        assert_eq!(forms("yes i am"), ["yes i am"]);
        assert_eq!(forms("no i cannot"), ["no i cannot", "no i can't"]);
        assert_eq!(forms("what is it"), ["what is it", "what's it"]);
    }
}
