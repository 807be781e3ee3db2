//! How long people pause within a turn: the curve that a simulated caller draws from and an endpoint decision weighs with.

/// The survival curve of pauses within turns: how many of those of at least [`SHORTEST_S`] last longer than a time.
///
/// The points are read off what silence alone achieves on human turns in LiveKit's eot-bench (2026, Apache-2.0): its false
/// cut-offs after a fixed silence are just the share of pauses that are longer. Between the points, and after the last, the
/// rate at which pauses end is taken as constant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PauseCurve {
    /// Seconds and the share that is longer, in falling order; the first is ([`SHORTEST_S`], 1).
    points: &'static [(f64, f64)],
}

/// Shorter silences are no pauses: stop consonants and breath.
pub const SHORTEST_S: f64 = 0.2;

const ENGLISH: PauseCurve =
    PauseCurve { points: &[(SHORTEST_S, 1.0), (0.3, 0.556), (0.6, 0.217), (1.0, 0.10), (1.6, 0.05)] };
const MANDARIN: PauseCurve =
    PauseCurve { points: &[(SHORTEST_S, 1.0), (0.3, 0.51), (0.6, 0.163), (0.8, 0.10), (1.1, 0.05)] };

impl PauseCurve {
    /// The curve of a language; English for those that have none of their own.
    pub fn of(language: &str) -> Self {
        if language.starts_with("zh") { MANDARIN } else { ENGLISH }
    }

    /// The piece that `seconds` lies in: where it begins, the share that is longer than that, and the rate per second at
    /// which pauses end in it.
    fn piece(&self, seconds: f64) -> (f64, f64, f64) {
        let mut piece = (SHORTEST_S, 1.0, 0.0);
        for pair in self.points.windows(2) {
            let [(from, longer), (to, fewer)] = *pair else { continue };
            piece = (from, longer, (longer / fewer).ln() / (to - from));
            if seconds < to {
                return piece;
            }
        }
        let (from, longer) = self.points.last().copied().unwrap_or((SHORTEST_S, 1.0));
        (from, longer, piece.2)
    }

    /// The share of pauses that last longer than this.
    pub fn survival(&self, seconds: f64) -> f64 {
        if seconds <= SHORTEST_S {
            return 1.0;
        }
        let (from, longer, rate) = self.piece(seconds);
        longer * (-rate * (seconds - from)).exp()
    }

    /// The share of pauses that end at this time, per second.
    pub fn density(&self, seconds: f64) -> f64 {
        let (_, _, rate) = self.piece(seconds.max(SHORTEST_S));
        rate * self.survival(seconds)
    }

    /// The length in seconds that a share `longer` of pauses exceeds: with `longer` uniform in (0, 1], a pause drawn from
    /// the curve.
    pub fn quantile(&self, longer: f64) -> f64 {
        let longer = longer.clamp(1e-6, 1.0);
        let mut piece = (SHORTEST_S, 1.0, 1.0);
        for pair in self.points.windows(2) {
            let [(from, share), (to, fewer)] = *pair else { continue };
            piece = (from, share, (share / fewer).ln() / (to - from));
            if longer >= fewer {
                break;
            }
            piece = (to, fewer, piece.2);
        }
        let (from, share, rate) = piece;
        from + (share / longer).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_through_the_published_points_and_back() {
        for (language, points) in [("en", ENGLISH.points), ("zh-CN", MANDARIN.points)] {
            let curve = PauseCurve::of(language);
            for &(seconds, longer) in points {
                assert!((curve.survival(seconds) - longer).abs() < 1e-9, "{language} {seconds}");
                assert!((curve.quantile(longer) - seconds).abs() < 1e-9, "{language} {longer}");
            }
            for n in 1..100 {
                let longer = f64::from(n) / 100.0;
                assert!((curve.survival(curve.quantile(longer)) - longer).abs() < 1e-9, "{language} {longer}");
            }
        }
    }

    #[test]
    fn the_density_is_the_slope_of_the_survival() {
        let curve = PauseCurve::of("en");
        for seconds in [0.25, 0.4, 0.8, 1.3, 2.5] {
            let slope = (curve.survival(seconds - 1e-4) - curve.survival(seconds + 1e-4)) / 2e-4;
            assert!((curve.density(seconds) - slope).abs() < 1e-3, "{seconds}");
        }
    }
}
