//! Sentences of the language model that may not be spoken: figures that no fact has, promises that nobody approved, marks of a
//! written text, and what it was told about its task.

use super::figures::{Figure, figures};
use std::collections::BTreeSet;

/// Longest sentence, in characters.
const MAX_CHARS: usize = 400;
/// So many words, or twice as many characters, of its instructions in a row are a leak.
const LEAK_WORDS: usize = 8;

/// Claims that bind: words that claim the same. Each may be said only where the sources say one of the same line too, so that a year
/// without a fee is no card without interest.
const CLAIMS: &[&[&str]] = &[
    &[
        "free",
        "no fee",
        "no charge",
        "no cost",
        "no annual fee",
        "without a fee",
        "without any fee",
        "costs nothing",
        "nothing to pay",
        "waive",
        "免费",
        "免年费",
        "不收费",
        "没有年费",
        "零年费",
        "不用年费",
        "不收年费",
        "不收取",
        "不要钱",
        "不花钱",
        "免掉",
        "全免",
    ],
    &[
        "no interest",
        "without interest",
        "interest free",
        "zero interest",
        "免息",
        "没有利息",
        "没利息",
        "不收利息",
        "零利息",
        "不算利息",
    ],
    &["complimentary", "a gift", "赠送", "送您", "白送"],
    &["discount", "% off", "percent off", "per cent off", "打折", "折扣", "减免"],
    &["special price", "特价"],
    &["half price", "半价"],
    &["优惠"],
    &["cash back", "cashback", "返现"],
    &["only today", "today only", "仅限今天", "只限今天"],
    &["last chance", "expires tonight", "ends today", "最后一天", "最后的机会", "最后一次机会", "马上截止", "今天截止"],
    &["refund", "money back", "退款", "全额退", "退钱", "退还"],
    &[
        "government approved",
        "approved by the government",
        "endorsed by",
        "backed by the government",
        "国家批准",
        "政府批准",
        "政府背书",
        "国家担保",
        "银行担保",
    ],
    &["guarantee", "guaranteed", "i promise", "we promise", "保证", "承诺", "百分之百", "百分百"],
    &["risk free", "riskfree", "no risk", "without risk", "零风险", "没有风险", "没风险", "无风险", "绝对安全"],
    &["cannot lose", "can't lose", "保本", "稳赚", "只赚不赔"],
    &["surely", "certain to", "is certain", "definitely be", "definitely get", "sure to get", "sure to be"],
    &[
        "be approved",
        "definitely approved",
        "包过",
        "包批",
        "一定能批",
        "肯定能批",
        "一定会批",
        "肯定会批",
        "一定通过",
        "肯定通过",
        "一定能通过",
        "肯定能通过",
        "一定会通过",
        "肯定会通过",
    ],
];

/// Of which something is given for nothing: what it is must be given for nothing in the sources, too.
const GIVES: [&str; 5] = ["free", "complimentary", "免费", "赠送", "白送"];
/// What may follow "free" without being what is given.
const NO_GIFT: [&str; 30] = [
    "of", "for", "in", "if", "to", "and", "or", "but", "the", "a", "as", "at", "on", "when", "with", "within", "until",
    "from", "then", "after", "unless", "while", "again", "too", "because", "so", "that", "this", "now", "there",
];
/// Words that widen a claim to everything and for ever.
const WIDENS: [&str; 8] = ["at all", "whatsoever", "forever", "for ever", "for life", "永久", "终身", "永远"];

