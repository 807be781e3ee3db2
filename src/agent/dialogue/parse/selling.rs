//! Needs, objections, signals, offers and interrupts of a flow file.

use super::in_order;
use super::reader::Reader;
use crate::agent::dialogue::document::{Names, NeedDoc, ObjectionDoc, ObjectionsDoc, OfferDoc, RuleDoc, SignalsDoc};
use crate::agent::dialogue::flow::{Outcome, Rule, Step};
use crate::agent::dialogue::phrase::Pattern;
use crate::agent::dialogue::selling::{Both, Discover, INTERRUPTS, Need, Objecting, Objection, Offer, Signals};
use crate::nlu::{self, Action};
use crate::speech::AnswerKind;
use std::collections::BTreeMap;
use toml::Spanned;

/// Defaults of a need: what it is worth, the chance of an answer, and the price of a question.
const VALUE: f64 = 1.0;
const ANSWER: f64 = 0.7;
const COST: f64 = 0.2;
/// Answers to one objection, and to all, in a call.
const MAX_REBUTTALS: u32 = 3;
const MAX_REBUTTALS_TOTAL: u32 = 6;

/// The tables by name, in the order of the file.
fn sorted<T>(tables: BTreeMap<Spanned<String>, T>) -> Vec<(Spanned<String>, T)> {
    let mut tables: Vec<_> = tables.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    tables
}

/// Phrases by the value that they stand for.
type Valued = BTreeMap<Spanned<String>, Vec<Spanned<String>>>;

impl Reader {
    pub(super) fn interrupts(
        &mut self,
        doc: BTreeMap<Spanned<String>, Spanned<RuleDoc>>,
        spoken: &mut Vec<Vec<String>>,
    ) -> (Vec<Rule>, BTreeMap<String, usize>) {
        let mut rules = Vec::new();
        let mut names = BTreeMap::new();
        for (name, mut doc) in sorted(doc) {
            if !INTERRUPTS.contains(&name.get_ref().as_str()) {
                let line = self.line(name.span());
                let known = INTERRUPTS.join(", ");
                let what = format!("there is no interrupt '{}': choose of {known}, or use [[global]]", name.get_ref());
                self.error(line, what);
            }
            // The classifier's action of that name belongs to it.
            let action = match name.get_ref().as_str() {
                "human" => "transfer_human",
                "robot" => "robot_question",
                name => name,
            };
            if Action::from_id(action).is_some() {
                let action = Spanned::new(name.span(), action.to_owned());
                doc.as_mut().intent.get_or_insert_with(Names::default).0.push(action);
            }
            let mut own = Vec::new();
            let inner = doc.as_mut();
            let (confirm, maybe) = (inner.confirm.take(), std::mem::take(&mut inner.maybe));
            let doubt = self.doubt(confirm, &maybe, &inner.phrases);
            let rule = self.rule(doc, &mut own);
            spoken.push(own);
            names.insert(name.into_inner(), rules.len());
            rules.push(Rule { interrupt: true, doubt, ..rule });
        }
        (rules, names)
    }

    fn number(&mut self, key: &str, value: Option<Spanned<f64>>, bounds: (f64, f64), default: f64) -> f64 {
        let Some(value) = value else { return default };
        if !(bounds.0..=bounds.1).contains(value.get_ref()) {
            let line = self.line(value.span());
            self.error(line, format!("{key} is outside {} to {}", bounds.0, bounds.1));
        }
        value.into_inner()
    }

    fn valued(&mut self, values: &Valued, spoken: &mut Vec<String>, heard: &mut Vec<(Pattern, Option<String>)>) {
        for (value, phrases) in values {
            let patterns = self.patterns(phrases, spoken);
            heard.extend(patterns.into_iter().map(|pattern| (pattern, Some(value.get_ref().clone()))));
        }
    }

