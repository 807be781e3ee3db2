//! `tipring simulate sales`: whole sales calls with simulated customers.

use crate::agent::Flow;
use crate::app;
use crate::settings::Settings;
use crate::sim::sales::{Booked, Choose, Chosen, Figures, Lead, Setup, quality, simulate};
use crate::telesales::learn::{Config, Learned, Lines, Outcome};
use anyhow::Context;
use clap::Args as ClapArgs;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `tipring simulate sales`.
#[derive(ClapArgs, Debug)]
pub(super) struct Args {
    /// Language of the customers.
    #[arg(long, value_enum, default_value_t = super::Lang::En)]
    lang: super::Lang,
    /// How many calls.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    calls: u64,
    /// The flow; without, all sales flows of the language take turns.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Which half of the seeds: what is tuned is tuned on `dev`, what is published is measured on `test`.
    #[arg(long, value_enum, default_value_t = super::Half::Test)]
    half: super::Half,
    /// Leave the wordings to each call's seed instead of learning which ones sell.
    #[arg(long)]
    no_learning: bool,
    /// Leave everything to the flows' phrases: no classifier.
    #[arg(long)]
    no_classifier: bool,
    /// Threads; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print the figures as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What is printed.
#[derive(Serialize, Debug)]
struct Report {
    #[serde(flatten)]
    figures: Figures,
    /// What was learned; none with `--no-learning`.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedReport>,
    /// Seconds that it took on this machine.
    seconds: f64,
    /// Calls a second.
    calls_per_s: f64,
}

/// What was learned.
#[derive(Serialize, Debug)]
struct LearnedReport {
    /// The calls with the first wording of every list.
    control: GroupReport,
    /// The others.
    learned: GroupReport,
    /// The openings, by flow and segment.
    openings: Vec<TopicReport>,
    /// Lists of rebuttals of which anything was said.
    rebuttal_lists: usize,
    /// Wordings that were suspended.
    suspended: Vec<String>,
}

#[derive(Serialize, Debug, Default)]
struct GroupReport {
    calls: u64,
    sales: u64,
    sales_percent: f64,
}

impl GroupReport {
    fn add(&mut self, calls: u64, sales: u64) {
        self.calls += calls;
        self.sales += sales;
        self.sales_percent = hundredths(self.sales as f64 * 100.0 / self.calls.max(1) as f64);
    }
}

#[derive(Serialize, Debug)]
struct TopicReport {
    flow: String,
    list: String,
    segment: String,
    wordings: Vec<ArmReport>,
}

#[derive(Serialize, Debug)]
struct ArmReport {
    wording: String,
    calls: u64,
    sales: u64,
    /// What is believed of it.
    rate_percent: f64,
    /// How good it was assumed to be, 0 to 1: nobody told the learner.
    assumed_quality: f64,
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A campaign that learns; or does not.
struct Campaign {
    config: Config,
    learned: Option<Learned>,
}

impl Campaign {
    fn segment(&self, lead: &Lead) -> String {
        match self.config.segment.as_str() {
            "audience" => lead.audience.clone(),
            "profile" => lead.profile.clone(),
            _ => String::new(),
        }
    }
}

impl Choose for Campaign {
    fn choose(&mut self, flow: &Flow, lead: &Lead) -> Chosen {
        let segment = self.segment(lead);
        let Some(learned) = &mut self.learned else { return Chosen::default() };
        let lists: Vec<Lines> = flow.choices().into_iter().map(|(kind, arms)| Lines { kind, arms }).collect();
        let plan = learned.plan(&self.config, flow.name(), &segment, &lists);
        Chosen { prefer: plan.order, control: plan.control }
    }

    fn book(&mut self, booked: &Booked) {
        let segment = self.segment(&booked.lead);
        let Some(learned) = &mut self.learned else { return };
        let is = |of: &[String]| booked.disposition.as_ref().is_some_and(|how| of.contains(how));
        learned.book(
            &self.config,
            &Outcome {
                flow: booked.flow.clone(),
                segment,
                control: booked.control,
                said: booked.said.clone(),
                sold: is(&self.config.sales),
                complained: is(&self.config.complaints),
            },
        );
    }

    fn is_sale(&self, disposition: &str) -> bool {
        self.config.sales.iter().any(|known| known == disposition)
    }
}

/// Runs it.
pub(super) fn run(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let language = args.lang.code();
    let book = app::flows(settings.calls.flows_dir.as_deref())?;
    let flows: Vec<Arc<Flow>> = match &args.flow {
        Some(name) => vec![book.get(name)?],
        None => book.all().into_iter().filter(|flow| flow.sells() && flow.language().0.starts_with(language)).collect(),
    };
    if let Some(flow) = flows.iter().find(|flow| !flow.language().0.starts_with(language)) {
        anyhow::bail!("--flow {}: it is spoken in {}, and --lang says {language}", flow.name(), flow.language().0);
    }
    let config = settings.telesales.learn.clone();
    let mut campaign = Campaign { config, learned: (!args.no_learning).then(|| Learned::new(1)) };
    let setup = Setup {
        language: language.to_owned(),
        calls: args.calls,
        test_half: args.half == super::Half::Test,
        flows,
        intents: if args.no_classifier { None } else { app::intents(settings) },
        threads: args.threads,
    };
    let began = Instant::now();
    let figures = simulate(&setup, &mut campaign)?;
    let seconds = began.elapsed().as_secs_f64();
    let learned = campaign.learned.as_ref().map(|learned| told(learned, &campaign.config));
    let calls_per_s = (args.calls as f64 / seconds.max(1e-6)).round();
    let report = Report { figures, learned, seconds: hundredths(seconds), calls_per_s };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).context("the figures cannot be written")?);
    } else {
        print(&report);
    }
    Ok(())
}

