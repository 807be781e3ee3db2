//! What was said so far, as far as both have heard it: bounded, the oldest forgotten first.

use crate::speech::{ChatMessage, Role};
use std::collections::VecDeque;

/// Both sides of the fifteen turns that a caller has in a sales call, and some.
const MAX_TURNS: usize = 32;
const MAX_CHARS: usize = 400;

/// The conversation so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    turns: VecDeque<ChatMessage>,
}

impl Memory {
    /// Keeps what somebody said; successive turns of one speaker become one, of which the end is kept: a question stands last.
    pub fn keep(&mut self, role: Role, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let bounded = |text: &str| {
            let chars: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
            chars.iter().skip(chars.len().saturating_sub(MAX_CHARS)).collect::<String>()
        };
        match self.turns.back_mut() {
            Some(last) if last.role == role => last.content = bounded(&format!("{} {text}", last.content)),
            _ => self.turns.push_back(ChatMessage { role, content: bounded(text) }),
        }
        while self.turns.len() > MAX_TURNS {
            self.turns.pop_front();
        }
    }

    /// All turns, the oldest first.
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = &ChatMessage> {
        self.turns.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_sales_call_is_remembered() {
        let mut memory = Memory::default();
        for turn in 0..15 {
            memory.keep(Role::Assistant, &format!("question {turn}"));
            memory.keep(Role::User, &format!("answer {turn}"));
        }
        assert_eq!(memory.turns().count(), 30);
        assert_eq!(memory.turns().next().unwrap().content, "question 0");
    }

    #[test]
    fn of_long_turns_the_end_is_remembered() {
        let mut memory = Memory::default();
        memory.keep(Role::Assistant, &"a fact ".repeat(70));
        memory.keep(Role::Assistant, "So, may I send you the link?");
        let kept = &memory.turns().next().unwrap().content;
        assert!(kept.ends_with("may I send you the link?") && kept.chars().count() == MAX_CHARS, "{kept}");
    }

    #[test]
    fn it_is_bounded_and_joins_what_one_speaker_said() {
        let mut memory = Memory::default();
        memory.keep(Role::Assistant, "Hello.");
        memory.keep(Role::Assistant, "Are you coming?");
        memory.keep(Role::User, " ");
        assert_eq!(memory.turns().count(), 1);
        assert_eq!(memory.turns().next().unwrap().content, "Hello. Are you coming?");
        for _ in 0..100 {
            memory.keep(Role::User, &"x".repeat(10_000));
            memory.keep(Role::Assistant, "hm");
        }
        assert_eq!(memory.turns().count(), MAX_TURNS);
        assert!(memory.turns().all(|turn| turn.content.chars().count() <= MAX_CHARS));
    }
}
