//! What a caller means: text in, scores out.
//!
//! An utterance is read on three levels that fit together: the industry, the scene within it, and the action, which is one of
//! twenty plain ones or one of the 28 [objections](Objection). [`Intents`] reads it, a pure function of the text that can be asked
//! at every partial result; [`learn`] makes its models from [families](families::Families) of utterances, or a [`Classifier`]
//! from any labelled texts. Pure: no clock, no thread, no file.

mod action;
mod bytes;
mod classifier;
mod concepts;
mod error;
pub mod families;
mod features;
mod intents;
mod language;
pub mod learn;
mod matrix;
mod mishear;
mod nearest;
pub(crate) mod numerals;
mod objection;
mod reading;
mod scene;
mod sounds;
mod vocabulary;

pub use action::Action;
pub use classifier::{Blend, Classifier, Scores};
pub use error::NluError;
pub use features::Features;
pub use intents::Intents;
pub use language::Language;
pub use mishear::Mishearing;
pub use objection::{Objection, ObjectionFamily};
pub use reading::{Actions, ReadIntents, Reading, Scope};
pub use scene::{Industry, Scene};
