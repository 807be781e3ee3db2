//! What a customer does when it is their turn.

use super::people::{Parameters, Person, Temperament};
use super::words::{Cue, Say, Words};
use crate::nlu::{Objection, ObjectionFamily};
use crate::sim::Dice;

/// What the agent has just said, as its hearer understands it.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// The kind of the state, as the flow names it: `opening`, `offer` and so on; empty for a plain one.
    pub kind: &'static str,
    /// What the question is by its words.
    pub cue: Option<Cue>,
    /// The need that is asked for: its number.
    pub need: Option<usize>,
    /// Another need that the same question asks for: its number.
    pub need_too: Option<usize>,
    /// The objection that was just answered, and how good the wording is, from 0 to 1.
    pub rebutted: Option<(String, f64)>,
    /// The objection was met and nothing was left to say to it.
    pub gave_in: bool,
    /// An opening was said; how good its wording is, from 0 to 1.
    pub opening: Option<f64>,
    /// An offer was made.
    pub offer: bool,
    /// What was said before was not understood.
    pub misunderstood: bool,
}

/// What a customer meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Meant {
    /// An action by its name: `confirm`, `ask_price`, `do_not_call`.
    Action(&'static str),
    /// An objection by its name.
    Objection(&'static str),
    /// The answer to the question for this need, and what other need it tells.
    Need(usize, Option<usize>),
    /// What the question asked for.
    Answer,
}

/// What a customer does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Say { text: String, meant: Meant },
    Silence,
    HangUp,
}

/// A customer in a call.
#[derive(Debug)]
pub(super) struct Customer<'a> {
    pub person: Person,
    pub is: &'a Temperament,
    parameters: &'a Parameters,
    words: &'a Words,
    scene: &'a str,
    /// How each need can be put: this customer's answer.
    needs: Vec<String>,
    dice: Dice,
    pub turns: u32,
    pub interest: f64,
    /// What was said last, and how often an objection was held on to.
    last: Option<Meant>,
    held_on: u32,
    /// Decided to buy.
    pub bought: bool,
    /// Asks for a person, or whether it is a machine, at this turn.
    human_at: Option<u32>,
    robot_at: Option<u32>,
    told: Vec<usize>,
    pub demanded_silence: u32,
    /// Complained, or was abusive.
    pub incensed: bool,
}

