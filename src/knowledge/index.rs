//! BM25 over the facts, and how sure it is that the best of them answers a question.
//!
//! BM25 orders; its scores depend on the collection and say nothing about whether there is an answer at all. For that the
//! question is compared with the best facts once more: how much of it, by weight, the fact covers, and how near it is to one of the
//! questions that the fact's author wrote down. Both are shares, so that one threshold serves every collection.

use super::fact::{Fact, primary};
use super::terms::{meanings, term_set, terms, turns_of_phrase, warm_up};
use super::{KnowledgeError, Mistake, markdown, table};
use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use time::Date;

/// So many of BM25's best are looked at more closely.
const LOOKED_AT: usize = 12;
/// Most characters of a question that are looked at. A fact is read whole: `fact` has its bound.
const MAX_QUESTION_CHARS: usize = 600;
/// Most facts of a folder.
const MAX_FACTS: usize = 50_000;

/// From this sureness on a fact's sentence is an answer. Chosen on the question set in `tests/corpus/knowledge`: docs/knowledge.md has
/// the figures.
pub(super) const SURE: f32 = 0.55;
/// What a term that no fact knows weighs, as a share of the rarest known one.
const UNKNOWN: f32 = 0.7;
/// Share of the coverage in the sureness; the rest is the nearest written question.
const COVERAGE: f32 = 0.5;
/// What a meaning weighs, beside the terms that carry it.
const MEANING: f32 = 1.0;
/// What a turn of phrase weighs that a question shares with a written one.
const PHRASE: f32 = 0.25;

struct Cut;

impl Tokenizer for Cut {
    fn tokenize(&self, text: &str) -> Vec<String> {
        terms(text)
    }
}

/// A text, for a close look.
struct Text {
    /// Its terms and their meanings.
    terms: BTreeSet<String>,
    phrases: BTreeSet<String>,
}

impl Text {
    fn new(text: &str) -> Self {
        let mut terms = term_set(text);
        terms.extend(meanings(&terms));
        Self { terms, phrases: turns_of_phrase(text) }
    }
}

/// A fact, for a close look.
struct Closely {
    /// The terms of all of it.
    all: BTreeSet<String>,
    /// Its heading and each written question.
    asked: Vec<Text>,
}

/// The facts of one language.
struct Shelf {
    embedder: Embedder<u32, Cut>,
    scorer: Scorer<u32, u32>,
    facts: Vec<Fact>,
    closely: Vec<Closely>,
    weights: HashMap<String, f32>,
    unknown: f32,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The question, as heard.
    pub question: &'a str,
    /// Its language: `en`, `zh`, with or without a region.
    pub language: &'a str,
    /// The product in question; facts of another one are left out. None: of every product.
    pub product: Option<&'a str>,
    /// Facts that do not hold on this day are left out.
    pub today: Date,
    /// At most so many.
    pub most: usize,
}

/// A fact that was found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hit<'a> {
    /// The fact.
    pub fact: &'a Fact,
    /// How sure it is that it answers the question, 0 to 1.
    pub sure: f32,
}

/// All facts of a folder, indexed.
pub struct Knowledge {
    shelves: BTreeMap<String, Shelf>,
}

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knowledge").field("facts", &self.len()).finish()
    }
}

impl Knowledge {
    /// Reads every `.md` and `.csv` file of a folder and those below it. Blocks.
    ///
    /// # Errors
    /// [`KnowledgeError::Read`] for what cannot be read, [`KnowledgeError::Empty`] for a folder without facts,
    /// [`KnowledgeError::Invalid`] with every mistake by file and line.
    pub fn read(folder: &Path) -> Result<Self, KnowledgeError> {
        let mut files = Vec::new();
        list(folder, "", 0, &mut files)?;
        files.sort();
        let shown = folder.display().to_string();
        let mut texts = Vec::new();
        for name in files {
            let path = folder.join(&name);
            let error = |why| KnowledgeError::Read { file: path.display().to_string(), why };
            texts.push((name, std::fs::read_to_string(&path).map_err(error)?));
        }
        Self::of(&shown, texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// The facts of files that are at hand already: name and text of each. `folder` is named in mistakes.
    ///
    /// # Errors
    /// As [`Knowledge::read`].
    pub fn of<'a>(folder: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, KnowledgeError> {
        let (mut facts, mut mistakes) = (Vec::new(), Vec::new());
        for (name, text) in files {
            if name.ends_with(".csv") {
                facts.extend(table::read(name, text, &mut mistakes));
            } else if !Path::new(name).file_name().is_some_and(|file| file.eq_ignore_ascii_case("README.md")) {
                facts.extend(markdown::read(name, text, &mut mistakes));
            }
        }
        if let Some(fact) = facts.get(MAX_FACTS) {
            let what = format!("more than {MAX_FACTS} facts: divide the folder by product");
            mistakes.push(Mistake { file: fact.file.clone(), line: fact.line, what });
        }
        twice(&facts, &mut mistakes);
        if !mistakes.is_empty() {
            mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            for mistake in &mut mistakes {
                mistake.file = Path::new(folder).join(&mistake.file).display().to_string();
            }
            return Err(KnowledgeError::Invalid(mistakes));
        }
        if facts.is_empty() {
            return Err(KnowledgeError::Empty { folder: folder.to_owned() });
        }
        warm_up();
        let mut by_language: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
        for fact in facts {
            by_language.entry(fact.language.clone()).or_default().push(fact);
        }
        Ok(Self { shelves: by_language.into_iter().map(|(language, facts)| (language, Shelf::new(facts))).collect() })
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.shelves.values().map(|shelf| shelf.facts.len()).sum()
    }

    /// There are none; never so for one that was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All facts.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.shelves.values().flat_map(|shelf| &shelf.facts)
    }