/// What turns a claim around when it stands right before it, with nothing but [`BETWEEN`] between them. Bare "not" and 不 deny only
/// what follows at once: "do not worry, we …", 不用担心 deny no promise.
const DENIALS: [&str; 46] = [
    "not",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "do not",
    "don't",
    "does not",
    "doesn't",
    "did not",
    "didn't",
    "will not",
    "won't",
    "would not",
    "wouldn't",
    "is not",
    "isn't",
    "are not",
    "aren't",
    "never",
    "no",
    "without",
    "unable to",
    "not able to",
    "nothing is",
    "nobody can",
    "不",
    "不能",
    "不会",
    "不可以",
    "不可能",
    "不是",
    "不敢",
    "不给",
    "不做",
    "不提供",
    "不好",
    "没法",
    "无法",
    "没有",
    "没办法",
    "没",
    "并非",
    "并不",
    "并不是",
    "不再",
];
/// Denials that must touch the claim.
const TOUCHING: [&str; 3] = ["not", "不", "没"];
/// What may stand between a denial and what it denies: nothing that could begin another clause.
const BETWEEN: [&str; 43] = [
    "guarantee",
    "promise",
    "that",
    "you",
    "it",
    "will",
    "保证",
    "您",
    "a",
    "an",
    "any",
    "the",
    "be",
    "to",
    "have",
    "offer",
    "give",
    "make",
    "really",
    "entirely",
    "completely",
    "always",
    "currently",
    "such",
    "也",
    "给您",
    "向您",
    "跟您",
    "对您",
    "给",
    "做",
    "作",
    "任何",
    "提供",
    "再",
    "说",
    "是",
    "这样的",
    "这个",
    "百分之百",
    "完全",
    "现在",
    "有",
];
/// Before a denial these make a question or an invitation of it: 要不给您打折, 何不, 岂不是.
const UNDOES: [&str; 10] = ["要", "何", "岂", "得", "无", "莫", "why", "why do", "will you", "do you"];

/// What a model says when it repeats its instructions.
const INSTRUCTIONS: [&str; 12] = [
    "system prompt",
    "my instructions",
    "my prompt",
    "language model",
    "as an ai model",
    "tool call",
    "function call",
    "系统提示",
    "提示词",
    "我的指令",
    "语言模型",
    "我的设定",
];

/// What may be said in answer to one question.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Filter {
    figures: BTreeSet<Figure>,
    /// All sources, in small letters.
    known: String,
    /// Runs of words of the instructions.
    secret: BTreeSet<String>,
}

impl Filter {
    /// For an answer from these sources: the facts that it is to be given from, approved offers, the task, the ready line. `rules` are
    /// the instructions that must not be repeated.
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a str>, rules: &str) -> Self {
        let known = sources.into_iter().map(small).collect::<Vec<_>>().join("\n");
        Self { figures: figures(&known).into_iter().collect(), secret: runs(rules).collect(), known }
    }

    /// Why this sentence may not be spoken; none: it may.
    pub fn refuses(&self, sentence: &str) -> Option<&'static str> {
        if sentence.chars().count() > MAX_CHARS {
            return Some("length");
        }
        let small = small(sentence);
        if small.contains(['<', '>', '{', '}', '[', ']', '⟦', '⟧', '\\'])
            || ["http", "www.", "://"].iter().any(|mark| small.contains(mark))
        {
            return Some("markup");
        }
        if INSTRUCTIONS.iter().any(|words| small.contains(words))
            || runs(sentence).any(|run| self.secret.contains(&run))
        {
            return Some("instructions");
        }
        let unknown =
            |figure: &Figure| !figure.says_nothing() && !self.figures.iter().any(|known| figure.is_covered_by(*known));
        if figures(&small).iter().any(unknown) {
            return Some("figure");
        }
        let claimed = |group: &&[&str]| {
            let known = || group.iter().any(|claim| claims(&self.known, claim));
            group.iter().any(|claim| claims(&small, claim)) && (!known() || self.widens(&small, group))
        };
        let gift = || gifts(&small).any(|gift| !self.gives(&gift));
        (CLAIMS.iter().any(claimed) || gift()).then_some("claim")
    }

    /// The sentence claims for everything what no sentence of the sources claims so widely.
    fn widens(&self, sentence: &str, group: &[&str]) -> bool {
        let wide = |text: &str, word: &str| text.contains(word) && group.iter().any(|claim| text.contains(claim));
        WIDENS.iter().any(|word| wide(sentence, word) && !clauses(&self.known).any(|known| wide(known, word)))
    }

    /// A sentence of the sources names this together with what is given for nothing.
    fn gives(&self, gift: &str) -> bool {
        let free = CLAIMS.first().into_iter().chain(CLAIMS.get(2)).flat_map(|group| group.iter());
        let free: Vec<&str> = free.copied().collect();
        clauses(&self.known).any(|known| known.contains(gift) && free.iter().any(|claim| known.contains(claim)))
    }
}

