//! Hearing an utterance again, and what all models together make of it.
//!
//! Each model that is at hand hears the utterance as one of the phrases and nothing else, then as one of the others, and one
//! model hears it as any sounds. How much worse the phrase's words fit than the sounds, and how much better than any phrase
//! that sounds different, is what is thought of it. Where the models differ, each hears the others' phrases, too. The phrase
//! that fits best over all of them is the answer.

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
    /// This number, or this phrase where a number may be said.
    Number(String),
    /// One of those that sound different from the phrase, in this grammar.
    Others { phrase: String, grammar: Arc<str> },
}

/// What a phrase is held against.
pub(super) fn others(grammar: &Grammar, phrase: &str) -> Option<Task> {
    let text = grammar.others(phrase)?;
    Some(Task::Others { phrase: phrase.to_owned(), grammar: text.into() })
}

/// What every answer that is compared is heard as, so that it can be heard while the caller speaks. Where `digits` are
/// expected, their own model hears them too.
pub(super) fn standing(has_narrow: bool, digits: bool) -> impl Iterator<Item = (Which, Task)> {
    // Sounds are what is measured by. One model's are enough, and those of the narrow one cost a fraction.
    let all = [
        (true, Which::Main, Task::Phrases),
        (has_narrow, Which::Narrow, Task::Phrases),
        (digits, Which::Digits, Task::Phrases),
        (digits, Which::Digits, Task::Sounds),
        (has_narrow, Which::Narrow, Task::Sounds),
        (!has_narrow && !digits, Which::Main, Task::Sounds),
    ];
    all.into_iter().filter(|(wanted, ..)| *wanted).map(|(_, which, task)| (which, task))
}

/// How a phrase fits, for one model.
#[derive(Clone, PartialEq, Debug)]
struct Fit {
    /// Scores of the whole path, with what the grammar charges.
    total: i64,
    words: Vec<Segment>,
    /// Acoustic score of the words, and their frames.
    score: i64,
    frames: i32,
}

/// What one model heard.
#[derive(Default)]
struct Heard {
    best: Option<String>,
    /// The path through sounds; none where they were not asked.
    sounds: Option<Vec<Segment>>,
    /// None: it cannot be heard as that.
    fits: BTreeMap<String, Option<Fit>>,
    /// Score of the best of the phrases that sound different from the one that this model heard.
    others: Option<i64>,
}

/// An utterance that is heard again.
pub(super) struct Again {
    first: Understood,
    grammar: Arc<Grammar>,
    /// The kind of the main model.
    main: Kind,
    heard: [Option<Heard>; MODELS],
    has_narrow: bool,
    has_digits: bool,
    /// The one at the front is being heard.
    todo: VecDeque<(Which, Task)>,
    /// All phrases that are in question have been looked at by all models.
    compared: bool,
}

