//! From what was sent and heard, and when, to the figures. Pure; the definitions are those of the room's documentation.

use super::audible::Spurt;
use super::script::Aside;
use std::time::Duration;

/// An agent that is silent for so long has stopped speaking; sentences of one line lie closer together.
pub const STOP_SILENCE: Duration = Duration::from_millis(700);

/// One thing that the caller did. All times count from the telephone's origin.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// The words, where they are known.
    pub text: Option<String>,
    /// The keys pressed, when it was no speech.
    pub keys: Option<String>,
    /// It took no turn.
    pub aside: Option<Aside>,
    /// It was meant to interrupt the agent.
    pub interrupting: bool,
    /// Time of the first speech sample, or of the first event packet.
    pub began: Duration,
    /// Time just after the last speech sample, or of the last event packet.
    pub ended: Duration,
    /// The longest silence within the speech.
    pub longest_pause: Duration,
    /// False when the call ended before all of it was said.
    pub complete: bool,
}

/// One thing that the caller did and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// What the caller did.
    pub said: Said,
    /// The agent was speaking when the caller began.
    pub barge_in: bool,
    /// Barge-in: milliseconds from the caller's first speech sample to the last audible agent sample.
    pub stop_ms: Option<f64>,
    /// The agent began to speak while the caller did.
    pub false_cutoff: bool,
    /// No answer came.
    pub missed: bool,
    /// The agent's answer: its first spurt after the caller's last speech sample.
    pub answer: Option<Spurt>,
    /// Milliseconds from the caller's last speech sample to the answer; none where there is no answer, or none to the whole
    /// utterance (false cut-off).
    pub gap_ms: Option<f64>,
}

impl Turn {
    /// Whether this turn's gap counts among the response gaps: an answer to a whole spoken utterance that interrupted nobody.
    pub fn is_measured(&self) -> bool {
        self.gap_ms.is_some() && self.said.keys.is_none() && self.said.aside.is_none() && !self.barge_in
    }
}

fn ms_between(from: Duration, to: Duration) -> f64 {
    (to.as_nanos() as f64 - from.as_nanos() as f64) / 1e6
}

/// Measures a call: what the caller did in order, and the agent's spurts in order.
pub fn measure(said: &[Said], spurts: &[Spurt]) -> Vec<Turn> {
    said.iter()
        .enumerate()
        .map(|(i, this)| {
            let next = said.iter().skip(i + 1).find(|next| next.aside.is_none());
            let until = next.map_or(Duration::MAX, |next| next.began);
            turn(this, until, spurts)
        })
        .collect()
}

fn turn(said: &Said, until: Duration, spurts: &[Spurt]) -> Turn {
    let barge_in = spurts.iter().any(|s| s.began < said.began && s.ended > said.began);
    if said.aside.is_some() {
        let stop_ms = barge_in.then(|| ms_between(said.began, stopped(said, spurts)));
        let (false_cutoff, missed, answer, gap_ms) = (false, false, None, None);
        return Turn { said: said.clone(), barge_in, stop_ms, false_cutoff, missed, answer, gap_ms };
    }
    let is_speech = said.keys.is_none();
    let false_cutoff = is_speech && !barge_in && spurts.iter().any(|s| s.began >= said.began && s.began < said.ended);
    let answer = spurts.iter().find(|s| s.began >= said.ended && s.began < until).copied().filter(|_| said.complete);
    let gap_ms = answer.filter(|_| !false_cutoff).map(|s| ms_between(said.ended, s.began));
    let stop_ms = (barge_in && is_speech).then(|| ms_between(said.began, stopped(said, spurts)));
    let missed = said.complete && !false_cutoff && answer.is_none();
    Turn { said: said.clone(), barge_in, stop_ms, false_cutoff, missed, answer, gap_ms }
}

/// The end of what the agent was saying when `said` began: over pauses that are too short to be a stop, as long as the agent
/// goes on before the caller has ended. What it says after that is its answer.
fn stopped(said: &Said, spurts: &[Spurt]) -> Duration {
    let mut end = said.began;
    for spurt in spurts.iter().filter(|s| s.ended > said.began) {
        let goes_on = spurt.began < said.began || (spurt.began < said.ended && spurt.began < end + STOP_SILENCE);
        if !goes_on {
            break;
        }
        end = end.max(spurt.ended);
    }
    end
}

