//! What was learned, as it is kept: one JSON document with a version.

use super::arm::{Arms, Topic};
use super::learned::{Groups, Learned};
use serde::{Deserialize, Serialize};

/// Version of the document; raised when a field changes its meaning.
pub const STATE_VERSION: u32 = 1;

/// Why a document is not what was learned.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// No JSON, or other fields.
    #[error("it is damaged ({0})")]
    Damaged(#[from] serde_json::Error),
    /// Another program wrote it.
    #[error("it has version {found}, and this tipring reads version {STATE_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The counts contradict each other.
    #[error("it is damaged ({flow}, {kind}, {arm}: more sales or complaints than calls, or no number)")]
    Counts {
        /// The topic's flow.
        flow: String,
        /// The topic's kind.
        kind: String,
        /// The arm.
        arm: String,
    },
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    seed: u64,
    planned: u64,
    topics: Vec<TopicEntry>,
    groups: Vec<GroupEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicEntry {
    flow: String,
    kind: String,
    segment: String,
    arms: Arms,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupEntry {
    flow: String,
    segment: String,
    #[serde(rename = "calls")]
    groups: Groups,
}

impl Learned {
    /// The document.
    pub fn to_json(&self) -> String {
        let topics = self.topics.iter().map(|(topic, arms)| {
            let Topic { flow, kind, segment } = topic.clone();
            TopicEntry { flow, kind, segment, arms: arms.clone() }
        });
        let groups = self.groups.iter().map(|((flow, segment), groups)| GroupEntry {
            flow: flow.clone(),
            segment: segment.clone(),
            groups: *groups,
        });
        let document = Document {
            version: STATE_VERSION,
            seed: self.seed,
            planned: self.planned,
            topics: topics.collect(),
            groups: groups.collect(),
        };
        // Maps with text keys and numbers: nothing in it can fail to be written.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Whatever is not exactly what [`to_json`](Self::to_json) writes: nothing is guessed and nothing left out.
    pub fn from_json(text: &str) -> Result<Self, StateError> {
        let Versioned { version } = serde_json::from_str(text)?;
        if version != STATE_VERSION {
            return Err(StateError::Version { found: version });
        }
        let document: Document = serde_json::from_str(text)?;
        for entry in &document.topics {
            for (name, arm) in &entry.arms.0 {
                let number = |value: f64| value.is_finite() && value >= 0.0;
                let sound = arm.sales <= arm.calls
                    && arm.complaints <= arm.calls
                    && number(arm.evidence_calls)
                    && number(arm.evidence_sales)
                    && arm.evidence_sales <= arm.evidence_calls + 1e-6;
                if !sound {
                    let (flow, kind, arm) = (entry.flow.clone(), entry.kind.clone(), name.clone());
                    return Err(StateError::Counts { flow, kind, arm });
                }
            }
        }
        let topics = document
            .topics
            .into_iter()
            .map(|entry| (Topic { flow: entry.flow, kind: entry.kind, segment: entry.segment }, entry.arms));
        let groups = document.groups.into_iter().map(|entry| ((entry.flow, entry.segment), entry.groups));
        Ok(Self { seed: document.seed, planned: document.planned, topics: topics.collect(), groups: groups.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Lines, Outcome};
    use super::*;

    fn learned() -> Learned {
        let config = Config { half_life_calls: 50, ..Config::default() };
        let mut learned = Learned::new(u64::MAX);
        let lists = [Lines { kind: "opening".to_owned(), arms: vec!["a".to_owned(), "b".to_owned()] }];
        for call in 0..300u32 {
            let plan = learned.plan(&config, "card", "young", &lists);
            let said = vec![("opening".to_owned(), plan.order["opening"][0].clone())];
            let complained = said[0].1 == "b" && call % 5 == 0;
            let (flow, segment) = ("card".to_owned(), "young".to_owned());
            let sold = call % 7 == 0;
            learned.book(&config, &Outcome { flow, segment, control: plan.control, said, sold, complained });
        }
        learned
    }

    #[test]
    fn what_is_kept_is_what_was_learned_and_goes_on_the_same() {
        let mut before = learned();
        let mut after = Learned::from_json(&before.to_json()).unwrap();
        assert_eq!(after, before);
        let lists = [Lines { kind: "opening".to_owned(), arms: vec!["a".to_owned(), "b".to_owned()] }];
        for _ in 0..100 {
            let config = Config::default();
            let (one, other) =
                (before.plan(&config, "card", "young", &lists), after.plan(&config, "card", "young", &lists));
            assert_eq!(one, other);
        }
    }

    #[test]
    fn a_damaged_document_is_refused_whole() {
        let text = learned().to_json();
        assert!(matches!(Learned::from_json(&text[..text.len() / 2]), Err(StateError::Damaged(_))));
        assert!(matches!(Learned::from_json(""), Err(StateError::Damaged(_))));
        let newer = text.replacen("\"version\": 1", "\"version\": 2", 1);
        assert!(matches!(Learned::from_json(&newer), Err(StateError::Version { found: 2 })));
        let extra = text.replacen("\"seed\"", "\"new\": 1, \"seed\"", 1);
        assert!(matches!(Learned::from_json(&extra), Err(StateError::Damaged(_))));
        let calls = text.find("\"calls\": ").unwrap() + 9;
        let end = calls + text[calls..].find(',').unwrap();
        let fewer = format!("{}0{}", &text[..calls], &text[end..]);
        assert!(matches!(Learned::from_json(&fewer), Err(StateError::Counts { .. })), "{fewer}");
    }
}
