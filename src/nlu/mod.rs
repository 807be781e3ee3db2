//! What a caller means: text in, scores out.
//!
//! An utterance is read on three levels that fit together: the industry, the scene within it, and the action, which is one of
//! twenty plain ones or one of the 28 [objections](Objection). Pure: no clock, no thread, no file.

mod action;
mod language;
mod objection;
mod reading;
mod scene;

pub use action::Action;
pub use language::Language;
pub use objection::{Objection, ObjectionFamily};
pub use reading::{ReadIntents, Reading, Scope};
pub use scene::{Industry, Scene};
