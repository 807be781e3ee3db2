//! Facts and questions: the right fact is found, and where there is none, nothing is invented.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tipring::knowledge::{Desk, Knowledge};
use tipring::speech::FactFinder;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/knowledge").join(name)
}

/// The floor under what `tipring eval knowledge` measures: a change that falls below it is none for the better.
#[test]
fn questions_find_their_fact_or_nothing() {
    let knowledge = Arc::new(Knowledge::read(&corpus("facts")).unwrap());
    assert!(knowledge.len() >= 48);
    let mut rows = csv::Reader::from_path(corpus("questions.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    for language in ["en", "zh"] {
        let desk = Desk::new(Arc::clone(&knowledge), language, None, || time::macros::date!(2026 - 11 - 26));
        let (mut answerable, mut answered, mut right) = (0, 0, 0);
        for row in rows.iter().filter(|row| &row[0] == language) {
            let facts = desk.find(&row[1]);
            answerable += usize::from(!row[2].is_empty());
            answered += usize::from(facts.answered);
            let named = facts.passages.first().is_some_and(|best| best.source.ends_with(&format!("#{}", &row[2])));
            right += usize::from(facts.answered && named && !row[2].is_empty());
        }
        assert!(answerable >= 50, "{language}: {answerable}");
        let (precision, recall) = (right as f64 / answered as f64, right as f64 / answerable as f64);
        assert!(precision >= 0.90, "{language}: precision {precision:.3}");
        assert!(recall >= 0.55, "{language}: recall {recall:.3}");
    }
}

#[test]
fn a_desk_gives_sentences_and_their_places() {
    let knowledge = Arc::new(Knowledge::read(&corpus("facts")).unwrap());
    let desk = Desk::new(knowledge, "en", Some("harbour card"), || time::macros::date!(2026 - 11 - 26));
    let facts = desk.find("is there an annual fee");
    assert!(facts.answered);
    assert_eq!(facts.passages[0].source, "en/card.md#Annual fee");
    assert!(facts.passages[0].say.as_deref().is_some_and(|say| say.starts_with("The first year is free.")));
    assert!(facts.passages.len() <= 3);
    assert!(!desk.find("what is the capital of france").answered);
}