    pub(super) fn needs(
        &mut self,
        doc: BTreeMap<Spanned<String>, NeedDoc>,
        selling_spoken: &mut Vec<Vec<String>>,
    ) -> Vec<Need> {
        let numbers: BTreeMap<String, usize> =
            in_order(&doc).into_iter().enumerate().map(|(at, name)| (name, at)).collect();
        let mut needs = Vec::new();
        for (name, doc) in sorted(doc) {
            let line = self.line(name.span());
            let (mut heard, mut answers, mut spoken) = (Vec::new(), Vec::new(), Vec::new());
            self.valued(&doc.values, &mut spoken, &mut heard);
            let patterns = self.patterns(&doc.phrases, &mut spoken);
            heard.extend(patterns.into_iter().map(|pattern| (pattern, None)));
            selling_spoken.push(spoken.clone());
            self.valued(&doc.answers, &mut spoken, &mut answers);
            let mut amounts: Vec<(f64, f64, String)> = Vec::new();
            for (value, [least, most]) in &doc.amounts {
                if least > most || amounts.iter().any(|(from, to, _)| least <= to && from <= most) {
                    let at = self.line(value.span());
                    let what = format!("amounts: '{}' needs [least, most] that meet no other value's", value.get_ref());
                    self.error(at, what);
                }
                amounts.push((*least, *most, value.get_ref().clone()));
            }
            let tells = doc.tells.iter().filter_map(|(other, chance)| {
                if !(0.0..=1.0).contains(chance) {
                    let at = self.line(other.span());
                    self.error(at, "a chance is outside 0 to 1");
                }
                self.named("need", &numbers, other).map(|at| (at, *chance))
            });
            let tells = tells.collect();
            let ask = self.prompt(Some(doc.ask));
            let both = match (doc.other, doc.ask_both) {
                (Some(other), Some(ask)) => {
                    let at = self.named("need", &numbers, &other);
                    if other.get_ref() == name.get_ref() {
                        self.error(line, "'with' names the need itself: name another one");
                    }
                    at.zip(self.prompt(Some(ask))).map(|(other, ask)| Both { other, ask })
                }
                (None, None) => None,
                _ => {
                    self.error(
                        line,
                        "'with' and 'ask_both' belong together: the other need, and the question for both",
                    );
                    None
                }
            };
            let name = name.into_inner();
            needs.push(Need {
                slot: doc.slot.unwrap_or_else(|| name.clone()),
                line,
                value: self.number("value", doc.value, (0.0, 100.0), VALUE),
                answer: self.number("answer", doc.answer, (0.0, 1.0), ANSWER),
                tells,
                ask: ask.unwrap_or_default(),
                both,
                ack: self.prompt(doc.ack),
                heard,
                answers,
                amounts,
                keep: doc.keep.unwrap_or(true),
                kind: doc.expect.unwrap_or(AnswerKind::Open),
                when: self.guard(doc.when),
                spoken,
                name,
            });
        }
        needs
    }

    pub(super) fn discover(
        &mut self,
        names: &Names,
        enough: Option<Spanned<u32>>,
        max_questions: Option<Spanned<u32>>,
        cost: Option<Spanned<f64>>,
        done: Step,
        needs: &[Need],
    ) -> Discover {
        let numbers: BTreeMap<String, usize> =
            needs.iter().enumerate().map(|(at, need)| (need.name.clone(), at)).collect();
        let found: Vec<usize> = names.0.iter().filter_map(|name| self.named("need", &numbers, name)).collect();
        if names.0.is_empty() {
            self.error(done.line, "'discover' is empty: list the needs that are asked for here");
        }
        let all = u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
        Discover {
            enough: self.count("enough", enough, 1..=all).unwrap_or(all) as usize,
            max_questions: self.count("max_questions", max_questions, 1..=15).unwrap_or(all),
            cost: self.number("cost", cost, (0.0, 100.0), COST),
            needs: found,
            done,
        }
    }

