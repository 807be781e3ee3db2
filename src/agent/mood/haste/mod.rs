//! Requests for haste: what asks for it in so many words, and what only sounds like it. Such words switch alone, so what is
//! taken for them wrongly is a wrong switch.
//!
//! Each clause is looked at by itself: "no, hurry up" is one, "no hurry" is none. A recogniser gives no commas; what could be meant
//! either way without one counts as the caller would have to be answered.

mod phrases;

use super::words::{holds, squeezed};
use crate::agent::dialogue::words;
pub(crate) use phrases::{EXPLICIT_EN, EXPLICIT_ZH};
use phrases::{RARER_EN, RARER_ZH};

/// Whether the words ask for haste: explicit, meant for the agent, and not taken back.
pub(crate) fn asks_for_haste(text: &str) -> bool {
    let mark = |c: char| ",.!?;:，。！？；：、…\n".contains(c);
    text.split(mark).any(|clause| asks_en(clause) || asks_zh(&squeezed(clause)))
}

/// What sounds like one and is the opposite. "No hurry" with "up" behind it is a no, and then a request.
const TAKEN_BACK_EN: [&str; 6] =
    ["no hurry", "no rush", "no need to hurry", "no need to rush", "any hurry", "without hurry"];
/// Words that may stand between a negation and what it takes back: "i am not asking you to hurry up".
const BETWEEN_EN: [&str; 34] = [
    "need",
    "have",
    "to",
    "you",
    "me",
    "us",
    "want",
    "wanting",
    "asking",
    "telling",
    "saying",
    "in",
    "a",
    "such",
    "that",
    "really",
    "exactly",
    "too",
    "very",
    "so",
    "just",
    "trying",
    "going",
    "be",
    "being",
    "please",
    "feel",
    "like",
    "must",
    "should",
    "even",
    "particularly",
    "actually",
    "it",
];
/// Verbs that say it of somebody: "that would be quick", "i will keep it short".
const SAID_OF_EN: [&str; 21] = [
    "will", "would", "can", "could", "should", "shall", "may", "might", "must", "do", "does", "did", "is", "was", "am",
    "going", "has", "needs", "used", "had", "are",
];
/// Words that may stand among them.
const AMONG_EN: [&str; 9] = ["to", "just", "really", "always", "usually", "also", "try", "be", "have"];
/// Requests of the second person; the others say something of the caller.
const STATEMENTS_EN: [&str; 8] = ["i ", "we ", "this ", "what ", "short on", "pressed for", "you ", "how "];
/// What makes a lack of time one of another day.
const ANOTHER_DAY_EN: [&str; 24] = [
    "if",
    "when",
    "whenever",
    "sometimes",
    "usually",
    "often",
    "normally",
    "tomorrow",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "next",
    "week",
    "weekend",
    "weekends",
    "until",
    "during",
    "weekdays",
    "mornings",
    "evenings",
];
/// What a phrase is part of another thing before.
const GOES_ON_EN: [(&str, &[&str]); 8] = [
    ("what is the point", &["of sale", "of contact", "of purchase", "of interest", "of entry", "of departure"]),
    ("wrap it up", &["as", "for", "in", "with"]),
    ("i have no time", &["limit", "limits", "zone", "restriction", "restrictions", "preference"]),
    ("i do not have time", &["limit", "limits", "restrictions"]),
    ("to the point", &["where", "that"]),
    ("get to the point", &["where", "that"]),
    ("come to the point", &["where", "that"]),
    ("be quick", &["to", "at"]),
];

fn asks_en(clause: &str) -> bool {
    let mut heard = words(clause);
    for phrase in TAKEN_BACK_EN {
        let length = phrase.split(' ').count();
        while let Some(at) = holds(&heard, phrase)
            && heard.get(at + length).is_none_or(|next| next != "up")
        {
            heard.drain(at..at + length);
        }
    }
    EXPLICIT_EN.iter().chain(&RARER_EN).any(|phrase| {
        let wanted = words(phrase);
        let asks = |at: usize| {
            let (before, after) =
                (heard.get(..at).unwrap_or_default(), heard.get(at + wanted.len()..).unwrap_or_default());
            !taken_back_en(before) && !of_another_en(phrase, before) && !goes_on_en(phrase, &heard, before, after)
        };
        heard.windows(wanted.len().max(1)).enumerate().any(|(at, part)| part == wanted.as_slice() && asks(at))
    })
}

