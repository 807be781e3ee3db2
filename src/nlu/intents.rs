//! Reading utterances on the three levels.

use super::bytes::{Reader, Writer, pack, unpack};
use super::classifier::Classifier;
use super::families::OUTSIDE;
use super::features::Features;
use super::{Action, Actions, Industry, Language, NluError, ReadIntents, Reading, Scene, Scope};

/// The first bytes of a file of models.
const MAGIC: &[u8; 8] = b"tripintC";
/// Sounds of somebody who has not begun to speak.
const FILLERS: [&str; 20] = [
    "uh", "um", "er", "erm", "uhm", "ah", "hmm", "mm", "well", "so", "呃", "额", "那个", "这个", "就是", "嘶", "唔",
    "那", "呀", "哎呀",
];

/// So much likelier is what answers the question than it would be anywhere.
const AWAITED: f32 = 4.0;
/// So much less likely is what seldom happens.
const RARE: f32 = 0.3;
const SELDOM: [Action; 5] = [Action::Abuse, Action::Complaint, Action::WrongPerson, Action::Minor, Action::Distress];

/// The label of an utterance that names no scene.
pub(crate) const NAMELESS: &str = "-";

/// The two classifiers of a language.
#[derive(Clone, Debug)]
pub(crate) struct Tongue {
    pub action: Classifier,
    actions: Vec<Option<Action>>,
    pub scene: Classifier,
    scenes: Vec<Option<Scene>>,
}

impl Tongue {
    /// # Errors
    /// [`NluError::Label`] when a label is none of the taxonomy.
    pub fn new(action: Classifier, scene: Classifier) -> Result<Self, NluError> {
        let known = |label: &String, found: bool, none: &str| {
            if found || label == none { Ok(()) } else { Err(NluError::Label(label.clone())) }
        };
        let mut actions = Vec::new();
        for label in action.labels() {
            actions.push(Action::from_id(label));
            known(label, Action::from_id(label).is_some(), OUTSIDE)?;
        }
        let mut scenes = Vec::new();
        for label in scene.labels() {
            scenes.push(Scene::from_id(label));
            known(label, Scene::from_id(label).is_some(), NAMELESS)?;
        }
        if actions.iter().flatten().count() < 2 {
            return Err(NluError::Model("it knows fewer than two actions"));
        }
        Ok(Self { action, actions, scene, scenes })
    }

    /// Industry and scene: of those in `scope`, the industry that the text names most, and the scene that it names most within it.
    fn place(&self, features: &Features, scope: &Scope) -> (Option<Industry>, Option<Scene>) {
        if let Some(scene) = scope.scene {
            return (Some(scene.industry()), Some(scene));
        }
        let scores = self.scene.scores(features);
        let mut industries = [0.0f32; Industry::ALL.len()];
        let mut none = 0.0;
        for (scene, p) in self.scenes.iter().zip(&scores.probabilities) {
            match scene {
                Some(scene) => industries[scene.industry() as usize] += p,
                None => none += p,
            }
        }
        let best = match scope.industry {
            Some(industry) => Some((industry, industries[industry as usize])),
            None => Industry::ALL.into_iter().map(|i| (i, industries[i as usize])).max_by(|a, b| a.1.total_cmp(&b.1)),
        };
        let Some((industry, _)) = best.filter(|(_, share)| *share > none) else { return (scope.industry, None) };
        let within = self.scenes.iter().zip(&scores.probabilities).filter_map(|(scene, p)| Some(((*scene)?, *p)));
        let scene = within.filter(|(scene, _)| scene.industry() == industry).max_by(|a, b| a.1.total_cmp(&b.1));
        (Some(industry), scene.map(|(scene, _)| scene))
    }