/// The sentences of a text.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    text.split(['.', '!', '?', '。', '！', '？', '；', ';', '\n'])
}

/// What is said to be given for nothing: the word after "free", without the ending of a plural, or the two characters after 免费.
fn gifts(text: &str) -> impl Iterator<Item = String> + '_ {
    GIVES.iter().flat_map(move |word| {
        places(text, word).filter_map(move |at| {
            let after = text.get(at + word.len()..)?;
            if word.is_ascii() {
                let next: String = after.strip_prefix(' ')?.chars().take_while(char::is_ascii_alphabetic).collect();
                let plain = next.trim_end_matches('s').to_owned();
                return (plain.len() > 2 && !NO_GIFT.contains(&next.as_str())).then_some(plain);
            }
            let next: String = after.chars().take_while(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).take(2).collect();
            let particle =
                next.starts_with(['的', '了', '吗', '呢', '吧', '给', '送', '用', '就', '也', '不', '是', '，']);
            (next.chars().count() == 2 && !particle).then_some(next)
        })
    })
}

/// Small letters, with one kind of apostrophe, hyphens as spaces.
fn small(text: &str) -> String {
    text.to_lowercase().replace(['’', 'ʼ'], "'").replace('-', " ")
}

/// Where a claim stands, each time: English ones as words of their own.
fn places<'a>(text: &'a str, claim: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(claim).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        !claim.is_ascii() || before.is_none_or(|c| !c.is_ascii_alphabetic())
    })
}

/// The text makes this claim somewhere without denying it there.
fn claims(text: &str, claim: &str) -> bool {
    places(text, claim).any(|at| !is_denied(text.get(..at).unwrap_or_default()))
}

/// What follows these words is denied by them: within the clause a denial stands right before it.
fn is_denied(before: &str) -> bool {
    let clause = before.rsplit([',', '.', '!', '?', '，', '。', '；', ';', '：', ':', '！', '？', '、', '\n']).next();
    let mut rest = clause.unwrap_or_default().trim_end();
    let mut touching = true;
    loop {
        let denial = DENIALS.iter().filter(|denial| touching || !TOUCHING.contains(denial));
        let governs = |denial: &&str| {
            ends_with(rest, denial).is_some_and(|before| UNDOES.iter().all(|word| ends_with(before, word).is_none()))
        };
        if denial.clone().any(governs) {
            return true;
        }
        let Some(shorter) = BETWEEN.iter().find_map(|word| ends_with(rest, word)) else { return false };
        (rest, touching) = (shorter, false);
    }
}

/// What stands before this word at the end of the text; English words are whole ones.
fn ends_with<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let before = text.strip_suffix(word)?;
    let whole = !word.is_ascii() || before.chars().next_back().is_none_or(|c| !c.is_ascii_alphabetic());
    whole.then(|| before.trim_end())
}

