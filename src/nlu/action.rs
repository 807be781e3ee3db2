//! What a caller does with an utterance.

use super::Objection;

/// What a caller does with an utterance. Objections are actions too: every reading has exactly one.
///
/// The names are stable: flows, records and figures use them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Says hello, or asks whether somebody is there.
    Greet,
    /// Yes, right, go on.
    Confirm,
    /// A plain no, that is not so.
    Deny,
    /// Asks what it costs.
    AskPrice,
    /// Asks what it is, how it works, what is in it.
    AskQuestion,
    /// Asks who is calling and what about.
    AskIdentity,
    /// Answers with a fact: a name, a number, a place, a habit.
    GiveSlot,
    /// Wants it: how do I apply, when does it arrive, sign me up.
    BuyingSignal,
    /// Fixes a time at which to be called.
    Callback,
    /// Wants a person on the line.
    TransferHuman,
    /// Never call again, take me off the list.
    DoNotCall,
    /// Insults.
    Abuse,
    /// Complains, or threatens to: the regulator, the police, the press.
    Complaint,
    /// Wrong number, or the person asked for is not the one on the line.
    WrongPerson,
    /// A child is on the line.
    Minor,
    /// Illness, death, despair, an emergency.
    Distress,
    /// Asks whether this is a machine.
    RobotQuestion,
    /// Did not hear or understand, asks to say it again.
    Repeat,
    /// Takes leave.
    Goodbye,
    /// Nothing, or fillers only.
    Silence,
    /// Has something against it.
    Object(Objection),
}

impl Action {
    /// The actions that are no objections, in the order of their numbers.
    pub const PLAIN: [Self; 20] = [
        Self::Greet,
        Self::Confirm,
        Self::Deny,
        Self::AskPrice,
        Self::AskQuestion,
        Self::AskIdentity,
        Self::GiveSlot,
        Self::BuyingSignal,
        Self::Callback,
        Self::TransferHuman,
        Self::DoNotCall,
        Self::Abuse,
        Self::Complaint,
        Self::WrongPerson,
        Self::Minor,
        Self::Distress,
        Self::RobotQuestion,
        Self::Repeat,
        Self::Goodbye,
        Self::Silence,
    ];

    /// How many actions there are, objections counted.
    pub const COUNT: usize = Self::PLAIN.len() + Objection::ALL.len();

    /// The place among [`all`](Self::all).
    pub(crate) fn number(self) -> usize {
        match self {
            Self::Object(objection) => Self::PLAIN.len() + objection as usize,
            plain => Self::PLAIN.iter().position(|action| *action == plain).unwrap_or(0),
        }
    }

    /// All actions, objections last.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(Objection::ALL.map(Self::Object))
    }

    /// The stable name, as flows, records and data sets write it. An objection has its own.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
            Self::AskPrice => "ask_price",
            Self::AskQuestion => "ask_question",
            Self::AskIdentity => "ask_identity",
            Self::GiveSlot => "give_slot",
            Self::BuyingSignal => "buying_signal",
            Self::Callback => "callback",
            Self::TransferHuman => "transfer_human",
            Self::DoNotCall => "do_not_call",
            Self::Abuse => "abuse",
            Self::Complaint => "complaint",
            Self::WrongPerson => "wrong_person",
            Self::Minor => "minor",
            Self::Distress => "distress",
            Self::RobotQuestion => "robot_question",
            Self::Repeat => "repeat",
            Self::Goodbye => "goodbye",
            Self::Silence => "silence",
            Self::Object(objection) => objection.id(),
        }
    }

    /// What a Chinese page calls it.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::Greet => "打招呼",
            Self::Confirm => "肯定",
            Self::Deny => "否定",
            Self::AskPrice => "问价格",
            Self::AskQuestion => "问产品",
            Self::AskIdentity => "问来意",
            Self::GiveSlot => "给信息",
            Self::BuyingSignal => "想买",
            Self::Callback => "约时间回电",
            Self::TransferHuman => "转人工",
            Self::DoNotCall => "别再打",
            Self::Abuse => "辱骂",
            Self::Complaint => "投诉",
            Self::WrongPerson => "打错了",
            Self::Minor => "未成年",
            Self::Distress => "悲痛危急",
            Self::RobotQuestion => "问是否机器人",
            Self::Repeat => "没听清",
            Self::Goodbye => "再见",
            Self::Silence => "无话",
            Self::Object(objection) => objection.zh(),
        }
    }

    /// The action with this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::all().find(|action| action.id() == id)
    }

    /// The objection, when it is one. To be asked whether this is a machine counts as the wish not to talk to one, as the
    /// table of objections has it, because the same answers serve.
    #[must_use]
    pub fn objection(self) -> Option<Objection> {
        match self {
            Self::Object(objection) => Some(objection),
            Self::RobotQuestion => Some(Objection::RobotAversion),
            _ => None,
        }
    }

    /// It must be answered in every state of a flow, whatever was asked there.
    #[must_use]
    pub fn interrupts(self) -> bool {
        matches!(
            self,
            Self::TransferHuman
                | Self::DoNotCall
                | Self::Abuse
                | Self::Complaint
                | Self::WrongPerson
                | Self::Minor
                | Self::Distress
                | Self::RobotQuestion
        )
    }

    /// The caller leans towards buying: a question about price or product, or the wish itself.
    #[must_use]
    pub fn buys(self) -> bool {
        matches!(self, Self::AskPrice | Self::AskQuestion | Self::BuyingSignal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_lead_back() {
        let names: BTreeSet<&str> = Action::all().map(Action::id).collect();
        assert_eq!((names.len(), Action::all().count()), (Action::COUNT, Action::COUNT));
        assert!(Action::all().all(|action| Action::from_id(action.id()) == Some(action)));
        assert_eq!(Action::from_id("refund_aftersales"), Some(Action::Object(Objection::RefundAftersales)));
        assert_eq!(Action::from_id("nothing_of_the_kind"), None);
    }

    #[test]
    fn what_must_be_heard_everywhere_is_told_from_the_rest() {
        let everywhere: Vec<&str> = Action::all().filter(|action| action.interrupts()).map(Action::id).collect();
        assert_eq!(everywhere.len(), 8, "{everywhere:?}");
        assert!(!Action::Confirm.interrupts() && Action::Object(Objection::NotInterested).objection().is_some());
    }
}