    /// The facts that have most to do with a question, the surest first. Nothing in common: none.
    pub fn find(&self, wanted: &Wanted<'_>) -> Vec<Hit<'_>> {
        let language = primary(wanted.language).unwrap_or_default();
        match self.shelves.get(&language) {
            Some(shelf) => shelf.find(wanted),
            None => Vec::new(),
        }
    }
}

impl Shelf {
    fn new(facts: Vec<Fact>) -> Self {
        let texts: Vec<String> = facts.iter().map(whole).collect();
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embedder = EmbedderBuilder::<u32, Cut>::with_tokenizer_and_fit_to_corpus(Cut, &borrowed).build();
        let mut scorer = Scorer::new();
        let mut closely = Vec::with_capacity(facts.len());
        let mut counts: HashMap<String, f32> = HashMap::new();
        for ((at, fact), text) in (0_u32..).zip(&facts).zip(&texts) {
            scorer.upsert(&at, embedder.embed(text));
            let all = term_set(text);
            for term in &all {
                *counts.entry(term.clone()).or_insert(0.0) += 1.0;
            }
            let asked = std::iter::once(&fact.heading).chain(&fact.ask).map(|ask| Text::new(ask));
            let mut all = all;
            all.extend(meanings(&all));
            closely.push(Closely { all, asked: asked.filter(|text| !text.terms.is_empty()).collect() });
        }
        let all = facts.len() as f32;
        let weight = |count: f32| (1.0 + (all - count + 0.5) / (count + 0.5)).ln();
        let weights = counts.into_iter().map(|(term, count)| (term, weight(count))).collect();
        Self { embedder, scorer, facts, closely, weights, unknown: UNKNOWN * weight(1.0) }
    }

    fn find(&self, wanted: &Wanted<'_>) -> Vec<Hit<'_>> {
        let asked: String = wanted.question.chars().take(MAX_QUESTION_CHARS).collect();
        let mut scored = self.scorer.matches(&self.embedder.embed(&asked));
        scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let question = Text::new(&asked);
        let may = |fact: &Fact| {
            fact.holds(wanted.today)
                && (wanted.product.is_none() || fact.product.is_none() || fact.product.as_deref() == wanted.product)
        };
        let mut hits: Vec<Hit<'_>> = scored
            .iter()
            .filter_map(|scored| {
                let at = usize::try_from(scored.id).ok()?;
                let fact = self.facts.get(at).filter(|fact| may(fact))?;
                Some(Hit { fact, sure: self.sure(&question, self.closely.get(at)?) })
            })
            .take(LOOKED_AT)
            .collect();
        hits.sort_by(|a, b| b.sure.total_cmp(&a.sure));
        hits.truncate(wanted.most);
        hits
    }

    fn weight(&self, term: &str) -> f32 {
        if term.starts_with('=') { MEANING } else { self.weights.get(term).copied().unwrap_or(self.unknown) }
    }

    fn sum<'a>(&self, terms: impl Iterator<Item = &'a String>) -> f32 {
        terms.map(|term| self.weight(term)).sum()
    }

