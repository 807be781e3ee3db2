//! What the server knows of the conversation, beside what the agent remembers: the agent's memory is the one that counts.

use crate::speech::{ChatMessage, Role};

/// An item of the server's conversation.
#[derive(Clone, PartialEq, Debug)]
struct Item {
    id: String,
    role: Role,
    /// Bare words.
    words: String,
}

/// The server's conversation, in order.
#[derive(Default, Debug)]
pub(super) struct History {
    items: Vec<Item>,
    made: u64,
}

/// An item that the server has to be told of.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Missing {
    pub id: String,
    /// The item before it; none: it comes first.
    pub after: Option<String>,
    pub role: Role,
    pub text: String,
}

impl History {
    /// The server has an item at the end.
    pub fn add(&mut self, id: &str, role: Role, text: &str) {
        match self.items.iter_mut().find(|item| item.id == id) {
            Some(item) => item.words = bare(text),
            None => self.items.push(Item { id: id.to_owned(), role, words: bare(text) }),
        }
    }

    /// What the server does not know of these messages. After that it counts as known.
    pub fn missing(&mut self, messages: &[ChatMessage]) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut at = 0;
        for message in messages.iter().filter(|message| message.role != Role::System) {
            let words = bare(&message.content);
            if words.is_empty() {
                continue;
            }
            let same = |item: &Item| {
                item.role == message.role
                    && !item.words.is_empty()
                    && (words.contains(&item.words) || item.role == Role::Assistant && item.words.contains(&words))
            };
            if let Some(found) = self.items.iter().skip(at).position(same) {
                at += found;
                // The agent's answer may come in several messages, the caller's words in several items.
                while message.role == Role::User && self.items.get(at).is_some_and(same) {
                    at += 1;
                }
                continue;
            }
            // Behind an answer that an earlier message was found in.
            if self.items.get(at).is_some_and(|item| item.role == Role::Assistant) && message.role == Role::User {
                at += 1;
            }
            self.made += 1;
            let id = format!("tip_{}", self.made);
            let after = at.checked_sub(1).and_then(|before| self.items.get(before)).map(|item| item.id.clone());
            missing.push(Missing { id: id.clone(), after, role: message.role, text: message.content.clone() });
            self.items.insert(at.min(self.items.len()), Item { id, role: message.role, words });
            at += 1;
        }
        missing
    }
}

/// Lower case, letters and digits, single spaces.
fn bare(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    plain.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(all: &[(Role, &str)]) -> Vec<ChatMessage> {
        all.iter().map(|(role, content)| ChatMessage { role: *role, content: (*content).to_owned() }).collect()
    }

    #[test]
    fn the_server_is_told_what_it_has_not_heard_in_its_place() {
        let mut history = History::default();
        history.add("u1", Role::User, "");
        history.add("u1", Role::User, "When do you open?");
        let first = messages(&[
            (Role::System, "Be brief."),
            (Role::Assistant, "Good morning."),
            (Role::User, "when do you open"),
        ]);
        let missing = history.missing(&first);
        let greeting = Missing { id: "tip_1".into(), after: None, role: Role::Assistant, text: "Good morning.".into() };
        assert_eq!(missing, [greeting]);
        history.add("a1", Role::Assistant, "At nine. Come in by the door.");
        history.add("u2", Role::User, "And");
        history.add("u3", Role::User, "on Sunday?");
        let second = messages(&[
            (Role::Assistant, "Good morning."),
            (Role::User, "when do you open"),
            (Role::Assistant, "At nine."),
            (Role::Assistant, "Come in"),
            (Role::User, "and on sunday"),
        ]);
        assert_eq!(history.missing(&second), []);
        assert_eq!(history.missing(&second), [], "asked twice nothing is new");
        let keys = messages(&[(Role::User, "and on sunday"), (Role::Assistant, "A fixed line."), (Role::User, "yes")]);
        let told: Vec<_> = history.missing(&keys).into_iter().map(|m| (m.after.unwrap(), m.text)).collect();
        assert_eq!(told, [("u3".into(), "A fixed line.".into()), ("tip_2".into(), "yes".into())]);
    }
}