/// The nearest-rank percentile `p` (0 to 100] of `values`: the smallest value that at least `p` % of them do not exceed.
/// None of none; values that are no numbers do not count.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (p / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::super::audible::{PIECE_SAMPLES, Piece, SpurtFinder, span};
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn said(began: u64, ended: u64) -> Said {
        Said {
            text: None,
            keys: None,
            aside: None,
            interrupting: false,
            began: ms(began),
            ended: ms(ended),
            longest_pause: Duration::ZERO,
            complete: true,
        }
    }

    fn spurt(began: u64, ended: u64) -> Spurt {
        Spurt { began: ms(began), ended: ms(ended) }
    }

    #[test]
    fn gaps_are_from_the_last_speech_sample_to_the_first_audible_one() {
        let turns =
            measure(&[said(2000, 3000), said(6000, 7500)], &[spurt(100, 1400), spurt(3412, 5000), spurt(7900, 9000)]);
        assert_eq!(turns.iter().map(|t| t.gap_ms).collect::<Vec<_>>(), [Some(412.0), Some(400.0)]);
        assert!(turns.iter().all(|t| t.is_measured() && !t.missed && !t.barge_in && !t.false_cutoff));
    }

    #[test]
    fn an_onset_inside_the_utterance_is_a_false_cut_off_and_gives_no_gap() {
        let turns = measure(&[said(2000, 4000)], &[spurt(100, 1400), spurt(3100, 3500), spurt(4450, 6000)]);
        assert!(turns[0].false_cutoff && !turns[0].missed && !turns[0].barge_in);
        assert_eq!((turns[0].gap_ms, turns[0].answer), (None, Some(spurt(4450, 6000))));
        // The agent speaks through the end: cut off, not missed.
        let turns = measure(&[said(2000, 4000)], &[spurt(3100, 6000)]);
        assert!(turns[0].false_cutoff && !turns[0].missed && turns[0].answer.is_none());
    }

    #[test]
    fn no_answer_before_the_caller_speaks_again_is_missed() {
        let turns = measure(&[said(1000, 2000), said(10_000, 11_000)], &[spurt(11_500, 12_000)]);
        assert_eq!(turns.iter().map(|t| t.missed).collect::<Vec<_>>(), [true, false]);
        assert_eq!(turns[0].gap_ms, None);
    }

    #[test]
    fn a_barge_in_has_a_stop_and_is_no_false_cut_off() {
        let turns = measure(&[said(2000, 3000)], &[spurt(500, 2260), spurt(3500, 5000)]);
        assert!(turns[0].barge_in && !turns[0].false_cutoff && !turns[0].is_measured());
        assert_eq!((turns[0].stop_ms, turns[0].gap_ms), (Some(260.0), Some(500.0)));
    }

    #[test]
    fn an_aside_is_no_turn_and_leaves_the_answer_to_the_turn_before_it() {
        let cough = Said { aside: Some(Aside::Noise), ..said(3200, 3300) };
        let turns = measure(&[said(2000, 3000), cough], &[spurt(500, 1500), spurt(3400, 5000)]);
        assert_eq!((turns[0].gap_ms, turns[0].missed), (Some(400.0), false));
        assert!(!turns[1].missed && !turns[1].is_measured() && turns[1].stop_ms.is_none());
        let over = Said { aside: Some(Aside::Backchannel), ..said(4000, 4300) };
        let turns = measure(&[said(2000, 3000), over], &[spurt(3400, 5000)]);
        assert!(turns[1].barge_in && !turns[1].false_cutoff);
        assert_eq!(turns[1].stop_ms, Some(1000.0));
    }

    #[test]
    fn a_pause_between_sentences_is_no_stop() {
        // A pause of 300 ms falls on the caller's onset; the agent then speaks on, and stops late.
        let turns = measure(&[said(2000, 4000)], &[spurt(500, 2050), spurt(2350, 3000), spurt(4500, 5000)]);
        assert_eq!(turns[0].stop_ms, Some(1000.0));
        // Silent for longer than that: it had stopped; what follows is something new.
        let turns = measure(&[said(2000, 4000)], &[spurt(500, 2050), spurt(2800, 3000), spurt(4500, 5000)]);
        assert_eq!(turns[0].stop_ms, Some(50.0));
    }

    #[test]
    fn a_short_interruption_may_end_before_the_agent_stops() {
        let turns = measure(&[said(2000, 2150)], &[spurt(500, 2300), spurt(2700, 4000)]);
        assert_eq!((turns[0].stop_ms, turns[0].gap_ms), (Some(300.0), Some(550.0)));
    }

    #[test]
    fn keys_and_unfinished_utterances_are_not_among_the_gaps() {
        let keys = Said { keys: Some("1".into()), ..said(2000, 2100) };
        let unfinished = Said { complete: false, ..said(5000, 5400) };
        let turns = measure(&[keys, unfinished], &[spurt(2300, 3000)]);
        assert_eq!(turns[0].gap_ms, Some(200.0));
        assert!(!turns[0].is_measured() && !turns[1].is_measured() && !turns[1].missed);
    }

    /// Agent packets with jitter: the gap is to the arrival of the packet that holds the first audible sample.
    #[test]
    fn a_synthetic_stream_with_jitter_gives_the_gap_to_the_sample() {
        let jitter_us = [0u64, 3_100, 900, 7_250, 200, 12_000, 400, 5_000];
        let mut finder = SpurtFinder::new();
        let mut expected = None;
        for n in 0..200u64 {
            let arrival = Duration::from_micros(n * 20_000 + jitter_us[(n % 8) as usize]);
            let mut samples = [4i16; 4 * PIECE_SAMPLES];
            if n == 117 {
                samples[37..].fill(5000);
                expected = Some(arrival + span(37));
            } else if n > 117 {
                samples.fill(5000);
            }
            for (i, piece) in Piece::cut(&samples).enumerate() {
                finder.push(arrival + span(i * PIECE_SAMPLES), &piece);
            }
        }
        let turns = measure(&[said(1000, 1900)], finder.spurts());
        let gap = turns[0].gap_ms.unwrap();
        assert!((gap - (expected.unwrap() - ms(1900)).as_secs_f64() * 1000.0).abs() < 1e-6, "{gap}");
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), Some(100.0));
        assert_eq!(percentile(&values, 95.0), Some(190.0));
        assert_eq!(percentile(&values, 99.0), Some(198.0));
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
        assert_eq!(percentile(&[f64::NAN, 7.0], 1.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
