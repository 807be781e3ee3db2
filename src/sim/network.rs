//! What a network does to packets, packet by packet: delay, jitter, bursts of loss, reordering, duplicates, a clock that drifts.
//!
//! Pure: a [`Link`] is told when a packet was sent and says when it arrives, if it does. The same seed gives the same fate.
//! [`Relay`](super::Relay) does it to real datagrams.

use super::dice::Dice;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Of what is held back to be overtaken: shortest and longest time, in milliseconds. Packets leave every 20.
const HELD_MS: (f64, f64) = (30.0, 70.0);
/// A copy comes so much later, at most, in milliseconds.
const COPY_MS: f64 = 20.0;
/// The mean of the exponential jitter, as a share of its limit.
const JITTER_MEAN: f64 = 1.0 / 3.0;

/// The conditions on a network path, the same in both directions.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Network {
    /// Every packet takes at least so long, in milliseconds, one way.
    pub delay_ms: f64,
    /// Extra delay of a packet: exponential with a third of this as its mean, and never more, in milliseconds. It is the delay
    /// of a queue: packets stay in order.
    pub jitter_ms: f64,
    /// Packets lost, in percent.
    pub loss_percent: f64,
    /// Mean length of a run of losses, in packets (a Gilbert model: all is lost in the bad state, nothing in the good one). 1
    /// stands for losses that know nothing of each other.
    pub burst: f64,
    /// Packets held back for 30 to 70 ms so that later ones overtake them, in percent.
    pub reorder_percent: f64,
    /// Packets that come twice, in percent.
    pub duplicate_percent: f64,
    /// How much slower than ours the caller's clock is, in parts per million; negative is faster. Packets of the caller come at
    /// the pace of the caller's clock.
    pub drift_ppm: f64,
    /// The caller's device sends nothing while the caller is silent (discontinuous transmission). Not done to packets: the one
    /// who sends them has to look at it.
    pub dtx: bool,
}

impl Network {
    /// What the network adds to a round trip on average, in milliseconds; what is overtaken or lost not counted.
    pub fn mean_round_trip_ms(&self) -> f64 {
        // The mean of an exponential of mean m that is cut at 3 m.
        let mean = self.jitter_ms * JITTER_MEAN * (1.0 - (-1.0 / JITTER_MEAN).exp());
        2.0 * (self.delay_ms + mean)
    }
}

/// Names of the keys, as in [`Network::from_str`].
const KEYS: &str = "delay, jitter (ms); loss, reorder, dup (%); burst (packets); drift (ppm); dtx";

impl FromStr for Network {
    type Err = String;

    /// Reads for instance `delay=40,jitter=60,loss=2,burst=3,reorder=1,dup=0.5,drift=50ppm,dtx`. Units may be written.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut network = Self { burst: 1.0, ..Self::default() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').map_or((part, None), |(key, value)| (key.trim(), Some(value.trim())));
            if key == "dtx" && value.is_none() {
                network.dtx = true;
                continue;
            }
            let (slot, unit, least, most) = match key {
                "delay" => (&mut network.delay_ms, "ms", 0.0, 2000.0),
                "jitter" => (&mut network.jitter_ms, "ms", 0.0, 2000.0),
                "loss" => (&mut network.loss_percent, "%", 0.0, 90.0),
                "burst" => (&mut network.burst, "", 1.0, 100.0),
                "reorder" => (&mut network.reorder_percent, "%", 0.0, 50.0),
                "dup" => (&mut network.duplicate_percent, "%", 0.0, 50.0),
                "drift" => (&mut network.drift_ppm, "ppm", -1000.0, 1000.0),
                _ => return Err(format!("'{key}' is no condition of a network; there are {KEYS}")),
            };
            let number = value.unwrap_or_default();
            let number = number.strip_suffix(unit).unwrap_or(number).trim();
            *slot = match number.parse::<f64>() {
                Ok(n) if (least..=most).contains(&n) => n,
                _ => return Err(format!("'{part}': {key} needs a number from {least} to {most}{unit}")),
            };
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (key, value, unit) in [
            ("delay", self.delay_ms, "ms"),
            ("jitter", self.jitter_ms, "ms"),
            ("loss", self.loss_percent, "%"),
            ("burst", if self.loss_percent > 0.0 { self.burst } else { 0.0 }, ""),
            ("reorder", self.reorder_percent, "%"),
            ("dup", self.duplicate_percent, "%"),
            ("drift", self.drift_ppm, "ppm"),
        ] {
            if value != 0.0 {
                parts.push(format!("{key}={value}{unit}"));
            }
        }
        if self.dtx {
            parts.push("dtx".to_owned());
        }
        f.write_str(&if parts.is_empty() { "clean".to_owned() } else { parts.join(",") })
    }
}