    pub(super) fn objecting(
        &mut self,
        table: Option<Spanned<ObjectionsDoc>>,
        doc: BTreeMap<Spanned<String>, ObjectionDoc>,
        spoken: &mut Vec<Vec<String>>,
    ) -> Objecting {
        let line = table.as_ref().map_or(1, |table| self.line(table.span()));
        let table = table.map(Spanned::into_inner).unwrap_or_default();
        let max = self.count("max", table.max, 1..=20).unwrap_or(MAX_REBUTTALS);
        let max_total = self.count("max_total", table.max_total, 1..=50).unwrap_or(MAX_REBUTTALS_TOTAL);
        let follow_up = self.prompt(table.follow_up);
        let heard = self.prompt(table.heard);
        let resolved = table.resolved.map_or(Step::only(Outcome::AskAgain, line), |step| {
            let at = self.line(step.span());
            self.step(step.into_inner().into(), at, Outcome::AskAgain)
        });
        let exhausted = table.exhausted.map(|step| self.leading("exhausted", step, Outcome::HangUp));
        let mut own = Vec::new();
        let (yes, no) = (self.patterns(&table.yes, &mut own), self.patterns(&table.no, &mut own));
        spoken.push(own);
        let mut all = Vec::new();
        for (name, doc) in sorted(doc) {
            let line = self.line(name.span());
            if nlu::Objection::from_id(name.get_ref()).is_none() {
                let known: Vec<&str> = nlu::Objection::ALL.into_iter().map(nlu::Objection::id).collect();
                let what = format!("there is no objection '{}': choose of {}", name.get_ref(), known.join(" "));
                self.error(line, what);
            }
            let own = doc.follow_up.is_some();
            let own_follow_up = doc.follow_up.filter(|lines| !lines.get_ref().0.is_empty());
            let own_follow_up = self.prompt(own_follow_up);
            let rebuttals = self.prompt(Some(doc.rebuttals)).unwrap_or_default();
            let mut agreed = BTreeMap::new();
            for (id, step) in doc.agreed {
                let at = self.line(id.span());
                if !rebuttals.wordings.iter().any(|wording| wording.id == *id.get_ref()) {
                    let what = format!("no rebuttal of '{}' has the id '{}'", name.get_ref(), id.get_ref());
                    self.error(at, what);
                }
                let step = self.step(step.into_inner().into(), at, Outcome::AskAgain);
                agreed.insert(id.into_inner(), step);
            }
            let mut own_spoken = Vec::new();
            let patterns = self.patterns(&doc.phrases, &mut own_spoken);
            spoken.push(own_spoken);
            all.push(Objection {
                line,
                rebuttals,
                patterns,
                intents: self.intents(doc.intent),
                follow_up: if own { own_follow_up } else { follow_up.clone() },
                max: self.count("max", doc.max, 1..=20).unwrap_or(max),
                resolved: doc.resolved.map_or(resolved.clone(), |step| {
                    let at = self.line(step.span());
                    self.step(step.into_inner().into(), at, Outcome::AskAgain)
                }),
                agreed,
                exhausted: match doc.exhausted {
                    Some(step) => Some(self.leading("exhausted", step, Outcome::HangUp)),
                    None => exhausted.clone(),
                },
                when: self.guard(doc.when),
                name: name.into_inner(),
            });
        }
        Objecting { max_total, yes, no, heard, all }
    }

    pub(super) fn signals(&mut self, doc: Option<Spanned<SignalsDoc>>, spoken: &mut Vec<Vec<String>>) -> Signals {
        let Some(doc) = doc else { return Signals::default() };
        let doc = doc.into_inner();
        let mut own = Vec::new();
        let patterns = self.patterns(&doc.phrases, &mut own);
        spoken.push(own);
        Signals {
            patterns,
            intents: self.intents(doc.intent),
            after: self.count("after", doc.after, 1..=15).unwrap_or(1),
            offers: doc.offer.map(|names| names.0).unwrap_or_default().iter().filter_map(|n| self.offer(n)).collect(),
        }
    }

    pub(super) fn approved(&mut self, doc: BTreeMap<Spanned<String>, OfferDoc>) -> Vec<Offer> {
        let mut offers = Vec::new();
        for (name, doc) in sorted(doc) {
            let line = self.line(name.span());
            let goto = doc.goto.map(|goto| {
                let at = self.line(goto.span());
                self.target(goto.get_ref(), at)
            });
            offers.push(Offer {
                line,
                say: self.prompt(Some(doc.say)).unwrap_or_default(),
                when: self.guard(doc.when),
                expires_h: self.count("expires_h", Some(doc.expires_h), 1..=2_160).unwrap_or(1),
                terms: doc.terms,
                goto,
                name: name.into_inner(),
            });
        }
        offers
    }
}
