//! What a state lets the language model do: offered to it as tools, and the judge of every call that it makes. A call is taken
//! by its type, or not at all; what it names must be on the list of the state in which it was asked.

use super::data::unmarked;
use crate::speech::Tool;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The tools that a state may allow.
pub(crate) const TOOLS: [&str; 7] =
    ["fill_slot", "goto", "record_objection", "offer", "schedule_callback", "transfer", "end_call"];

/// Most characters of a value that a model fills in.
const MAX_VALUE: usize = 120;

/// The allow-list of a state.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Permits {
    /// Slots that may be filled, with the values that are listed for them; no values: any.
    pub slots: BTreeMap<String, Vec<String>>,
    /// States that may be gone to, by name, with their numbers.
    pub states: BTreeMap<String, usize>,
    /// Objections that may be noted.
    pub objections: BTreeSet<String>,
    /// Approved offers that may be made.
    pub offers: BTreeSet<String>,
    /// A call-back may be agreed on.
    pub callback: bool,
    /// Who the caller may be handed to: the flow's target, never the model's.
    pub transfer: Option<String>,
    /// The call may be ended.
    pub end: bool,
}

/// What a call asks for, found to be allowed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Move {
    Fill { slot: String, value: String },
    Goto(usize),
    Objection(String),
    Offer(String),
    Callback { when: String },
    Transfer(String),
    End,
}

/// Why a call is not obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// There is no such tool.
    Unknown,
    /// The state does not allow it, or not with what it names.
    Forbidden,
    /// Its arguments are not those of the tool.
    Malformed,
}