    /// What was learned from has each action alike; in a call it depends on the question.
    fn expect(&self, awaits: Actions, probabilities: &mut [f32]) {
        if awaits.is_empty() {
            return;
        }
        for (action, p) in self.actions.iter().zip(probabilities.iter_mut()) {
            *p *= match action {
                Some(action) if awaits.has(*action) => AWAITED,
                Some(action) if SELDOM.contains(action) => RARE,
                _ => 1.0,
            };
        }
        let all: f32 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= all.max(1e-9));
    }

    fn read(&self, features: &Features, scope: &Scope) -> Reading {
        let mut scores = self.action.scores(features);
        self.expect(scope.awaits, &mut scores.probabilities);
        let mut best: [Option<(Action, f32)>; 2] = [None, None];
        for (action, p) in self.actions.iter().zip(&scores.probabilities) {
            let Some(action) = *action else { continue };
            if best[0].is_none_or(|b| *p > b.1) {
                best = [Some((action, *p)), best[0]];
            } else if best[1].is_none_or(|b| *p > b.1) {
                best[1] = Some((action, *p));
            }
        }
        let (industry, scene) = self.place(features, scope);
        // A model knows two actions at least.
        let (action, confidence) = best[0].unwrap_or((Action::Silence, 0.0));
        Reading {
            industry,
            scene,
            action,
            objection: action.objection(),
            confidence,
            in_scope: scores.in_scope,
            runner_up: best[1],
        }
    }
}

/// The shipped reader of intents: linear separators, a small network and the vote of the nearest, for each language.
///
/// A whole file of models is read at once; the Chinese segmenter is made with it, so that no caller waits for it.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    zh: Option<Tongue>,
    en: Option<Tongue>,
}

impl Intents {
    /// Reads a file that `tipring train intent --telesales` made.
    ///
    /// # Errors
    /// [`NluError::Model`] for bytes that are none, [`NluError::Label`] for labels that are not of the taxonomy.
    pub fn load(bytes: &[u8]) -> Result<Self, NluError> {
        let bytes = unpack(MAGIC, bytes)?;
        let mut from = Reader(&bytes);
        let mut intents = Self::default();
        for _ in 0..from.count()?.min(2) {
            let code = from.text()?;
            let language = Language::from_code(&code).ok_or(NluError::Model("its language is not known"))?;
            let (action, scene) = (Classifier::read_from(&mut from)?, Classifier::read_from(&mut from)?);
            intents.put(language, Tongue::new(action, scene)?);
        }
        if intents.zh.is_none() && intents.en.is_none() {
            return Err(NluError::Model("it has no language"));
        }
        super::concepts::shipped();
        if intents.zh.is_some() {
            super::features::jieba();
        }
        Ok(intents)
    }

    /// The shipped model of both languages.
    ///
    /// # Errors
    /// As [`load`](Self::load); the shipped bytes are whole.
    pub fn shipped() -> Result<Self, NluError> {
        Self::load(include_bytes!("../../audio-models/intents/telesales.intents"))
    }

    /// Takes over the languages of another.
    pub fn merge(&mut self, other: Self) {
        self.zh = other.zh.or(self.zh.take());
        self.en = other.en.or(self.en.take());
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let both = [(Language::Zh, &self.zh), (Language::En, &self.en)];
        out.count(both.iter().filter(|(_, tongue)| tongue.is_some()).count());
        for (language, tongue) in both {
            let Some(tongue) = tongue else { continue };
            out.text(language.code());
            tongue.action.write_to(&mut out);
            tongue.scene.write_to(&mut out);
        }
        pack(MAGIC, &out.0)
    }

    pub(crate) fn put(&mut self, language: Language, tongue: Tongue) {
        *(if language == Language::Zh { &mut self.zh } else { &mut self.en }) = Some(tongue);
    }

    /// The languages that can be read.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        let both = [(Language::Zh, self.zh.is_some()), (Language::En, self.en.is_some())];
        both.into_iter().filter_map(|(language, there)| there.then_some(language))
    }
}