/// Which way a link goes, as seen from the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the caller: the caller's clock drifts here.
    Up,
    /// To the caller.
    Down,
}

/// What becomes of a packet: when it arrives, and when its copy does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fate {
    /// The packet; none when it is lost.
    pub arrives: Option<Duration>,
    /// A copy of it.
    pub copy: Option<Duration>,
}

/// One direction of a network path.
#[derive(Clone, Debug)]
pub struct Link {
    network: Network,
    drift: f64,
    losses: Dice,
    delays: Dice,
    orders: Dice,
    copies: Dice,
    losing: bool,
    first: Option<Duration>,
    last: Duration,
}

impl Link {
    /// A link under these conditions. The two ways of a path have different fates under one seed.
    pub fn new(network: &Network, way: Way, seed: u64) -> Self {
        let dice = Dice::new(seed).fork(way as u64);
        Self {
            network: *network,
            drift: if way == Way::Up { network.drift_ppm * 1e-6 } else { 0.0 },
            losses: dice.fork(0),
            delays: dice.fork(1),
            orders: dice.fork(2),
            copies: dice.fork(3),
            losing: false,
            first: None,
            last: Duration::ZERO,
        }
    }

    /// The fate of a packet that is sent at `sent`. Packets are told in the order in which they are sent.
    pub fn fate(&mut self, sent: Duration) -> Fate {
        let network = self.network;
        // Each kind of chance is thrown for every packet, so that one condition does not change the others' throws.
        let lost = self.loses();
        let jitter = -(1.0 - self.delays.unit()).ln() * network.jitter_ms * JITTER_MEAN;
        let held = self.orders.chance(network.reorder_percent).then(|| self.orders.between(HELD_MS.0, HELD_MS.1));
        let copied = self.copies.chance(network.duplicate_percent).then(|| self.copies.between(0.0, COPY_MS));
        let since = sent.saturating_sub(*self.first.get_or_insert(sent)).as_secs_f64() * 1000.0;
        // A clock that is faster than ours sends ahead of time: the packet cannot arrive before it is sent, only less late.
        let late_ms = (network.delay_ms + jitter.min(network.jitter_ms) + since * self.drift).max(0.0);
        let mut arrives = sent + ms(late_ms);
        match held {
            Some(held) => arrives = arrives.max(self.last) + ms(held),
            None => {
                arrives = arrives.max(self.last);
                if !lost {
                    self.last = arrives;
                }
            }
        }
        if lost {
            return Fate::default();
        }
        Fate { arrives: Some(arrives), copy: copied.map(|later| arrives + ms(later)) }
    }

    /// A step of the Gilbert chain.
    fn loses(&mut self) -> bool {
        let loss = self.network.loss_percent / 100.0;
        let burst = self.network.burst.max(1.0);
        let throw = self.losses.unit();
        self.losing = if burst <= 1.0 {
            throw < loss
        } else if self.losing {
            throw >= 1.0 / burst
        } else {
            throw < loss / (burst * (1.0 - loss))
        };
        self.losing
    }
}