impl Again {
    /// After the first answer; of what kind the main model is, and which other models there are.
    pub fn new(first: Understood, grammar: Arc<Grammar>, main: Kind, has_narrow: bool, has_digits: bool) -> Self {
        let todo = standing(has_narrow, has_digits && grammar.asks_digits()).collect();
        Self { first, grammar, main, heard: Default::default(), has_narrow, has_digits, todo, compared: false }
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
            Task::Sounds => heard.sounds = Some(path.to_vec()),
            Task::Others { phrase, .. } => {
                heard.others = (heard.best.as_ref() == Some(&phrase)).then(|| fit.map(|(_, fit)| fit.total)).flatten();
            }
            Task::Phrases => {
                if let Some((text, fit)) = fit {
                    heard.best = Some(text.clone());
                    heard.fits.insert(text, Some(fit));
                }
            }
            Task::Phrase(phrase) | Task::Number(phrase) => {
                let fit = fit.filter(|(text, _)| *text == phrase).map(|(_, fit)| fit);
                heard.fits.insert(phrase, fit);
            }
        }
        if self.todo.is_empty() {
            self.plan();
        }
    }

    /// The first answer alone.
    pub fn first(self) -> Understood {
        self.first
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
        let digits = self.grammar.digits.as_ref().filter(|_| self.has_digits);
        let are_digits = digits.is_some_and(|digits| candidates.iter().all(|phrase| digits.has(phrase)));
        match (are_digits, self.heard[Which::Digits as usize].is_some()) {
            (true, false) => {
                self.todo.extend([(Which::Digits, Task::Phrases), (Which::Digits, Task::Sounds)]);
                return;
            }
            // Something else is in question, of which the model of the digits knows nothing.
            (false, true) => {
                self.heard[Which::Digits as usize] = None;
                self.has_digits = false;
                if self.has_narrow {
                    return self.plan();
                }
                self.todo.push_back((Which::Main, Task::Sounds));
                return;
            }
            _ => {}
        }
        self.compared = true;
        for which in [Which::Main, Which::Narrow, Which::Digits] {
            let Some(heard) = &self.heard[which as usize] else { continue };
            // Digits are sure by what their own model thinks of them.
            let best = heard.best.as_ref().filter(|_| !are_digits);
            let held = best.and_then(|best| others(&self.grammar, best));
            self.todo.extend(held.map(|task| (which, task)));
            let open = candidates.iter().filter(|phrase| !heard.fits.contains_key(*phrase));
            let task = if self.grammar.number { Task::Number } else { Task::Phrase };
            self.todo.extend(open.map(|phrase| (which, task(phrase.clone()))));
        }
    }

    fn with(&self, phrase: String) -> (String, Evidence) {
        let evidence = self.evidence(&phrase);
        (phrase, evidence)
    }

    fn evidence(&self, phrase: &str) -> Evidence {
        let fit = |which: Which| self.heard[which as usize].as_ref()?.fits.get(phrase)?.as_ref();
        let main = [Which::Main, Which::Narrow, Which::Digits].into_iter().find_map(fit);
        let frames = main.map_or(1.0, |fit| fit.frames as f32);
        let measured = [Which::Digits, Which::Narrow, Which::Main]
            .into_iter()
            .find_map(|which| Some((self.heard[which as usize].as_ref()?.sounds.as_ref()?, fit(which))));
        let (word, worst) = match measured {
            Some((sounds, Some(fit))) => words_against(&fit.words, sounds),
            _ => (UNHEARD, UNHEARD),
        };
        let opinion = |which: Which| {
            let heard = self.heard[which as usize].as_ref()?;
            let is_best = heard.best.as_deref() == Some(phrase);
            let best = || Some(heard.fits.get(heard.best.as_ref()?)?.as_ref()?.total);
            let Some(fit) = fit(which) else {
                return Some(Opinion { behind: UNHEARD * frames, gap: UNHEARD, margin: -UNHEARD });
            };
            let sounds = || Some(heard.sounds.as_ref()?.iter().map(charged).sum::<i64>());
            let behind = sounds().or_else(best).map_or(0, |measure| measure - fit.total);
            let rival = if is_best { heard.others } else { best() };
            let per_frame = |score: i64| score as f32 / fit.frames as f32;
            Some(Opinion {
                behind: behind as f32,
                gap: per_frame(behind),
                margin: rival.map_or(ALONE, |rival| per_frame(fit.total - rival).clamp(-CLEAR, CLEAR)),
            })
        };
        Evidence {
            score: main.map_or(0.0, |fit| fit.score as f32 / frames),
            share: self.first.evidence.share,
            frames,
            sounds: self.grammar.sounds(phrase) as f32,
            words: phrase.split(' ').count() as f32,
            number: !self.grammar.is_phrase(phrase),
            choices: self.grammar.choices() as f32,
            first: if self.first.text == phrase { self.first.confidence } else { 0.0 },
            word,
            worst,
            opinions: match self.main {
                Kind::Wide => [Which::Main, Which::Narrow, Which::Digits].map(opinion),
                Kind::Narrow => [None, opinion(Which::Main), opinion(Which::Digits)],
            },
        }
    }
}

/// What a frame costs more than sounds do where a phrase cannot be heard at all.
const UNHEARD: f32 = 100.0;

/// How much better a frame of a phrase fits than any other's at most: more says no more.
const CLEAR: f32 = 15.0;
/// What stands for that where a phrase is held against nothing: between what was said and what was not.
const ALONE: f32 = 4.0;

/// How much worse a frame of the words fits than the sounds at the same time: on average, and of the worst word.
fn words_against(words: &[Segment], sounds: &[Segment]) -> (f32, f32) {
    let of_sounds = |word: &Segment| {
        let shared = |sound: &Segment| (word.last.min(sound.last) - word.first.max(sound.first) + 1).max(0) as f32;
        sounds.iter().map(|sound| charged(sound) as f32 * shared(sound) / sound.frames() as f32).sum::<f32>()
    };
    let behind: Vec<(f32, f32)> =
        words.iter().map(|word| (of_sounds(word) - charged(word) as f32, word.frames() as f32)).collect();
    let (all, frames) = behind.iter().fold((0.0, 0.0), |(all, frames), (word, long)| (all + word, frames + long));
    let worst = behind.iter().map(|(word, long)| word / long).fold(f32::NEG_INFINITY, f32::max);
    if behind.is_empty() { (UNHEARD, UNHEARD) } else { (all / frames, worst) }
}

/// The words of a path.
pub(super) fn said(path: &[Segment]) -> String {
    let words = path.iter().filter(|segment| !is_filler(&segment.word));
    words.map(|segment| base(&segment.word)).collect::<Vec<_>>().join(" ")
}

fn charged(segment: &Segment) -> i64 {
    i64::from(segment.acoustic) + i64::from(segment.language)
}