impl ReadIntents for Intents {
    fn read(&self, text: &str, scope: &Scope) -> Reading {
        let silent = Reading {
            industry: scope.scene.map(Scene::industry).or(scope.industry),
            scene: scope.scene,
            action: Action::Silence,
            objection: None,
            confidence: 1.0,
            in_scope: true,
            runner_up: None,
        };
        let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        if words.all(|word| FILLERS.contains(&word.to_lowercase().as_str())) {
            return silent;
        }
        let written = Language::of(text);
        let asked = if text.chars().any(char::is_alphabetic) { written } else { scope.language.unwrap_or(written) };
        let tongue = match asked {
            Language::Zh => self.zh.as_ref().or(self.en.as_ref()),
            Language::En => self.en.as_ref().or(self.zh.as_ref()),
        };
        let Some(tongue) = tongue else { return silent };
        let mut features = Features::default();
        features.read(text);
        if features.is_empty() { silent } else { tongue.read(&features, scope) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::Objection;

    #[test]
    fn the_shipped_model_reads_both_languages_whole_and_in_part() {
        let intents = Intents::shipped().unwrap();
        assert_eq!(intents.languages().count(), 2);
        for (text, action) in [
            ("that is far too expensive for me", Action::Object(Objection::TooExpensive)),
            ("that is far too expen", Action::Object(Objection::TooExpensive)),
            ("please never call me again", Action::DoNotCall),
            ("am I talking to a machine", Action::RobotQuestion),
            ("太贵了吧", Action::Object(Objection::TooExpensive)),
            ("以后不要再给我打电话了", Action::DoNotCall),
            ("我要跟老婆商量一下", Action::Object(Objection::ConsultOthers)),
        ] {
            let reading = intents.read(text, &Scope::default());
            assert_eq!(reading.action, action, "{text}: {reading:?}");
            assert!(reading.confidence > 0.3 && reading.confidence <= 1.0, "{reading:?}");
            assert!(reading.runner_up.is_some_and(|next| next.1 <= reading.confidence && next.0 != action));
        }
    }

    #[test]
    fn what_answers_the_question_is_likelier_and_what_seldom_happens_less() {
        let intents = Intents::shipped().unwrap();
        let awaits: Actions = [Action::Confirm, Action::Deny].into_iter().collect();
        assert!(awaits.has(Action::Deny) && !awaits.has(Action::Greet) && Actions::default().is_empty());
        let asked = Scope { awaits, ..Scope::default() };
        let mut compared = Vec::new();
        for (text, rises) in [("嗯呢", false), ("yeah okay then", true), ("you have got the wrong person", false)] {
            let [free, bound] = [Scope::default(), asked].map(|scope| intents.read(text, &scope));
            if free.action == bound.action {
                assert_eq!(free.confidence <= bound.confidence, rises, "{text}: {free:?} {bound:?}");
                compared.push(rises);
            }
            assert!((0.0..=1.0).contains(&bound.confidence), "{bound:?}");
        }
        assert!(compared.contains(&true) && compared.contains(&false), "nothing was compared: {compared:?}");
        let all: Actions = Action::all().collect();
        assert!(Action::all().all(|action| all.has(action)));
    }

    #[test]
    fn a_path_always_fits_together() {
        let intents = Intents::shipped().unwrap();
        let named = intents.read("how much is the dental implant", &Scope::default());
        assert_eq!(named.path(), "health/dental/ask_price");
        let finance = Scope { industry: Some(Industry::Finance), ..Scope::default() };
        let elsewhere = intents.read("how much is the dental implant", &finance);
        assert!(elsewhere.scene.is_none_or(|scene| scene.industry() == Industry::Finance), "{elsewhere:?}");
        let scope = Scope::of(Language::Zh, Scene::from_id("mortgage").unwrap());
        assert_eq!(intents.read("我要跟老婆商量一下", &scope).path(), "finance/mortgage/consult_others");
    }

    #[test]
    fn who_says_nothing_is_silent_and_odd_text_is_borne() {
        let intents = Intents::shipped().unwrap();
        for text in ["", " ... ", "uh", "Um, well", "呃，那个"] {
            assert_eq!(intents.read(text, &Scope::default()).action, Action::Silence, "{text}");
        }
        for text in ["\u{0}\u{feff}", "🙂🙂", "Привет", "5", &"好".repeat(100_000)] {
            let reading = intents.read(text, &Scope::default());
            assert!((0.0..=1.0).contains(&reading.confidence), "{reading:?}");
        }
    }
}