    /// How sure it is that this fact answers that question.
    fn sure(&self, question: &Text, fact: &Closely) -> f32 {
        let all = self.sum(question.terms.iter());
        if all <= 0.0 {
            return 0.0;
        }
        let covered = self.sum(question.terms.intersection(&fact.all)) / all;
        // As much of both as they share, by weight.
        let near = |asked: &Text| {
            let phrases = |count: usize| PHRASE * count as f32;
            let shared = self.sum(question.terms.intersection(&asked.terms))
                + phrases(question.phrases.intersection(&asked.phrases).count());
            let both = all + self.sum(asked.terms.iter()) + phrases(question.phrases.len() + asked.phrases.len());
            2.0 * shared / both
        };
        let nearest = fact.asked.iter().map(near).fold(0.0, f32::max);
        COVERAGE * covered + (1.0 - COVERAGE) * nearest
    }
}

/// All words of a fact.
fn whole(fact: &Fact) -> String {
    let product = fact.product.as_deref().unwrap_or_default();
    let say = fact.say.as_deref().unwrap_or_default();
    format!("{}\n{}\n{}\n{}\n{}", fact.heading, product, fact.ask.join("\n"), fact.text, say)
}

/// Two facts must not have the same name while both are true: the record could not say which was meant.
fn twice(facts: &[Fact], mistakes: &mut Vec<Mistake>) {
    let mut seen: BTreeMap<String, &Fact> = BTreeMap::new();
    for fact in facts {
        let Some(first) = seen.insert(format!("{} {}", fact.language, fact.source()), fact) else { continue };
        let apart = first.until.zip(fact.from).is_some_and(|(until, from)| until < from)
            || fact.until.zip(first.from).is_some_and(|(until, from)| until < from);
        if !apart {
            let what =
                format!("'{}' is the heading of line {} too: rename one, or give both days", fact.heading, first.line);
            mistakes.push(Mistake { file: fact.file.clone(), line: fact.line, what });
        }
    }
}

/// The files of a folder, with `/` between folders; at most four deep.
fn list(root: &Path, below: &str, depth: usize, out: &mut Vec<String>) -> Result<(), KnowledgeError> {
    let folder = root.join(below);
    let error = |why| KnowledgeError::Read { file: folder.display().to_string(), why };
    for entry in std::fs::read_dir(&folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type().map_err(error)?.is_dir() {
            if depth < 4 {
                list(root, &path, depth + 1, out)?;
            }
        } else if name.ends_with(".md") || name.ends_with(".csv") {
            out.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const CARD: &str = "# Annual fee\nask: what does the card cost\n\nThe fee is 20 euros.\n# Old offer\nuntil: 2026-01-31\n\nA free umbrella.\n\
                        # 年费\nask: 年费多少钱\n\n年费是两百元。\n";
    const TABLE: &str = "heading,text,product\nLimit,The limit of the gold card is 5000.,gold\nLimit 2,The limit of the silver card is 900.,silver\n";

    fn read() -> Knowledge {
        Knowledge::of("facts", [("card.md", CARD), ("limits.csv", TABLE)]).unwrap()
    }

    fn wanted(question: &str) -> Wanted<'_> {
        Wanted { question, language: "en-GB", product: Some("silver"), today: date!(2026 - 11 - 26), most: 3 }
    }

    #[test]
    fn the_fact_in_question_comes_first() {
        let knowledge = read();
        let hits = knowledge.find(&wanted("how much does your card cost?"));
        assert_eq!(hits[0].fact.source(), "card.md#Annual fee");
        assert!(hits[0].sure >= SURE, "{}", hits[0].sure);
        assert!(knowledge.find(&wanted("is it raining?")).is_empty());
        let zh = Wanted { language: "zh-CN", ..wanted("你们这个年费多少钱啊") };
        assert_eq!(knowledge.find(&zh)[0].fact.source(), "card.md#年费");
    }

    #[test]
    fn what_is_of_another_product_or_day_is_left_out() {
        let knowledge = read();
        let hits = knowledge.find(&wanted("what is the limit"));
        assert!(hits.iter().all(|hit| hit.fact.heading != "Limit"), "{hits:?}");
        assert_eq!(hits[0].fact.heading, "Limit 2");
        assert!(knowledge.find(&wanted("umbrella")).is_empty());
        let before = Wanted { today: date!(2026 - 01 - 31), ..wanted("umbrella") };
        assert_eq!(knowledge.find(&before)[0].fact.heading, "Old offer");
    }

    #[test]
    fn mistakes_and_empty_folders_are_told() {
        let error = Knowledge::of("facts", [("b.md", "# A\nx\n# A\ny"), ("a.csv", "txt\n")]).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].starts_with("facts/a.csv:1: there is no column 'txt'"), "{error}");
        assert!(lines[1].starts_with("facts/b.md:3: 'A' is the heading of line 1 too"), "{error}");
        for name in ["README.md", "en/readme.md"] {
            assert!(matches!(Knowledge::of("x", [(name, "# A\nb")]), Err(KnowledgeError::Empty { .. })), "{name}");
        }
        assert!(matches!(Knowledge::read(Path::new("/no/such")), Err(KnowledgeError::Read { .. })));
    }

    #[test]
    fn the_end_of_a_long_fact_is_found_and_the_end_of_an_endless_question_is_not_looked_at() {
        let long = format!("# Terms\n\n{}A lost umbrella is replaced.\n", "Words of a long fact. ".repeat(60));
        let knowledge = Knowledge::of("facts", [("a.md", long.as_str())]).unwrap();
        assert_eq!(knowledge.find(&wanted("umbrella")).len(), 1);
        assert!(knowledge.find(&wanted(&format!("{}umbrella", "hm ".repeat(400)))).is_empty());
    }

    #[test]
    fn a_folder_is_read_with_those_below_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("en")).unwrap();
        std::fs::write(folder.path().join("en/card.md"), CARD).unwrap();
        std::fs::write(folder.path().join("limits.csv"), TABLE).unwrap();
        let knowledge = Knowledge::read(folder.path()).unwrap();
        assert_eq!(knowledge.len(), 5);
        assert!(knowledge.facts().any(|fact| fact.source() == "en/card.md#Annual fee"));
    }
}
