//! How a line is to be said, whichever engine says it.

/// How a line is to be said. It is applied to the synthesised sound, so that lines kept ready stay of use and every
/// synthesiser can do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Pace in percent of the voice's own: 80 slow to 120 fast.
    pub rate_percent: u16,
    /// Softer than usual.
    pub softer: bool,
}

impl Manner {
    /// As the voice speaks by itself.
    pub const USUAL: Self = Self { rate_percent: 100, softer: false };
}

impl Default for Manner {
    fn default() -> Self {
        Self::USUAL
    }
}