fn ms(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(20);

    fn fates(network: &Network, way: Way, seed: u64, packets: u32) -> Vec<(Duration, Fate)> {
        let mut link = Link::new(network, way, seed);
        (0..packets).map(|n| (TICK * n, link.fate(TICK * n))).collect()
    }

    fn any_network() -> impl Strategy<Value = Network> {
        (0.0..200.0, 0.0..120.0, 0.0..20.0, 1.0..6.0, 0.0..5.0, 0.0..5.0, -100.0..100.0).prop_map(
            |(delay_ms, jitter_ms, loss_percent, burst, reorder_percent, duplicate_percent, drift_ppm)| Network {
                delay_ms,
                jitter_ms,
                loss_percent,
                burst,
                reorder_percent,
                duplicate_percent,
                drift_ppm,
                dtx: false,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_same_seed_has_the_same_fate_and_no_packet_travels_back_in_time(network in any_network(), seed: u64) {
            let fates = fates(&network, Way::Up, seed, 500);
            let mut again = Link::new(&network, Way::Up, seed);
            for (sent, fate) in fates {
                prop_assert_eq!(fate, again.fate(sent));
                prop_assert!(fate.arrives.is_none_or(|at| at >= sent));
                prop_assert!(fate.copy.is_none_or(|at| fate.arrives.is_some_and(|first| at >= first)));
            }
        }

        #[test]
        fn a_network_is_read_as_it_is_written(network in any_network()) {
            let network = Network { burst: if network.loss_percent > 0.0 { network.burst } else { 1.0 }, ..network };
            prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }

        #[test]
        fn rates_converge(
            loss in 0.5..15.0f64, burst in 1.0..5.0f64, reorder in 0.5..5.0f64, dup in 0.5..5.0f64, seed: u64,
        ) {
            let network = Network {
                loss_percent: loss, burst, reorder_percent: reorder, duplicate_percent: dup, ..Network::default()
            };
            const PACKETS: u32 = 200_000;
            let fates = fates(&network, Way::Down, seed, PACKETS);
            let share = |n: usize, of: usize| 100.0 * n as f64 / of as f64;
            let lost: Vec<bool> = fates.iter().map(|(_, fate)| fate.arrives.is_none()).collect();
            let losses = lost.iter().filter(|lost| **lost).count();
            let arrived = fates.len() - losses;
            // Five standard deviations; a run of losses counts as one throw.
            let near = |measured: f64, wanted: f64, runs: f64| {
                (measured - wanted).abs() < 5.0 * (wanted * (100.0 - wanted) / (f64::from(PACKETS) / runs)).sqrt()
            };
            prop_assert!(near(share(losses, fates.len()), loss, 2.0 * burst), "{} % lost", share(losses, fates.len()));
            let runs = lost.windows(2).filter(|pair| pair[1] && !pair[0]).count();
            // Of independent losses, runs come about by chance.
            let expected = if burst <= 1.0 { 1.0 / (1.0 - loss / 100.0) } else { burst };
            let mean_run = losses as f64 / runs as f64;
            prop_assert!((mean_run / expected - 1.0).abs() < 0.15, "runs of {mean_run}, not {expected}");
            let copies = fates.iter().filter(|(_, fate)| fate.copy.is_some()).count();
            prop_assert!(near(share(copies, arrived), dup, 1.0), "{} % twice", share(copies, arrived));
            let overtaken = fates.windows(2).filter(|pair| pair[0].1.arrives > pair[1].1.arrives && pair[1].1.arrives.is_some());
            let overtaken = overtaken.count();
            // Not told apart where the one behind was lost or held back as well.
            let visible = reorder * (1.0 - loss / 100.0 / burst) * (1.0 - reorder / 200.0);
            let measured = share(overtaken, arrived);
            prop_assert!((measured / visible - 1.0).abs() < 0.25, "{measured} % overtaken, not {visible}");
        }
    }

    #[test]
    fn jitter_is_a_queue_with_a_limit() {
        let network: Network = "delay=40,jitter=60".parse().unwrap();
        let fates = fates(&network, Way::Up, 5, 50_000);
        let late: Vec<f64> =
            fates.iter().map(|(sent, fate)| (fate.arrives.unwrap() - *sent).as_secs_f64() * 1000.0).collect();
        assert!(late.iter().all(|ms| (39.99..100.01).contains(ms)));
        assert!(fates.windows(2).all(|pair| pair[1].1.arrives >= pair[0].1.arrives));
        let mean = late.iter().sum::<f64>() / late.len() as f64;
        // A packet behind a late one waits for it, so the mean is above that of the throws.
        assert!((59.0..72.0).contains(&mean), "{mean}");
        assert!((network.mean_round_trip_ms() - 118.0).abs() < 0.1);
    }

    #[test]
    fn the_callers_clock_drifts_and_ours_does_not() {
        let network: Network = "delay=40,drift=100ppm".parse().unwrap();
        let late = |way| {
            let (sent, fate) = fates(&network, way, 1, 5001)[5000];
            (fate.arrives.unwrap() - sent).as_secs_f64() * 1000.0
        };
        // 100 s at 100 ppm are 10 ms.
        assert!((late(Way::Up) - 50.0).abs() < 0.001, "{}", late(Way::Up));
        assert!((late(Way::Down) - 40.0).abs() < 0.001);
    }

    #[test]
    fn conditions_do_not_disturb_each_other() {
        let loses = |text: &str| -> Vec<bool> {
            let network = text.parse().unwrap();
            fates(&network, Way::Up, 9, 2000).iter().map(|(_, fate)| fate.arrives.is_none()).collect()
        };
        assert_eq!(loses("loss=5,burst=3"), loses("loss=5,burst=3,delay=40,jitter=60,dup=3,reorder=2"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_reason() {
        for (text, reason) in [
            ("lag=3", "there are delay"),
            ("loss=200", "from 0 to 90%"),
            ("delay", "needs a number"),
            ("dtx=1", "'dtx' is no"),
            ("burst=0.5", "from 1 to 100"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!("".parse::<Network>().unwrap().to_string(), "clean");
        let full = "delay=40ms,jitter=60ms,loss=2%,burst=3,reorder=1%,dup=0.5%,drift=50ppm,dtx";
        assert_eq!(full.parse::<Network>().unwrap().to_string(), full);
    }
}
