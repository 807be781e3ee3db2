//! Sentences of the language model that may not be spoken: figures that no fact has, promises that nobody approved, marks of a
//! written text, and what it was told about its task.

use super::figures::{Figure, figures};
use std::collections::BTreeSet;

/// Longest sentence, in characters.
const MAX_CHARS: usize = 400;
/// So many words, or twice as many characters, of its instructions in a row are a leak.
const LEAK_WORDS: usize = 8;

/// Claims that bind: each group may be said only where the sources say one of it too.
const CLAIMS: [&[&str]; 6] = [
    &[
        "free",
        "no fee",
        "no charge",
        "no cost",
        "costs nothing",
        "nothing to pay",
        "waive",
        "complimentary",
        "no interest",
        "免费",
        "免年费",
        "免息",
        "不收费",
        "不收取",
        "不要钱",
        "不花钱",
        "免掉",
        "全免",
        "赠送",
        "送您",
        "白送",
    ],
    &[
        "discount",
        "% off",
        "percent off",
        "per cent off",
        "special price",
        "half price",
        "打折",
        "折扣",
        "优惠",
        "特价",
        "半价",
        "减免",
        "返现",
    ],
    &[
        "only today",
        "today only",
        "last chance",
        "expires tonight",
        "ends today",
        "仅限今天",
        "只限今天",
        "最后一天",
        "最后的机会",
        "最后一次机会",
        "马上截止",
        "今天截止",
    ],
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
    &[
        "guarantee",
        "guaranteed",
        "i promise",
        "we promise",
        "risk free",
        "riskfree",
        "no risk",
        "without risk",
        "cannot lose",
        "can't lose",
        "certain to be approved",
        "definitely be approved",
        "definitely approved",
        "sure to be approved",
        "will be approved",
        "保证",
        "承诺",
        "包过",
        "包批",
        "一定能批",
        "肯定能批",
        "一定会批",
        "百分之百",
        "百分百",
        "保本",
        "稳赚",
        "只赚不赔",
        "零风险",
        "没有风险",
        "没风险",
        "无风险",
        "绝对安全",
    ],
];

/// Words that turn a claim around, just before it.
const DENIALS: [&str; 16] = [
    "not",
    "cannot",
    "can't",
    "never",
    "won't",
    "couldn't",
    "don't",
    "isn't",
    "no ",
    "不能",
    "不可以",
    "不",
    "没法",
    "无法",
    "没有",
    "并非",
];

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
    /// For an answer from these sources: facts, approved offers, the task, the ready line. `rules` are the instructions that
    /// must not be repeated.
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
            group.iter().any(|claim| claims(&small, claim))
                && !group.iter().any(|claim| contains(&self.known, claim).is_some())
        };
        CLAIMS.iter().any(claimed).then_some("claim")
    }
}

/// Small letters, with one kind of apostrophe, hyphens as spaces.
fn small(text: &str) -> String {
    text.to_lowercase().replace(['’', 'ʼ'], "'").replace('-', " ")
}

/// Where a claim stands: English ones as words of their own.
fn contains(text: &str, claim: &str) -> Option<usize> {
    if !claim.is_ascii() {
        return text.find(claim);
    }
    text.match_indices(claim).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_ascii_alphabetic())
    })
}

/// The text makes this claim, and does not deny it.
fn claims(text: &str, claim: &str) -> bool {
    let Some(at) = contains(text, claim) else { return false };
    let before: String =
        text.get(..at).unwrap_or_default().chars().rev().take(14).collect::<Vec<_>>().into_iter().rev().collect();
    // A denial counts within its clause only.
    let clause = before.rsplit([',', '.', '，', '。', ';', '；', ':', '：']).next().unwrap_or_default();
    !DENIALS.iter().any(|denial| clause.contains(denial))
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
        assert_eq!(filter.refuses(&"word ".repeat(200)), Some("length"));
        assert_eq!(Filter::new(["The fee is 30 pounds."], "").refuses("It is free."), Some("claim"));
    }
}