fn is(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

/// A negation stands before it.
fn taken_back_en(before: &[String]) -> bool {
    let mut next = "";
    for word in before.iter().rev().map(String::as_str).take(8) {
        match word {
            "not" | "never" => return true,
            // "No need to", but not "no, hurry up".
            "no" => return is(next, &["need", "reason"]),
            _ if !is(word, &BETWEEN_EN) && word != "reason" => return false,
            _ => next = word,
        }
    }
    false
}

/// It is said of somebody or something, and asked of nobody.
fn of_another_en(phrase: &str, before: &[String]) -> bool {
    let mut rest = before.iter().rev().map(String::as_str).peekable();
    if phrase.starts_with("short on") || phrase.starts_with("pressed for") {
        let near: Vec<&str> = rest.take(2).collect();
        return near.iter().any(|word| is(word, &["you", "he", "she", "they", "if"]));
    }
    if STATEMENTS_EN.iter().any(|begin| phrase.starts_with(begin)) {
        return false;
    }
    let mut said_of = false;
    while let Some(word) = rest.next_if(|word| is(word, &SAID_OF_EN) || is(word, &AMONG_EN)) {
        said_of |= is(word, &SAID_OF_EN);
    }
    let inverted = |word: Option<&str>| word.is_some_and(|word| is(word, &SAID_OF_EN));
    match rest.next() {
        Some("he" | "she" | "they") => true,
        Some("i" | "it" | "that" | "this") => said_of || inverted(rest.next()),
        Some("me") => rest.next() == Some("let"),
        _ => false,
    }
}

/// What is around it makes another thing of it.
fn goes_on_en(phrase: &str, heard: &[String], before: &[String], after: &[String]) -> bool {
    let lacks_time = phrase.starts_with("i ") && !phrase.contains("hurry") && !phrase.contains("rush");
    let next = after.iter().take(2).map(String::as_str).collect::<Vec<_>>();
    let goes_on = |ends: &&[&str]| ends.iter().any(|end| next.join(" ").starts_with(end));
    match phrase {
        // "i have enough already".
        "enough already" => !before.is_empty(),
        // "How much longer is the warranty".
        "how much longer" => next.iter().any(|word| is(word, &["the", "my", "your", "a", "an"])),
        _ if lacks_time && heard.iter().any(|word| is(word, &ANOTHER_DAY_EN)) => true,
        _ => GOES_ON_EN.iter().filter(|(of, _)| *of == phrase).any(|(_, ends)| goes_on(ends)),
    }
}

/// Words that take a request back: 不用快点. A bare 不 does not: 不，快点 is a no and then a request, and 还不快点 asks for it.
const NO_NEED_ZH: [&str; 12] =
    ["不用", "不必", "不要", "别", "甭", "不需要", "没必要", "没有必要", "无需", "无须", "用不着", "不一定要"];
/// Words that take back what is said of the caller: 不赶时间.
const NOT_SO_ZH: [&str; 3] = ["不", "没", "没有"];
/// What may stand between those and the phrase: fillers, and words that only weaken it.
const BETWEEN_ZH: [&str; 20] = [
    "的", "呃", "嗯", "啊", "哦", "额", "那个", "这个", "就是", "是", "那么", "这么", "太", "很", "特别", "怎么", "会",
    "再", "着", "什么",
];
/// What is said of the caller and asked of nobody.
const STATEMENTS_ZH: [&str; 8] = ["没空", "没时间", "没工夫", "没功夫", "赶时间", "有急事", "时间不多", "等不及"];
/// What nobody asks for, but asks to be spared: 别 and 不要 before it do not take it back.
const VICES_ZH: [&str; 12] = [
    "绕弯子",
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
    "没完没了",
];
/// Phrases that hold their own negation.
const ALREADY_NEGATIVE_ZH: [char; 3] = ['别', '少', '到'];
/// Parts of other words: the phrase, what stands before it, what stands behind it.
const OTHER_WORDS_ZH: [(&str, &[&str], &[&str]); 19] = [
    ("直说", &["一", "简"], &[]),
    ("直接说", &[], &["明书"]),
    ("快点", &["凉", "愉", "勤", "轻", "网", "网速", "流量"], &["的"]),
    ("快一点", &["凉", "愉", "勤", "轻", "网", "网速", "流量"], &["的", "了", "半", "钟", "多", "十", "二"]),
    ("快些", &["凉", "愉", "勤", "轻", "网", "网速", "流量"], &["的"]),
    ("简单点", &[], &["的"]),
    ("没空", &["有"], &["调", "间", "白", "位", "房", "气", "格", "隙", "缺", "投", "姐", "单"]),
    ("没时间", &["有"], &["限", "段", "差", "表"]),
    ("没工夫", &["有"], &["茶"]),
    ("没功夫", &["有"], &["茶", "片"]),
    ("快说", &["凉", "愉", "勤"], &["完", "好了"]),
    ("快讲", &["凉", "愉", "勤"], &["完", "好了"]),
    ("说重点", &[], &SCHOOLS),
    ("讲重点", &[], &SCHOOLS),
    ("挑重点", &[], &SCHOOLS),
    ("说要点", &[], &ORDERS),
    ("讲要点", &[], &ORDERS),
    ("别拖", &[], &["欠", "鞋", "地"]),
    ("痛快点", &[], &["的"]),
];
const SCHOOLS: [&str; 9] = ["班", "大学", "中学", "高中", "小学", "学校", "院校", "项目", "工程"];
const ORDERS: [&str; 14] = ["餐", "菜", "外", "单", "歌", "东", "饭", "奶", "个", "一", "杯", "进", "击", "开"];
/// Whoever is not the caller.
const OTHERS_ZH: [&str; 21] = [
    "你", "您", "他", "她", "你们", "他们", "她们", "老公", "老婆", "爱人", "先生", "太太", "爸", "妈", "孩子", "儿子",
    "女儿", "老板", "领导", "同事", "朋友",
];
/// What may stand between somebody and what they have no time for.
const ADVERBS_ZH: [&str; 24] = [
    "现在",
    "今天",
    "也",
    "都",
    "正",
    "可能",
    "应该",
    "是",
    "还",
    "又",
    "肯定",
    "就",
    "说",
    "根本",
    "这会儿",
    "刚好",
    "真",
    "实在",
    "们",
    "要",
    "会",
    "先",
    "想",
    "得",
];
/// Before 我: it is said to me, and not of me.
const TO_ME_ZH: [&str; 10] = ["跟", "给", "对", "和", "让", "帮", "替", "为", "同", "叫"];
/// What makes a lack of time one of another day.
const ANOTHER_DAY_ZH: [&str; 22] = [
    "明天", "后天", "周", "星期", "礼拜", "下个", "下午", "晚上", "上午", "早上", "中午", "平时", "最近", "那天",
    "到时", "月", "号", "以后", "如果", "要是", "万一", "有时",
];

fn asks_zh(clause: &str) -> bool {
    EXPLICIT_ZH.iter().chain(&RARER_ZH).any(|phrase| {
        clause.match_indices(phrase).any(|(at, _)| {
            let before = clause.get(..at).unwrap_or_default();
            let after = clause.get(at + phrase.len()..).unwrap_or_default();
            !another_word_zh(phrase, before, after)
                && !taken_back_zh(phrase, before)
                && !of_another_zh(phrase, clause, before)
        })
    })
}

fn another_word_zh(phrase: &str, before: &str, after: &str) -> bool {
    OTHER_WORDS_ZH.iter().filter(|(of, ..)| of == &phrase).any(|(_, ends, begins)| {
        ends.iter().any(|end| before.ends_with(end)) || begins.iter().any(|begin| after.starts_with(begin))
    })
}

/// What is left of `before` when what may stand behind it is taken off; each step on the way is given, too.
fn steps<'a>(before: &'a str, words: &'a [&str]) -> impl Iterator<Item = &'a str> {
    std::iter::successors(Some(before), |left| words.iter().find_map(|word| left.strip_suffix(word)))
}

fn taken_back_zh(phrase: &str, before: &str) -> bool {
    if phrase.starts_with(ALREADY_NEGATIVE_ZH) {
        return false;
    }
    if phrase.starts_with('没') && !VICES_ZH.contains(&phrase) {
        // 不是没时间: there is time.
        return before.ends_with("不是") || before.ends_with("并非");
    }
    let said = STATEMENTS_ZH.contains(&phrase) || VICES_ZH.contains(&phrase);
    let negations: &[&str] = if said { &NOT_SO_ZH } else { &NO_NEED_ZH };
    steps(before, &BETWEEN_ZH).any(|left| negations.iter().any(|no| left.ends_with(no)))
}

/// Somebody else has no time, or not now; or the caller will be brief.
fn of_another_zh(phrase: &str, clause: &str, before: &str) -> bool {
    if STATEMENTS_ZH.contains(&phrase) {
        let who = steps(before, &ADVERBS_ZH).any(|left| OTHERS_ZH.iter().any(|other| left.ends_with(other)));
        let lacks_time = phrase.starts_with('没') || phrase == "时间不多";
        return who || lacks_time && ANOTHER_DAY_ZH.iter().any(|day| clause.contains(day));
    }
    let own = |left: &str| {
        let of_me = left.strip_suffix("我").or_else(|| left.strip_suffix("咱"));
        of_me.is_some_and(|left| !TO_ME_ZH.iter().any(|to| left.ends_with(to)))
    };
    !VICES_ZH.contains(&phrase)
        && phrase.starts_with(['快', '赶', '直', '简', '长', '说', '讲'])
        && steps(before, &ADVERBS_ZH).any(own)
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
    fn a_negation_counts_within_its_clause_and_over_fillers() {
        for text in [
            "no, hurry up",
            "no hurry up",
            "不，快点",
            "不 快点",
            "不是，快点说",
            "别，我赶时间",
            "不用 我赶时间",
            "还不快点",
            "能不能快点",
            "要不快点吧",
            "不要绕弯子",
            "我很忙 快点",
            "你跟我直说",
        ] {
            assert!(asks_for_haste(text), "{text}");
        }
        for text in [
            "不用的快点",
            "不用呃快点",
            "没事不是赶时间",
            "不是赶时间",
            "不太赶时间",
            "不用那么快点",
            "不是没时间",
            "不会浪费时间",
            "i am not asking you to hurry up",
            "there is no reason to hurry up",
            "it is not that i have no time",
        ] {
            assert!(!asks_for_haste(text), "{text}");
        }
    }

    #[test]
    fn what_only_holds_the_sounds_of_it_is_none() {
        for text in [
            "他们一直说有活动",
            "你们那里没空调吗",
            "简直说不清",
            "手机没空间了",
            "有没空房",
            "你现在有没空",
            "没时间限制吧",
            "凉快点的房间",
            "有简单点的套餐吗",
            "快一点了",
            "网速快点就好",
            "他上的是说重点班",
            "我说要点餐",
            "他现在没空",
            "我老公没时间",
            "你们没空吗",
            "我明天没空",
            "周末没时间",
            "我长话短说",
            "我就直说了",
            "我简单说一下",
            "快说完了吗",
            "叫简明",
        ] {
            assert!(!asks_for_haste(text), "{text}");
        }
        for text in [
            "that would be quick",
            "will it be quick",
            "i will make it quick",
            "let me be brief",
            "how do i make it fast",
            "how much longer is the warranty",
            "i have enough already",
            "what is the point of sale",
            "i have no time on monday",
            "are you short on time",
            "if i have no time",
            "does it go faster",
            "he will just tell me",
            "i have no time limit",
            "can we skip a payment",
            "the delivery takes forever",
        ] {
            assert!(!asks_for_haste(text), "{text}");
        }
        for text in [
            "i know that just tell me",
            "i want you to hurry up",
            "how much longer is this",
            "i am in a meeting hurry up",
            "can we make it quick",
            "would you please be brief",
            "i just want to get to the point",
            "我没空听你说",
            "现在没时间",
            "直接说吧",
            "赶紧的",
            "说重点好吗",
        ] {
            assert!(asks_for_haste(text), "{text}");
        }
    }
}
