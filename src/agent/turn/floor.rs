//! Who has the floor.

/// Who is speaking, or about to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Floor {
    /// Nobody: the caller is expected to.
    Idle,
    /// The caller, pauses within the turn included.
    Caller,
    /// The agent, from the decision to speak to the last sample played.
    Agent,
    /// Both: somebody has to yield.
    Both,
}

impl Floor {
    /// The floor, given whether a turn of the caller is open and whether the agent has something to say.
    pub const fn of(caller: bool, agent: bool) -> Self {
        match (caller, agent) {
            (false, false) => Self::Idle,
            (true, false) => Self::Caller,
            (false, true) => Self::Agent,
            (true, true) => Self::Both,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Floor;

    #[test]
    fn both_is_neither_of_them() {
        assert_eq!(Floor::of(true, true), Floor::Both);
        assert_eq!(Floor::of(true, false), Floor::Caller);
        assert_eq!(Floor::of(false, true), Floor::Agent);
        assert_eq!(Floor::of(false, false), Floor::Idle);
    }
}