fn told(learned: &Learned, config: &Config) -> LearnedReport {
    let mut report = LearnedReport {
        control: GroupReport::default(),
        learned: GroupReport::default(),
        openings: Vec::new(),
        rebuttal_lists: 0,
        suspended: Vec::new(),
    };
    for (_, _, groups) in learned.groups() {
        report.control.add(groups.control.calls, groups.control.sales);
        report.learned.add(groups.learned.calls, groups.learned.sales);
    }
    for (topic, arms) in learned.topics() {
        let mut wordings = Vec::new();
        for (wording, arm) in arms {
            if arm.suspended.is_some() {
                report.suspended.push(format!("{}/{}/{wording} ({})", topic.flow, topic.kind, topic.segment));
            }
            wordings.push(ArmReport {
                wording: wording.to_owned(),
                calls: arm.calls,
                sales: arm.sales,
                rate_percent: hundredths(arm.rate(config) * 100.0),
                assumed_quality: hundredths(quality(&format!("{}/{}/{wording}", topic.flow, topic.kind))),
            });
        }
        if topic.kind.starts_with("opening.") {
            let (flow, list, segment) = (topic.flow.clone(), topic.kind.clone(), topic.segment.clone());
            report.openings.push(TopicReport { flow, list, segment, wordings });
        } else {
            report.rebuttal_lists += 1;
        }
    }
    report
}

fn print(report: &Report) {
    let f = &report.figures;
    println!("simulated customers ({}), {} half of the seeds: nothing here is about people", f.language, f.half);
    println!("{} calls with {} in {} s", f.calls, f.flows.join(", "), report.seconds);
    println!(
        "heard with        {} / {} / {} % of the words other, lost, too many; {}",
        f.word_errors_percent[0],
        f.word_errors_percent[1],
        f.word_errors_percent[2],
        if f.classifier { "classifier and phrases" } else { "phrases alone" }
    );
    println!("sales             {} ({} ± {} %)", f.sales, f.sales_percent, f.sales_margin_percent);
    println!("turns             p50 {} p95 {} mean {}", f.turns_p50, f.turns_p95, f.turns_mean);
    println!(
        "needs             {} known on average in {} calls with questions; 5 of 6 in {} % of them{}",
        f.needs_known_mean,
        f.discovery_calls,
        f.five_of_six_percent,
        f.turns_to_five_of_six_p50.map_or_else(String::new, |turns| format!(", after {turns} turns (median)"))
    );
    println!(
        "objections        {} raised, {} % taken as meant; a rebuttal twice in {} calls",
        f.objections_raised, f.objections_understood_percent, f.rebuttals_repeated
    );
    for (class, of) in &f.objections {
        println!(
            "  {class:<20} meant {:>5}  met {:>5}  resolved {:>5}  persisted {:>5}  ended {:>5}",
            of.meant, of.met, of.resolved, of.persisted, of.ended
        );
    }
    for (offer, [made, accepted]) in &f.offers {
        println!("offer {offer:<20} made {made:>5}  accepted {accepted:>5}");
    }
    let of = &f.do_not_call;
    println!(
        "do not call       {} calls, {} % honoured ({} of them had hung up), said again in {}, offers after it {}; {} not asked for ({} %)",
        of.calls, of.honoured_percent, of.hung_up, of.said_again, of.offers_after, of.unasked, of.unasked_percent
    );
    println!("ended by          {:?}", f.ended_by);
    println!("dispositions      {:?}", f.dispositions);
    for of in &f.temperaments {
        println!(
            "  {:<16} {:>6} calls  {:>5} sales ({:>5} %)  {:>5} hung up  {:>5} turns",
            of.name, of.calls, of.sales, of.sales_percent, of.hung_up, of.turns_mean
        );
    }
    let Some(learned) = &report.learned else { return };
    println!(
        "learned           control {} of {} ({} %), the others {} of {} ({} %); suspended: {}",
        learned.control.sales,
        learned.control.calls,
        learned.control.sales_percent,
        learned.learned.sales,
        learned.learned.calls,
        learned.learned.sales_percent,
        if learned.suspended.is_empty() { "none".to_owned() } else { learned.suspended.join(", ") }
    );
    for topic in &learned.openings {
        println!("  {} {} [{}]", topic.flow, topic.list, topic.segment);
        for arm in &topic.wordings {
            println!(
                "    {:<20} {:>5} calls  {:>4} sales  believed {:>5} %  assumed quality {}",
                arm.wording, arm.calls, arm.sales, arm.rate_percent, arm.assumed_quality
            );
        }
    }
}
