//! Hearing an utterance again, and what all models together make of it.
//!
//! Each model that is at hand hears the utterance as one of the phrases and nothing else, and as any sounds: how much worse
//! the phrase fits than the sounds is what the model thinks of it. Where the models differ, each hears the others' phrases,
//! too. The phrase that fits best over all of them is the answer; that they agree is the best sign that it was said.

use super::confidence::{Evidence, Opinion, Understood, judge};
use super::ffi::Segment;
use super::grammar::{Grammar, base, is_filler};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The models that may listen to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// The one that hears everything first.
    Main,
    /// One for the telephone, for a second opinion.
    Narrow,
    /// One that knows digits alone.
    Digits,
}

/// What the acoustic models are, as far as their scores are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// One that looks up to 7 kHz, whose scores are distances to the best sound.
    Wide,
    /// One for the telephone, of which only differences of scores mean something.
    Narrow,
}

/// How many models there are at most: one that is wide, one that is narrow, one of digits.
pub(super) const MODELS: usize = 3;

/// What to hear an utterance as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Task {
    /// One of the phrases.
    Phrases,
    /// Sounds in any order.
    Sounds,
    /// This phrase.
    Phrase(String),
}

/// What every answer that is compared is heard as, so that it can be heard while the caller speaks.
pub(super) fn standing(has_narrow: bool) -> impl Iterator<Item = (Which, Task)> {
    // One model's sounds are enough to measure by, and those of the narrow one cost a fraction.
    let measure = if has_narrow { Which::Narrow } else { Which::Main };
    let narrow = has_narrow.then_some((Which::Narrow, Task::Phrases));
    [(Which::Main, Task::Phrases)].into_iter().chain(narrow).chain([(measure, Task::Sounds)])
}

/// How a phrase fits, for one model.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Fit {
    /// Scores of the whole path, with what the grammar charges.
    total: i64,
    /// Acoustic score of the words, and their frames.
    score: i64,
    frames: i32,
}

/// What one model heard.
#[derive(Default)]
struct Heard {
    best: Option<String>,
    /// Scores of the path through sounds; none where they were not asked.
    sounds: Option<i64>,
    /// None: it cannot be heard as that.
    fits: BTreeMap<String, Option<Fit>>,
}

/// An utterance that is heard again.
pub(super) struct Again {
    first: Understood,
    grammar: Arc<Grammar>,
    /// The kind of the main model.
    main: Kind,
    heard: [Option<Heard>; MODELS],
    has_digits: bool,
    /// The one at the front is being heard.
    todo: VecDeque<(Which, Task)>,
    /// All phrases that are in question have been looked at by all models.
    compared: bool,
}

impl Again {
    /// After the first answer; of what kind the main model is, and which other models there are.
    pub fn new(first: Understood, grammar: Arc<Grammar>, main: Kind, has_narrow: bool, has_digits: bool) -> Self {
        let todo = standing(has_narrow).collect();
        Self { first, grammar, main, heard: Default::default(), has_digits, todo, compared: false }
    }

    /// What is to be heard now; none when all was.
    pub fn task(&self) -> Option<&(Which, Task)> {
        self.todo.front()
    }

    /// Takes in the best path of the task that was heard.
    pub fn take(&mut self, path: &[Segment]) {
        let Some((which, task)) = self.todo.pop_front() else { return };
        let heard = self.heard[which as usize].get_or_insert_default();
        let fit = fit(path);
        match task {
            Task::Sounds => heard.sounds = Some(path.iter().map(charged).sum()),
            Task::Phrases => {
                if let Some((text, fit)) = fit {
                    heard.best = Some(text.clone());
                    heard.fits.insert(text, Some(fit));
                }
            }
            Task::Phrase(phrase) => {
                let fit = fit.filter(|(text, _)| *text == phrase).map(|(_, fit)| fit);
                heard.fits.insert(phrase, fit);
            }
        }
        if self.todo.is_empty() {
            self.plan();
        }
    }

    /// What all models think, where they were asked.
    pub fn judge(self) -> Understood {
        let all: Vec<(String, Evidence)> = self.candidates().into_iter().map(|phrase| self.with(phrase)).collect();
        judge(self.first, all)
    }

    /// The phrases in question.
    fn candidates(&self) -> BTreeSet<String> {
        self.heard.iter().flatten().filter_map(|heard| heard.best.clone()).collect()
    }

    fn plan(&mut self) {
        let candidates = self.candidates();
        if candidates.is_empty() || self.compared {
            return;
        }
        if self.has_digits && self.heard[Which::Digits as usize].is_none() {
            let digits = self.grammar.digits.as_ref();
            if digits.is_some_and(|digits| candidates.iter().all(|phrase| digits.has(phrase))) {
                self.todo.extend([(Which::Digits, Task::Phrases), (Which::Digits, Task::Sounds)]);
                return;
            }
        }
        self.compared = true;
        for which in [Which::Main, Which::Narrow, Which::Digits] {
            let Some(heard) = &self.heard[which as usize] else { continue };
            let open = candidates.iter().filter(|phrase| !heard.fits.contains_key(*phrase));
            self.todo.extend(open.map(|phrase| (which, Task::Phrase(phrase.clone()))));
        }
    }

    fn with(&self, phrase: String) -> (String, Evidence) {
        let evidence = self.evidence(&phrase);
        (phrase, evidence)
    }

