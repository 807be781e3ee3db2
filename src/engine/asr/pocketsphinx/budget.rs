//! What decoding a call may cost.
//!
//! What is said in a breath takes half of what can be saved up. Somebody else's talk, noise and an echo go on, pause and go on, and
//! each pause has all of it decoded again: when nothing is left, it is decoded once, as it comes, and an answer is what is
//! understood so far.

/// Frames of all models and of all passes.
pub(super) struct Budget {
    /// Frames that may have been decoded since the call began.
    limit: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { limit: Self::SAVED }
    }
}

impl Budget {
    /// For each frame of audio.
    pub const EACH: usize = 3;
    /// Saved up at most, and to begin with.
    pub const SAVED: usize = 4_000;

    /// So many frames of audio came, and `decoded` were decoded since the call began.
    pub fn earn(&mut self, frames: usize, decoded: usize) {
        self.limit = (self.limit + Self::EACH * frames).min(decoded + Self::SAVED);
    }

    /// So many are all, or more.
    pub fn is_spent(&self, decoded: usize) -> bool {
        decoded > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_up_is_spent_and_no_more_than_so_much_is_saved() {
        let mut budget = Budget::default();
        assert!(!budget.is_spent(Budget::SAVED) && budget.is_spent(Budget::SAVED + 1));
        budget.earn(100, 50);
        assert!(budget.is_spent(Budget::SAVED + 51), "silence saves nothing up beyond the most");
        budget.earn(100, Budget::SAVED + 50);
        assert!(!budget.is_spent(Budget::SAVED + 350) && budget.is_spent(Budget::SAVED + 351));
    }
}
