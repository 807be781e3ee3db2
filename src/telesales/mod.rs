//! Selling by telephone, beside the single call: what is learned from the calls that were made.
//!
//! Knows calls by their plan, which goes down, and by their record, which comes up; never signalling, media or engines.

pub mod learn;

use serde::Deserialize;

/// The `[telesales]` section.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Learning which lines sell.
    pub learn: learn::Config,
}

impl Config {
    /// What no single key shows.
    ///
    /// # Errors
    /// The key, what is wrong with it, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.learn.check().map_err(|what| format!("telesales.learn.{what}"))
    }
}