    fn evidence(&self, phrase: &str) -> Evidence {
        let main = self.heard.iter().flatten().find_map(|heard| *heard.fits.get(phrase)?);
        let frames = main.map_or(1.0, |fit| fit.frames as f32);
        let opinion = |which: Which| {
            let heard = self.heard[which as usize].as_ref()?;
            let agrees = heard.best.as_deref() == Some(phrase);
            let best = || heard.fits.get(heard.best.as_ref()?)?.map(|fit| fit.total);
            let gap = match (heard.fits.get(phrase), heard.sounds.or_else(best)) {
                (Some(Some(fit)), Some(measure)) => (measure - fit.total) as f32 / frames,
                _ => UNHEARD,
            };
            Some(Opinion { gap, agrees })
        };
        Evidence {
            score: main.map_or(0.0, |fit| fit.score as f32 / frames),
            share: self.first.evidence.share,
            frames,
            words: phrase.split(' ').count() as f32,
            agree: self.first.text == phrase,
            opinions: match self.main {
                Kind::Wide => [Which::Main, Which::Narrow, Which::Digits].map(opinion),
                Kind::Narrow => [None, opinion(Which::Main), opinion(Which::Digits)],
            },
        }
    }
}

/// What a frame costs more than sounds do where a phrase cannot be heard at all.
const UNHEARD: f32 = 100.0;

fn charged(segment: &Segment) -> i64 {
    i64::from(segment.acoustic) + i64::from(segment.language)
}

/// The phrase of a path, and how it fits; none without words.
fn fit(path: &[Segment]) -> Option<(String, Fit)> {
    let words = || path.iter().filter(|segment| !is_filler(&segment.word));
    let frames: i32 = words().map(Segment::frames).sum();
    let text = words().map(|segment| base(&segment.word)).collect::<Vec<_>>().join(" ");
    let fit = Fit {
        total: path.iter().map(charged).sum(),
        score: words().map(|segment| i64::from(segment.acoustic)).sum(),
        frames,
    };
    (frames > 0).then_some((text, fit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::asr::pocketsphinx::acoustics::Acoustics;
    use crate::engine::asr::pocketsphinx::dictionary::Dictionary;
    use crate::speech::{AnswerKind, Expectation};

    fn grammar(phrases: &[&str]) -> Arc<Grammar> {
        let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        let what = Expectation { kind: AnswerKind::Choice, phrases, ..Expectation::default() };
        let main = Acoustics::of_dictionary("one W AH N\ntwo T UW\nno N OW\n");
        let digits = Dictionary::from_text("one W_one N_one\ntwo T_two\n");
        Arc::new(Grammar::compile(&what, &main.dictionary, &main.sounds, Some(&digits)))
    }

    /// A path of one word that lasts 20 frames, or of sounds.
    fn path(word: &str, per_frame: i32) -> Vec<Segment> {
        vec![Segment { word: word.into(), first: 0, last: 19, acoustic: 20 * per_frame, language: 0 }]
    }

    /// Hears `phrases` with each model as `said` tells: (model, what) and the score of a frame.
    fn hear(
        phrases: &[&str],
        narrow: bool,
        said: impl Fn(Which, &Task) -> (&'static str, i32),
    ) -> (Understood, Vec<(Which, Task)>) {
        let mut again = Again::new(Understood::default(), grammar(phrases), Kind::Wide, narrow, true);
        let mut asked = Vec::new();
        while let Some((which, task)) = again.task().cloned() {
            let (word, score) = said(which, &task);
            again.take(&path(word, score));
            asked.push((which, task));
            assert!(asked.len() < 20, "{asked:?}");
        }
        (again.judge(), asked)
    }

    #[test]
    fn models_that_agree_are_not_asked_twice_and_are_sure() {
        let (heard, asked) = hear(&["one", "no"], true, |_, task| match task {
            Task::Sounds => ("_N", -45),
            _ => ("no", -20),
        });
        assert!(heard.text == "no" && heard.confidence > 0.5, "{heard:?}");
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked.iter().all(|(which, _)| *which != Which::Digits), "no is not a digit");
    }

    #[test]
    fn where_they_differ_each_hears_the_others_phrase_and_the_better_fit_wins() {
        let (heard, asked) = hear(&["one", "no"], true, |which, task| match (which, task) {
            (_, Task::Sounds) => ("_N", -45),
            (Which::Main, Task::Phrases) => ("no", -20),
            (_, Task::Phrases) => ("one", -20),
            (Which::Main, Task::Phrase(_)) => ("one", -21),
            (_, Task::Phrase(_)) => ("no", -60),
        });
        assert_eq!(heard.text, "one", "{asked:?}");
        assert!(asked.contains(&(Which::Main, Task::Phrase("one".into()))));
        assert!(asked.contains(&(Which::Narrow, Task::Phrase("no".into()))));
    }

    #[test]
    fn digits_are_asked_about_digits() {
        let (heard, asked) = hear(&["one", "two"], false, |which, task| match (which, task) {
            (_, Task::Sounds) => ("_N", -45),
            (Which::Digits, _) => ("two", -10),
            (_, Task::Phrases) => ("one", -20),
            (_, Task::Phrase(_)) => ("two", -21),
        });
        assert_eq!(heard.text, "two");
        assert!(asked.contains(&(Which::Digits, Task::Phrase("one".into()))), "{asked:?}");
    }

    #[test]
    fn a_phrase_that_no_model_can_hear_is_no_answer() {
        let first = Understood { text: "one".into(), confidence: 0.4, ..Understood::default() };
        let mut again = Again::new(first.clone(), grammar(&["one", "no"]), Kind::Narrow, false, false);
        while again.task().is_some() {
            again.take(&[]);
        }
        assert_eq!(again.judge(), first);
    }
}
