//! What was understood of an utterance, and what is known before it.

use super::{Action, Industry, Language, Objection, Scene};

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Actions(u64);

const _: () = assert!(Action::COUNT <= 64, "a set of actions has a bit for each");

impl Actions {
    /// Whether none is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn has(self, action: Action) -> bool {
        self.0 >> action.number() & 1 == 1
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | 1 << action.number()))
    }
}

/// What is known before the utterance: the campaign knows its industry and mostly its scene.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// The language of the call; by the script of the text when unknown.
    pub language: Option<Language>,
    /// The industry of the campaign; guessed from the text when unknown.
    pub industry: Option<Industry>,
    /// The scene of the flow, which also fixes the industry; guessed from the text, within the industry, when unknown.
    pub scene: Option<Scene>,
    /// What answers the question that was put: likelier than the words alone say, and what seldom happens in a call is less likely.
    /// Empty: nothing is known of it, and the words alone decide.
    pub awaits: Actions,
}

impl Scope {
    /// The scope of a flow.
    #[must_use]
    pub fn of(language: Language, scene: Scene) -> Self {
        Self { language: Some(language), industry: Some(scene.industry()), scene: Some(scene), ..Self::default() }
    }
}

/// What was understood of an utterance: industry, scene, action, which always fit together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reading {
    /// The industry; none when neither the scope nor the text tells.
    pub industry: Option<Industry>,
    /// The scene, of that industry; none when neither the scope nor the text tells.
    pub scene: Option<Scene>,
    /// What the caller does. It is the best guess also when the utterance is not in scope.
    pub action: Action,
    /// The objection that the action is, or counts as ([`Action::objection`]).
    pub objection: Option<Objection>,
    /// The probability of the action, 0 to 1.
    pub confidence: f32,
    /// It is something that callers say in such a call. What is not (the weather, a song) is for the language model or a
    /// question back.
    pub in_scope: bool,
    /// The next best action and its probability.
    pub runner_up: Option<(Action, f32)>,
}

impl Reading {
    /// The path as it stands in records: `finance/credit_card/too_expensive`, with `-` for what is unknown.
    #[must_use]
    pub fn path(&self) -> String {
        let industry = self.industry.map_or("-", Industry::id);
        let scene = self.scene.map_or("-", Scene::id);
        format!("{industry}/{scene}/{}", self.action.id())
    }
}

/// Reads utterances, whole ones and beginnings of them: a pure function of the text, so that it can be asked at every partial
/// result.
pub trait ReadIntents: Send + Sync {
    /// What the caller does with `text`. Never fails; an empty text is [`Action::Silence`].
    fn read(&self, text: &str, scope: &Scope) -> Reading;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_place_for_what_is_unknown() {
        let mut reading = Reading {
            industry: None,
            scene: None,
            action: Action::Object(Objection::TooExpensive),
            objection: Some(Objection::TooExpensive),
            confidence: 0.9,
            in_scope: true,
            runner_up: None,
        };
        assert_eq!(reading.path(), "-/-/too_expensive");
        let scope = Scope::of(Language::En, Scene::from_id("credit_card").unwrap());
        (reading.industry, reading.scene) = (scope.industry, scope.scene);
        assert_eq!(reading.path(), "finance/credit_card/too_expensive");
    }
}