impl Refusal {
    /// For records and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Forbidden => "forbidden",
            Self::Malformed => "malformed",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FillSlot {
    slot: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Goto {
    state: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordObjection {
    objection: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    offer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleCallback {
    when: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn read<T: DeserializeOwned>(arguments: &Value) -> Result<T, Refusal> {
    T::deserialize(arguments).map_err(|_| Refusal::Malformed)
}

impl Permits {
    /// Judges a call.
    ///
    /// # Errors
    /// Why it is not obeyed.
    pub fn judge(&self, name: &str, arguments: &Value) -> Result<Move, Refusal> {
        let allowed = |allowed: bool| if allowed { Ok(()) } else { Err(Refusal::Forbidden) };
        match name {
            "fill_slot" => {
                let FillSlot { slot, value } = read(arguments)?;
                let values = self.slots.get(&slot).ok_or(Refusal::Forbidden)?;
                let value: String = unmarked(&value).chars().take(MAX_VALUE).collect();
                allowed(!value.is_empty() && (values.is_empty() || values.contains(&value)))?;
                Ok(Move::Fill { slot, value })
            }
            "goto" => {
                let Goto { state } = read(arguments)?;
                self.states.get(&state).copied().map(Move::Goto).ok_or(Refusal::Forbidden)
            }
            "record_objection" => {
                let RecordObjection { objection } = read(arguments)?;
                allowed(self.objections.contains(&objection)).map(|()| Move::Objection(objection))
            }
            "offer" => {
                let Offer { offer } = read(arguments)?;
                allowed(self.offers.contains(&offer)).map(|()| Move::Offer(offer))
            }
            "schedule_callback" => {
                let ScheduleCallback { when } = read(arguments)?;
                let when: String = unmarked(&when).chars().take(MAX_VALUE).collect();
                allowed(self.callback && !when.is_empty()).map(|()| Move::Callback { when })
            }
            "transfer" => {
                let Nothing {} = read(arguments)?;
                self.transfer.clone().map(Move::Transfer).ok_or(Refusal::Forbidden)
            }
            "end_call" => {
                let Nothing {} = read(arguments)?;
                allowed(self.end).map(|()| Move::End)
            }
            _ => Err(Refusal::Unknown),
        }
    }

    /// The allow-list as tools for the model; what is not on it is not mentioned.
    pub fn tools(&self) -> Vec<Tool> {
        let mut tools = Vec::new();
        let mut add = |name: &str, description: &str, properties: Value| {
            let required: Vec<&String> = properties.as_object().map(|all| all.keys().collect()).unwrap_or_default();
            let parameters = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
            tools.push(Tool { name: name.to_owned(), description: description.to_owned(), parameters });
        };
        if !self.slots.is_empty() {
            let slots: Vec<&String> = self.slots.keys().collect();
            let lists: Vec<String> = self
                .slots
                .iter()
                .filter(|(_, values)| !values.is_empty())
                .map(|(slot, values)| format!("{slot}: {}", values.join(", ")))
                .collect();
            let what = match lists.is_empty() {
                true => "Note what the caller said about one of these.".to_owned(),
                false => format!("Note what the caller said about one of these. Values: {}.", lists.join("; ")),
            };
            add("fill_slot", &what, json!({"slot": {"type": "string", "enum": slots}, "value": {"type": "string"}}));
        }
        if !self.states.is_empty() {
            let states: Vec<&String> = self.states.keys().collect();
            let what = "Go on with this part of the conversation after your answer.";
            add("goto", what, json!({"state": {"type": "string", "enum": states}}));
        }
        if !self.objections.is_empty() {
            add(
                "record_objection",
                "The caller objects: which objection it is. Its approved answer is said.",
                json!({"objection": {"type": "string", "enum": self.objections}}),
            );
        }
        if !self.offers.is_empty() {
            let what = "Make this approved offer. Never describe another one.";
            add("offer", what, json!({"offer": {"type": "string", "enum": self.offers}}));
        }
        if self.callback {
            let what = "The caller wants to be called again, and said when.";
            add("schedule_callback", what, json!({"when": {"type": "string"}}));
        }
        if self.transfer.is_some() {
            add("transfer", "The caller wants to speak with a person.", json!({}));
        }
        if self.end {
            add("end_call", "The caller has said goodbye or wants to end the call.", json!({}));
        }
        tools
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits() -> Permits {
        Permits {
            slots: BTreeMap::from([
                ("day".to_owned(), vec!["monday".to_owned(), "friday".to_owned()]),
                ("note".to_owned(), Vec::new()),
            ]),
            states: BTreeMap::from([("close".to_owned(), 4)]),
            offers: BTreeSet::from(["first_year".to_owned()]),
            end: true,
            ..Permits::default()
        }
    }

    #[test]
    fn what_is_on_the_list_is_obeyed() {
        let permits = permits();
        let judge = |name: &str, arguments: Value| permits.judge(name, &arguments);
        assert_eq!(judge("goto", json!({"state": "close"})), Ok(Move::Goto(4)));
        let filled = Move::Fill { slot: "day".into(), value: "friday".into() };
        assert_eq!(judge("fill_slot", json!({"slot": "day", "value": "friday"})), Ok(filled));
        assert_eq!(judge("offer", json!({"offer": "first_year"})), Ok(Move::Offer("first_year".into())));
        assert_eq!(judge("end_call", json!({})), Ok(Move::End));
        let Ok(Move::Fill { value, .. }) =
            judge("fill_slot", json!({"slot": "note", "value": "a\u{0}\n<b> ".repeat(99)}))
        else {
            panic!()
        };
        assert!(value.chars().count() <= MAX_VALUE && !value.contains(['\n', '<', '\0']));
    }

    #[test]
    fn everything_else_is_refused() {
        let permits = permits();
        for (name, arguments, why) in [
            ("goto", json!({"state": "secret"}), Refusal::Forbidden),
            ("goto", json!({"state": 4}), Refusal::Malformed),
            ("goto", json!({"state": "close", "and": "more"}), Refusal::Malformed),
            ("goto", json!([]), Refusal::Malformed),
            ("fill_slot", json!({"slot": "day", "value": "tuesday"}), Refusal::Forbidden),
            ("fill_slot", json!({"slot": "price", "value": "0"}), Refusal::Forbidden),
            ("fill_slot", json!({"slot": "note", "value": " \n "}), Refusal::Forbidden),
            ("fill_slot", json!({"slot": "day"}), Refusal::Malformed),
            ("offer", json!({"offer": "free_car"}), Refusal::Forbidden),
            ("transfer", json!({}), Refusal::Forbidden),
            ("transfer", json!({"target": "sip:evil@example.com"}), Refusal::Malformed),
            ("schedule_callback", json!({"when": "now"}), Refusal::Forbidden),
            ("record_objection", json!({"objection": "too_expensive"}), Refusal::Forbidden),
            ("end_call", json!({"now": true}), Refusal::Malformed),
            ("run_shell", json!({"command": "rm"}), Refusal::Unknown),
            ("GOTO", json!({"state": "close"}), Refusal::Unknown),
            ("", json!({}), Refusal::Unknown),
        ] {
            assert_eq!(permits.judge(name, &arguments), Err(why), "{name} {arguments}");
        }
    }

    #[test]
    fn only_what_is_allowed_is_offered() {
        let names: Vec<String> = permits().tools().into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["fill_slot", "goto", "offer", "end_call"]);
        assert!(Permits::default().tools().is_empty());
        let tools = permits().tools();
        assert_eq!(tools[1].parameters["properties"]["state"]["enum"], json!(["close"]));
        assert!(tools[0].description.contains("day: monday, friday"));
    }
}
