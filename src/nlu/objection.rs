//! The 28 classes of objections that a telesales agent must be able to answer.

/// What a called person has against it. The names are stable: flows, records and figures use them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Objection {
    /// Not interested, no thanks.
    NotInterested,
    /// Busy at this moment: a meeting, driving, eating.
    BusyNow,
    /// Wants something in writing first, or by message.
    SendInfo,
    /// Call some other time, without saying when (a fixed time is [`Action::Callback`](super::Action::Callback)).
    CallLater,
    /// Asks where the number comes from.
    HowGotNumber,
    /// Takes the call for a fraud.
    ScamSuspicion,
    /// Does not want to talk to a machine (the mere question is [`Action::RobotQuestion`](super::Action::RobotQuestion)).
    RobotAversion,
    /// Has never heard of the company; is it a proper one?
    UnknownCompany,
    /// Has no use for it.
    NoNeed,
    /// Has one already, from somebody else.
    HasSupplier,
    /// Is content with what there is.
    SatisfiedNow,
    /// Had it or its like before, and it went badly.
    BadExperience,
    /// The price is too high.
    TooExpensive,
    /// Has no money for it.
    NoBudget,
    /// Doubts about fees: rate, hidden charges, what else is to be paid.
    FeeDoubt,
    /// Wants it cheaper.
    WantsDiscount,
    /// Has seen it for less elsewhere.
    CheaperElsewhere,
    /// Must ask family or boss first.
    ConsultOthers,
    /// Is not the one who decides such things.
    NotDecisionMaker,
    /// Is bound by a contract that has not run out.
    LockedContract,
    /// Is still comparing offers.
    Comparing,
    /// Wants to think about it.
    ThinkAboutIt,
    /// The wrong season: after the holidays, next quarter.
    BadTiming,
    /// Too much trouble, too hard to handle.
    TooComplicated,
    /// Fears a loss, or a mark on the credit record.
    RiskFear,
    /// Doubts that it works; wants proof.
    EffectDoubt,
    /// Does not want to give personal data.
    PrivacyWorry,
    /// Asks for refund, penalty, after-sales service.
    RefundAftersales,
}

impl Objection {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 28] = [
        Self::NotInterested,
        Self::BusyNow,
        Self::SendInfo,
        Self::CallLater,
        Self::HowGotNumber,
        Self::ScamSuspicion,
        Self::RobotAversion,
        Self::UnknownCompany,
        Self::NoNeed,
        Self::HasSupplier,
        Self::SatisfiedNow,
        Self::BadExperience,
        Self::TooExpensive,
        Self::NoBudget,
        Self::FeeDoubt,
        Self::WantsDiscount,
        Self::CheaperElsewhere,
        Self::ConsultOthers,
        Self::NotDecisionMaker,
        Self::LockedContract,
        Self::Comparing,
        Self::ThinkAboutIt,
        Self::BadTiming,
        Self::TooComplicated,
        Self::RiskFear,
        Self::EffectDoubt,
        Self::PrivacyWorry,
        Self::RefundAftersales,
    ];

    /// The stable name, as flows, records and data sets write it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::NotInterested => "not_interested",
            Self::BusyNow => "busy_now",
            Self::SendInfo => "send_info",
            Self::CallLater => "call_later",
            Self::HowGotNumber => "how_got_number",
            Self::ScamSuspicion => "scam_suspicion",
            Self::RobotAversion => "robot_aversion",
            Self::UnknownCompany => "unknown_company",
            Self::NoNeed => "no_need",
            Self::HasSupplier => "has_supplier",
            Self::SatisfiedNow => "satisfied_now",
            Self::BadExperience => "bad_experience",
            Self::TooExpensive => "too_expensive",
            Self::NoBudget => "no_budget",
            Self::FeeDoubt => "fee_doubt",
            Self::WantsDiscount => "wants_discount",
            Self::CheaperElsewhere => "cheaper_elsewhere",
            Self::ConsultOthers => "consult_others",
            Self::NotDecisionMaker => "not_decision_maker",
            Self::LockedContract => "locked_contract",
            Self::Comparing => "comparing",
            Self::ThinkAboutIt => "think_about_it",
            Self::BadTiming => "bad_timing",
            Self::TooComplicated => "too_complicated",
            Self::RiskFear => "risk_fear",
            Self::EffectDoubt => "effect_doubt",
            Self::PrivacyWorry => "privacy_worry",
            Self::RefundAftersales => "refund_aftersales",
        }
    }

    /// What a Chinese page calls it.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::NotInterested => "没兴趣",
            Self::BusyNow => "在忙",
            Self::SendInfo => "先发资料",
            Self::CallLater => "改天再打",
            Self::HowGotNumber => "怎么有我电话",
            Self::ScamSuspicion => "是不是骗子",
            Self::RobotAversion => "不跟机器人说",
            Self::UnknownCompany => "没听过这家公司",
            Self::NoNeed => "用不上",
            Self::HasSupplier => "已经有了",
            Self::SatisfiedNow => "现在的挺好",
            Self::BadExperience => "以前用过不好",
            Self::TooExpensive => "太贵",
            Self::NoBudget => "没钱",
            Self::FeeDoubt => "费用疑问",
            Self::WantsDiscount => "有优惠吗",
            Self::CheaperElsewhere => "别家更便宜",
            Self::ConsultOthers => "跟家人商量",
            Self::NotDecisionMaker => "我不负责",
            Self::LockedContract => "合同没到期",
            Self::Comparing => "再对比一下",
            Self::ThinkAboutIt => "考虑一下",
            Self::BadTiming => "现在不是时候",
            Self::TooComplicated => "太麻烦",
            Self::RiskFear => "有风险吗",
            Self::EffectDoubt => "真有效果吗",
            Self::PrivacyWorry => "怕泄露信息",
            Self::RefundAftersales => "能退吗",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }

    /// The family that it belongs to.
    #[must_use]
    pub fn family(self) -> ObjectionFamily {
        match self as u8 {
            0..=3 => ObjectionFamily::Dismissal,
            4..=7 => ObjectionFamily::Trust,
            8..=11 => ObjectionFamily::Need,
            12..=16 => ObjectionFamily::Price,
            17..=20 => ObjectionFamily::Decision,
            21..=23 => ObjectionFamily::Hesitation,
            _ => ObjectionFamily::Risk,
        }
    }
}

/// What kind of thing stands behind an objection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectionFamily {
    /// Wants off the line.
    Dismissal,
    /// Does not trust the call.
    Trust,
    /// Sees no need.
    Need,
    /// Money.
    Price,
    /// Somebody or something else decides.
    Decision,
    /// Not yet.
    Hesitation,
    /// What could go wrong.
    Risk,
}

impl ObjectionFamily {
    /// The stable name.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Dismissal => "dismissal",
            Self::Trust => "trust",
            Self::Need => "need",
            Self::Price => "price",
            Self::Decision => "decision",
            Self::Hesitation => "hesitation",
            Self::Risk => "risk",
        }
    }
}
