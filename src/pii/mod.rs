//! Personal data: wrappers that do not print themselves, and masking of text and addresses.
//!
//! What leaves a call (text, log, record) passes here first. Masking is a floor, not a proof: it finds what has the shape of
//! a number, a card or an address, written or spoken, in Latin and Chinese script; it does not find names.

mod address;
mod detect;
mod wrap;

pub use address::{mask_number, mask_uri};
pub use detect::{Finding, FindingKind, find, mask_text};
pub use wrap::{Pii, Secret};