/// The phrase of a path, and how it fits; none without words.
fn fit(path: &[Segment]) -> Option<(String, Fit)> {
    let words: Vec<Segment> = path.iter().filter(|segment| !is_filler(&segment.word)).cloned().collect();
    let frames: i32 = words.iter().map(Segment::frames).sum();
    let score = words.iter().map(|segment| i64::from(segment.acoustic)).sum();
    let fit = Fit { total: path.iter().map(charged).sum(), words, score, frames };
    (frames > 0).then(|| (said(path), fit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::asr::pocketsphinx::acoustics::Acoustics;
    use crate::engine::asr::pocketsphinx::dictionary::Dictionary;
    use crate::speech::{AnswerKind, Expectation};

    fn grammar(phrases: &[&str]) -> Arc<Grammar> {
        let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        grammar_of(&Expectation { kind: AnswerKind::Choice, phrases, ..Expectation::default() })
    }

    fn grammar_of(what: &Expectation) -> Arc<Grammar> {
        let main = Acoustics::of_dictionary("one W AH N\ntwo T UW\nno N OW\n");
        let digits = Dictionary::from_text("one W_one N_one\ntwo T_two\n");
        Arc::new(Grammar::compile(what, &main.dictionary, &main.sounds, Some(&digits)))
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
        hear_of(grammar(phrases), narrow, said)
    }

    fn hear_of(
        grammar: Arc<Grammar>,
        narrow: bool,
        said: impl Fn(Which, &Task) -> (&'static str, i32),
    ) -> (Understood, Vec<(Which, Task)>) {
        let mut again = Again::new(Understood::default(), grammar, Kind::Wide, narrow, true);
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
            Task::Others { .. } => ("one", -60),
            _ => ("no", -20),
        });
        assert_eq!(heard.text, "no");
        let evidence = heard.evidence;
        assert_eq!((evidence.word, evidence.worst, evidence.sounds), (-25.0, -25.0, 2.0), "{evidence:?}");
        let margin = |which: Which| evidence.opinions[which as usize].unwrap().margin;
        assert_eq!(
            (margin(Which::Main), margin(Which::Narrow)),
            (CLEAR, CLEAR),
            "forty a frame is no more than fifteen"
        );
        // The phrases, the others and nothing more by both, sounds by one.
        assert_eq!(asked.len(), 5, "{asked:?}");
        assert!(asked.iter().all(|(which, _)| *which != Which::Digits), "no is not a digit");
    }

    #[test]
    fn where_they_differ_each_hears_the_others_phrase_and_the_better_fit_wins() {
        let (heard, asked) = hear(&["one", "no"], true, |which, task| match (which, task) {
            (_, Task::Sounds) => ("_N", -45),
            (Which::Main, Task::Phrases) => ("no", -20),
            (_, Task::Phrases) => ("one", -20),
            (Which::Main, Task::Phrase(_) | Task::Others { .. }) => ("one", -21),
            _ => ("no", -60),
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
            _ => ("two", -21),
        });
        assert_eq!(heard.text, "two");
        assert!(asked.contains(&(Which::Digits, Task::Phrase("one".into()))), "{asked:?}");
        let of_main = asked.iter().filter(|(which, _)| *which == Which::Main);
        assert_eq!(of_main.count(), 2, "neither sounds nor others: {asked:?}");
    }

    #[test]
    fn a_number_is_compared_as_one() {
        let what = Expectation { kind: AnswerKind::Number, phrases: vec!["no".into()], ..Expectation::default() };
        let heard = |main: &'static str| {
            hear_of(grammar_of(&what), false, move |which, task| match (which, task) {
                (_, Task::Sounds) => ("_N", -45),
                (Which::Digits, Task::Phrases) => ("one two", -10),
                (_, Task::Number(number)) if number == "one" => ("one", -40),
                (_, Task::Number(_)) => ("one two", -25),
                _ => (main, -20),
            })
        };
        let (number, asked) = heard("one");
        assert_eq!(number.text, "one two");
        assert!(number.evidence.number && asked.contains(&(Which::Main, Task::Number("one two".into()))), "{asked:?}");
        assert!(asked.contains(&(Which::Digits, Task::Number("one".into()))), "{asked:?}");
        // What is no number is judged as if nobody had asked the model that knows nothing else.
        let (no, asked) = heard("no");
        assert_eq!((no.text.as_str(), no.evidence.opinions[Which::Digits as usize]), ("no", None));
        assert!(asked.contains(&(Which::Main, Task::Sounds)), "{asked:?}");
    }

    #[test]
    fn each_word_is_held_against_the_sounds_at_its_time() {
        let word =
            |first: i32, last: i32, acoustic: i32| Segment { word: "w".into(), first, last, acoustic, language: 0 };
        let sounds = [word(0, 9, -100), word(10, 19, -400)];
        let (word_gap, worst) = words_against(&[word(0, 4, -100), word(5, 14, -300)], &sounds);
        // The first costs 100 where sounds cost 50, the second 300 where they cost 250.
        assert!((word_gap - 100.0 / 15.0).abs() < 1e-4 && (worst - 10.0).abs() < 1e-4, "{word_gap} {worst}");
        assert_eq!(words_against(&[], &sounds), (UNHEARD, UNHEARD));
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