/// Runs of neighbouring words, Chinese characters by twos for one word.
fn runs(text: &str) -> impl Iterator<Item = String> {
    let mut units: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.to_lowercase().chars() {
        let han = ('\u{4e00}'..='\u{9fff}').contains(&c);
        if c.is_alphanumeric() && !han {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            units.push(std::mem::take(&mut word));
        }
        if han {
            units.push(c.to_string());
        }
    }
    if !word.is_empty() {
        units.push(word);
    }
    let length = if units.iter().filter(|unit| unit.chars().count() == 1).count() * 2 > units.len() {
        LEAK_WORDS * 2
    } else {
        LEAK_WORDS
    };
    (0..(units.len() + 1).saturating_sub(length))
        .filter_map(move |at| units.get(at..at + length).map(|run| run.join(" ")))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        Filter::new(
            ["The fee is 30 pounds, the first year is free.", "年费二百元，首年免年费，分期费率3.6%。"],
            "Answer in one or two short spoken sentences, in plain words, without lists.",
        )
    }

    #[test]
    fn what_the_facts_say_may_be_said() {
        let filter = filter();
        for sentence in [
            "The first year is free, then it's thirty pounds.",
            "It is £30.",
            "One moment, I have two things to say.",
            "年费是两百元，头一年免年费。",
            "分期的费率是百分之三点六。",
            "I cannot promise that.",
            "我不能保证一定通过。",
            "We do not give any guarantee.",
            "There is no guarantee, I am afraid.",
            "It isn't a special price.",
            "这个不是优惠，也没法保证。",
            "我们不提供任何折扣。",
            "No, I do not know that, but a colleague will call you.",
        ] {
            assert_eq!(filter.refuses(sentence), None, "{sentence}");
        }
    }

    #[test]
    fn what_nobody_approved_may_not() {
        let filter = filter();
        for (sentence, why) in [
            ("The fee is 20 pounds.", "figure"),
            ("It is thirty per cent.", "figure"),
            ("The rate is one point five percent.", "figure"),
            ("年费只要一百元。", "figure"),
            ("给您打八折。", "figure"),
            ("利率百分之二。", "figure"),
            ("We guarantee that you are approved.", "claim"),
            ("Do not worry we guarantee that you get it approved.", "claim"),
            ("You need not wait, it's guaranteed.", "claim"),
            ("I cannot guarantee it, but it is guaranteed.", "claim"),
            ("您不用担心保证能批下来。", "claim"),
            ("There is no interest on this card at all.", "claim"),
            ("The first three years are free.", "figure"),
            ("You will get free flights every year.", "claim"),
            ("Your limit will surely be approved, that is certain.", "claim"),
            ("头三年免年费。", "figure"),
            ("我们每年给您免费机票。", "claim"),
            ("这张卡没有利息。", "claim"),
            ("您的额度肯定会批。", "claim"),
            ("要不给您打个折扣。", "claim"),
            ("这个不难，保证您满意。", "claim"),
            ("岂不是零风险。", "claim"),
            ("You will get a discount.", "claim"),
            ("It is only today.", "claim"),
            ("这个保证能批下来。", "claim"),
            ("没有任何问题，零风险。", "claim"),
            ("See https://example.com for more.", "markup"),
            ("<transfer>100</transfer>", "markup"),
            ("My system prompt says that I sell cards.", "instructions"),
            ("I was told: answer in one or two short spoken sentences, in plain words.", "instructions"),
        ] {
            assert_eq!(filter.refuses(sentence), Some(why), "{sentence}");
        }
        let once = Filter::new(["In full it is paid without interest, up to 50 days. Delivery is free."], "");
        assert_eq!(once.refuses("If you pay in full, it is without interest."), None);
        assert_eq!(once.refuses("There is no interest on this card at all."), Some("claim"));
        assert_eq!(once.refuses("You get free delivery."), None);
        assert_eq!(filter.refuses(&"word ".repeat(200)), Some("length"));
        assert_eq!(Filter::new(["The fee is 30 pounds."], "").refuses("It is free."), Some("claim"));
        let denied = Filter::new(["We cannot guarantee approval.", "我们不能保证通过。"], "");
        for sentence in ["We guarantee approval.", "保证通过。"] {
            assert_eq!(denied.refuses(sentence), Some("claim"), "what the facts deny is not known: {sentence}");
        }
        let minutes = Filter::new(["It takes 10 minutes.", "10"], "");
        assert_eq!(minutes.refuses("It takes ten minutes."), None);
        assert_eq!(minutes.refuses("The annual fee is only ten dollars."), Some("figure"));
    }
}
