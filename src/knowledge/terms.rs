//! Text as search terms: English words by their stems, Chinese words as jieba cuts them and their pairs of characters.

use jieba_rs::Jieba;
use rust_stemmers::{Algorithm, Stemmer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The dictionary takes a few hundred milliseconds to read: once, when the first facts are indexed.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// English words that say nothing about a fact.
const STOP_EN: &str = "a about actually again ah all also am an and any anyway are as at be been being but by can cannot could did do does \
    doing don for from get give go going good got had has have having he hello her here hey hi him his honestly how i if \
    in into is it its just know let like listen look ll may maybe me mean might mine more much must my need no not now of oh \
    ok okay on one or our out over please question quick re really right said say see she should so some sorry sort still \
    sure tell than thank thanks that the their them then there these they thing think this those though to too um uh up us ve \
    very want was wait we well were what when where whether which who why will with won wonder wondering would yeah yes yet you \
    your s t d m exactly actual kind bit explain understand ask hear heard";

/// Chinese words that say nothing about a fact.
const STOP_ZH: &str = "的 了 吗 呢 吧 啊 呀 哦 嗯 呃 哎 诶 喂 嘛 我 你 您 他 她 它 我们 你们 您们 他们 咱 咱们 这 那 这个 那个 这些 那些 是 是不是 \
    在 有 没有 有没有 也 都 就 就是 还 还是 又 再 很 太 挺 比较 会 会不会 能 能不能 可以 可不可以 要 要不要 想 想要 问 问下 问一下 请 请问 一下 一个 个 什么 \
    怎么 怎么样 怎样 如何 哪 哪个 哪些 哪里 几 多少 为什么 和 跟 与 或 或者 如果 要是 的话 因为 所以 但 但是 不过 那么 然后 给 把 被 让 对 对于 到 \
    从 向 用 说 讲 知道 了解 告诉 看 看看 听 觉得 不 没 别 行 好 好的 谢谢 麻烦 先 等 等等 吧 着 过 地 得 之 其 呗 哈 到底 究竟 那你 你说 说说 介绍";

static STOP: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| STOP_EN.split_whitespace().chain(STOP_ZH.split_whitespace()).collect());

/// Reads the dictionary, so that the first question need not wait for it.
pub(super) fn warm_up() {
    LazyLock::force(&JIEBA);
    LazyLock::force(&STOP);
}

fn is_han(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c)
}

/// The terms of a text, in order and as often as they occur.
pub(super) fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut out = Vec::new();
    let mut run = String::new();
    let mut chinese = false;
    let end = |run: &mut String, chinese: bool, out: &mut Vec<String>| {
        if chinese {
            cut(run, out);
        } else if !run.is_empty() && !STOP.contains(run.as_str()) {
            out.push(stemmer.stem(run).into_owned());
        }
        run.clear();
    };
    for c in text.chars().flat_map(narrow) {
        let han = is_han(c);
        let word = han || c.is_alphanumeric();
        if !word || han != chinese {
            end(&mut run, chinese, &mut out);
        }
        if word {
            run.push(c);
        }
        chinese = han;
    }
    end(&mut run, chinese, &mut out);
    out
}

/// Words that mean the same to who asks for a product, whatever else they mean: each row is one more term.
const SAME: [(&str, &str); 14] = [
    (
        "=cost",
        "cost fee charg price pai expens cheap pound free 收费 费用 多少钱 手续费 价格 年费 免费 钱 要钱 收钱 费",
    ),
    ("=time", "long day fast soon quick week hour arriv decis 多久 几天 时间 什么时候 多长时间 天 工作日 时候"),
    ("=apply", "appli order appl 申请 办理 办 开通 登记 下单 报名"),
    ("=end", "cancel close quit terminat 注销 退 取消 销卡 退订 退款 解约"),
    ("=family", "wife husband famili partner children 家人 老婆 老公 爱人 孩子 家属 家里人"),
    ("=lose", "lose lost stolen 丢 挂失 丢失 弄丢 丢了"),
    ("=safe", "safe fraud secur protect 安全 保障 风险 盗刷"),
    ("=papers", "document paper paperwork payslip 材料 证件 证明 资料 手续"),
    ("=who", "qualifi elig requir condit incom old ag 条件 要求 年龄 资格 周岁"),
    ("=abroad", "abroad foreign holidai travel overs 国外 出国 境外 旅游"),
    ("=late", "late miss forget forgot overdu 逾期 忘 晚 忘了 过期"),
    ("=gift", "reward bonu point cash back gift discount 积分 返现 优惠 赠品 送 礼品"),
    ("=data", "data privaci detail inform 信息 资料 隐私 泄露"),
    ("=least", "minimum least smallest 最低 最少 至少"),
];

static MEANT: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    SAME.iter().flat_map(|(meant, words)| words.split_whitespace().map(move |word| (word, *meant))).collect()
});

/// What a text is about: the meanings of its terms that have one.
pub(super) fn meanings(terms: &BTreeSet<String>) -> BTreeSet<String> {
    terms.iter().filter_map(|term| MEANT.get(term.as_str())).map(|meant| (*meant).to_owned()).collect()
}

/// How a text is put: its neighbouring words, or characters, small words and all.
pub(super) fn turns_of_phrase(text: &str) -> BTreeSet<String> {
    let small: Vec<char> = text.chars().flat_map(narrow).collect();
    let mut units: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in small {
        if !c.is_alphanumeric() || is_han(c) {
            if !word.is_empty() {
                units.push(std::mem::take(&mut word));
            }
            if is_han(c) {
                units.push(c.to_string());
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        units.push(word);
    }
    units.windows(2).map(|pair| pair.join(" ")).collect()
}

/// The different terms of a text.
pub(super) fn term_set(text: &str) -> BTreeSet<String> {
    terms(text).into_iter().collect()
}

/// Words of a Chinese run, and the pairs of neighbouring characters within what says something.
fn cut(run: &str, out: &mut Vec<String>) {
    let mut before: Option<char> = None;
    for token in JIEBA.cut_for_search(run, false) {
        let word = token.word;
        if STOP.contains(word) {
            before = None;
            continue;
        }
        let mut chars = word.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (Some(one), None, _) => {
                // A character alone counts with its neighbour, where that is alone too.
                if let Some(before) = before.replace(one) {
                    out.push([before, one].iter().collect());
                }
                out.push(word.to_owned());
            }
            _ => {
                before = None;
                out.push(word.to_owned());
            }
        }
    }
}

/// Small letters, and the wide forms of Latin letters and digits as their narrow ones.
fn narrow(c: char) -> impl Iterator<Item = char> {
    let c = match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ => c,
    };
    c.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stems_and_small_talk_is_nothing() {
        assert_eq!(terms("What are the annual fees, please?"), ["annual", "fee"]);
        assert_eq!(terms("Could I cancel it — cancelling"), ["cancel", "cancel"]);
        assert!(terms("well, um, what is that?").is_empty());
        assert_eq!(terms("20% APR"), ["20", "apr"]);
    }

    #[test]
    fn chinese_is_cut_into_words() {
        assert!(terms("请问年费是多少").contains(&"年费".to_owned()));
        assert!(terms("信用卡额度ＡＢ１").contains(&"ab1".to_owned()));
    }
}