fn chance_of(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

impl<'a> Customer<'a> {
    pub fn new(
        person: Person,
        (parameters, words, scene): (&'a Parameters, &'a Words, &'a str),
        needs: Vec<String>,
        mut dice: Dice,
    ) -> Option<Self> {
        let is = parameters.of(person.temperament)?;
        let once = |chance: f64, dice: &mut Dice| {
            let at = 1 + (dice.unit() * 6.0) as u32;
            dice.chance(100.0 * chance).then_some(at)
        };
        let (human_at, robot_at) = (once(is.human, &mut dice), once(is.robot, &mut dice));
        Some(Self {
            interest: person.interest,
            person,
            is,
            parameters,
            words,
            scene,
            needs,
            dice,
            turns: 0,
            last: None,
            held_on: 0,
            bought: false,
            human_at,
            robot_at,
            told: Vec::new(),
            demanded_silence: 0,
            incensed: false,
        })
    }

    fn chance(&mut self, share: f64) -> bool {
        self.dice.chance(100.0 * share)
    }

    /// Speaks over a line of the agent that is this long.
    pub fn interrupts(&mut self, line_ms: u64) -> bool {
        line_ms > 2_000 && self.chance(self.is.interrupts)
    }

    /// Somewhere in it.
    pub fn somewhere(&mut self, line_ms: u64) -> u64 {
        (line_ms as f64 * self.dice.between(0.2, 0.85)) as u64
    }

    /// As it is heard.
    pub fn heard(&mut self, text: &str) -> String {
        self.words.misheard(text, &mut self.dice)
    }

    fn say(&mut self, text: String, meant: Meant) -> Deed {
        self.last = Some(meant.clone());
        Deed::Say { text, meant }
    }

    fn act(&mut self, action: &'static str) -> Deed {
        let text = self.words.said(action, self.scene, &mut self.dice);
        if text.trim().is_empty() { Deed::Silence } else { self.say(text, Meant::Action(action)) }
    }

    fn object(&mut self, objection: &'static str) -> Deed {
        let text = self.words.said(objection, self.scene, &mut self.dice);
        self.say(text, Meant::Objection(objection))
    }

    fn answer(&mut self, what: Say) -> Deed {
        let text = self.words.one(what, &mut self.dice);
        self.say(text, Meant::Answer)
    }

    /// Yes, in one's own words or as everybody says it.
    fn yes(&mut self) -> Deed {
        if self.chance(0.5) { self.act("confirm") } else { self.answer(Say::Yes) }
    }

    fn no(&mut self) -> Deed {
        if self.chance(0.5) { self.act("deny") } else { self.answer(Say::No) }
    }

    /// What is thrown in over a line of the agent.
    pub fn throws_in(&mut self, kind: &str) -> Deed {
        if kind == "disclosure" || self.turns == 0 {
            // Nothing to agree with has been said yet.
            return if self.chance(0.5) { self.act("ask_identity") } else { self.brush_off() };
        }
        if self.chance(0.4) {
            return self.act("ask_question");
        }
        match self.person.holds.first().copied() {
            Some(objection) => self.object(objection),
            None => self.act("ask_price"),
        }
    }

    fn brush_off(&mut self) -> Deed {
        if self.chance(self.is.do_not_call) {
            return self.demand_silence();
        }
        let family = |objection: Objection| {
            matches!(objection.family(), ObjectionFamily::Dismissal | ObjectionFamily::Trust)
                || objection == Objection::NoNeed
        };
        let is = self.is;
        match self.parameters.objection(is, &mut self.dice, family) {
            Some(objection) => self.object(objection),
            None => self.act("not_interested"),
        }
    }

    fn demand_silence(&mut self) -> Deed {
        self.demanded_silence += 1;
        self.act("do_not_call")
    }

    /// Asked whether that is what was meant: yes, or the demand once more.
    fn confirms_silence(&mut self) -> Deed {
        if self.chance(0.5) { self.yes() } else { self.act("do_not_call") }
    }

    /// Has had enough.
    fn leave(&mut self) -> Deed {
        if self.chance(self.is.do_not_call) {
            return self.demand_silence();
        }
        if self.chance(self.is.complaint) {
            self.incensed = true;
            return self.act("complaint");
        }
        if self.chance(self.is.abuse) {
            self.incensed = true;
            return self.act("abuse");
        }
        if self.chance(0.3) { self.act("goodbye") } else { Deed::HangUp }
    }

    /// The agent has spoken and waits.
    pub fn turn(&mut self, moment: &Moment) -> Deed {
        self.turns += 1;
        let effect = &self.parameters.effect;
        let late = f64::from(self.turns) - self.person.patience;
        if late > 0.0 {
            self.interest += effect.late_turn;
        }
        if moment.misunderstood {
            self.interest += effect.misunderstood;
        }
        if moment.offer {
            self.interest += effect.offer * self.is.price;
        }
        if let Some(quality) = moment.opening {
            self.interest += effect.opening * (quality - 0.5);
        }
        if moment.cue == Some(Cue::OffTheList) {
            return if self.demanded_silence > 0 { self.confirms_silence() } else { self.no() };
        }
        if moment.cue == Some(Cue::WrongNumber) {
            return self.no();
        }
        if self.demanded_silence > 0 {
            // It was not understood, or not heeded: more firmly, then the receiver.
            return if self.demanded_silence < 4 { self.demand_silence() } else { Deed::HangUp };
        }
        if moment.cue == Some(Cue::StillThere) {
            return self.yes();
        }
        if self.chance(self.is.silent) {
            return Deed::Silence;
        }
        if self.robot_at.is_some_and(|at| at <= self.turns) {
            self.robot_at = None;
            return self.act("robot_question");
        }
        if self.human_at.is_some_and(|at| at <= self.turns) {
            self.human_at = None;
            return self.act("transfer_human");
        }
        let annoyed = late > 0.0 || self.held_on >= 2;
        if annoyed && !self.bought && self.chance(self.is.hangs_up) {
            return self.leave();
        }
        if let Some((objection, quality)) = &moment.rebutted {
            let (objection, quality) = (objection.clone(), *quality);
            return self.after_rebuttal(&objection, quality);
        }
        if moment.gave_in {
            self.interest += effect.objection_persisted;
        }
        match moment.cue {
            Some(Cue::Digits) => return self.answer(Say::Digits),
            Some(Cue::Day) => return self.answer(Say::Day),
            Some(Cue::Hour) => return self.answer(Say::Hour),
            Some(Cue::AnythingElse) => {
                return if self.chance(0.15) { self.act("ask_question") } else { self.answer(Say::Done) };
            }
            Some(Cue::WayOut) => return self.answer(Say::WayOut),
            Some(Cue::StillThere | Cue::OffTheList | Cue::WrongNumber) | None => {}
        }
        match moment.kind {
            "disclosure" | "opening" => self.after_opening(),
            "discovery" => self.in_discovery(moment.need, moment.need_too),
            "offer" => self.decides(),
            "close" => self.at_the_close(),
            "callback" => self.yes(),
            "refusal" | "end" | "transfer" => self.no(),
            _ => self.after_pitch(),
        }
    }

    fn after_opening(&mut self) -> Deed {
        // Whoever is interested brushes off less.
        let brushes_off = self.is.brushes_off * (1.0 - 0.6 * chance_of(self.interest + 2.0));
        let first = self.turns <= 2;
        if first && self.chance(brushes_off) {
            return self.brush_off();
        }
        if self.chance(0.1) {
            return self.act(if first { "ask_identity" } else { "ask_question" });
        }
        self.yes()
    }

    /// They have said what there is to this need, by its number in the flow.
    pub fn has_told(&self, need: usize) -> bool {
        self.told.contains(&need)
    }

    fn in_discovery(&mut self, need: Option<usize>, too: Option<usize>) -> Deed {
        let Some(need) = need.filter(|need| *need < self.needs.len()) else { return self.yes() };
        if !self.chance(self.is.answers) {
            return match self.person.holds.first().copied() {
                Some(objection) if self.chance(0.5) => self.object(objection),
                _ if self.chance(0.5) => self.act("ask_question"),
                _ => self.no(),
            };
        }
        self.interest += self.parameters.effect.need_known;
        self.told.push(need);
        let own = self.needs.get(need).cloned().unwrap_or_default();
        let mut text = if own.is_empty() {
            self.words.said("give_slot", self.scene, &mut self.dice)
        } else {
            self.words.carried(&own, &mut self.dice)
        };
        // Asked for two things, they tell the second one as readily as the first.
        if let Some(too) = too.filter(|too| !self.told.contains(too))
            && self.chance(self.is.answers)
            && let Some(words) = self.needs.get(too).filter(|words| !words.is_empty())
        {
            text = self.words.joined(&[text, words.clone()]);
            self.interest += self.parameters.effect.need_known;
            self.told.push(too);
        }
        let open: Vec<usize> = (0..self.needs.len()).filter(|other| !self.told.contains(other)).collect();
        let mut more = None;
        if self.chance(self.is.tells_more)
            && let Some(other) = self.dice.pick(&open).copied()
            && let Some(words) = self.needs.get(other).filter(|words| !words.is_empty())
        {
            text = self.words.joined(&[text, words.clone()]);
            self.told.push(other);
            more = Some(other);
        }
        self.say(text, Meant::Need(need, more))
    }

    fn after_rebuttal(&mut self, objection: &str, quality: f64) -> Deed {
        let effect = &self.parameters.effect;
        let (resolved, persisted, matters) = (effect.objection_resolved, effect.objection_persisted, effect.rebuttal);
        let convinced =
            self.is.convinced * (1.0 + matters * (2.0 * quality - 1.0)) * 0.6f64.powi(self.held_on.min(9) as i32);
        let meant = matches!(&self.last, Some(Meant::Objection(raised)) if *raised == objection);
        if !meant {
            // It answers something that was not said.
            self.interest += effect.misunderstood;
        }
        if meant && self.chance(convinced) {
            self.interest += resolved;
            self.held_on = 0;
            self.person.holds.retain(|held| *held != objection);
            return self.yes();
        }
        self.interest += persisted;
        self.held_on += 1;
        if self.held_on >= 2 && self.chance(self.is.hangs_up) {
            return self.leave();
        }
        match &self.last {
            Some(Meant::Objection(raised)) if self.dice.chance(40.0) => {
                let raised = *raised;
                self.object(raised)
            }
            _ => match self.person.holds.first().copied() {
                Some(held) if held != objection && self.chance(0.3) => self.object(held),
                _ => self.no(),
            },
        }
    }

    fn after_pitch(&mut self) -> Deed {
        if let Some(deed) = self.raises() {
            return deed;
        }
        if self.chance(self.is.asks) {
            let action = if self.chance(0.4) { "ask_price" } else { "ask_question" };
            return self.act(action);
        }
        let warm = chance_of(self.interest);
        if self.person.threshold < warm && self.chance(0.5) {
            return self.act("buying_signal");
        }
        // Listening on costs nothing: more do than buy.
        if self.person.threshold < chance_of(self.interest + 2.0) { self.yes() } else { self.excuse() }
    }

    fn decides(&mut self) -> Deed {
        if let Some(deed) = self.raises() {
            return deed;
        }
        if self.chance(self.is.asks / 2.0) {
            return self.act("ask_question");
        }
        if self.person.threshold < chance_of(self.interest) {
            self.bought = true;
            return if self.chance(0.4) { self.act("buying_signal") } else { self.yes() };
        }
        self.excuse()
    }

    fn at_the_close(&mut self) -> Deed {
        if self.bought {
            return if self.chance(0.08) { self.act("ask_question") } else { self.yes() };
        }
        if self.person.threshold < chance_of(self.interest + 1.5) { self.yes() } else { self.no() }
    }

    /// An objection that is held, most of the time.
    fn raises(&mut self) -> Option<Deed> {
        let held = self.person.holds.first().copied()?;
        // Said once it is dealt with or not; the next time it is another one's turn.
        self.person.holds.rotate_left(1);
        if self.held_on > 0 && self.person.holds.first() == Some(&held) {
            return None;
        }
        self.chance(0.6).then(|| self.object(held))
    }

    /// No, as people say it.
    fn excuse(&mut self) -> Deed {
        match self.dice.unit() {
            draw if draw < 0.45 => self.no(),
            draw if draw < 0.6 => self.object("think_about_it"),
            draw if draw < 0.7 => self.object("call_later"),
            draw if draw < 0.9 => self.object("not_interested"),
            _ => self.act("goodbye"),
        }
    }
}
