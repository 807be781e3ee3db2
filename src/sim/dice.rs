//! Chance that can be repeated: the same seed gives the same throws on every machine and in every version.

/// A stream of throws (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for one purpose: more throws for one purpose do not change those for another.
    #[must_use]
    pub fn fork(&self, purpose: u64) -> Self {
        let mut other = Self { state: self.state ^ purpose.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93) };
        other.throw();
        Self { state: other.throw() }
    }

    /// 64 even bits.
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in `percent` of 100 throws.
    pub fn chance(&mut self, percent: f64) -> bool {
        self.unit() * 100.0 < percent
    }

    /// Evenly in [`from`, `to`).
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.unit() * (to - from)
    }

    /// One of several, evenly; the first of none is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get((self.unit() * of.len() as f64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_even_and_can_be_repeated() {
        let mut dice = Dice::new(7);
        let throws: Vec<f64> = (0..100_000).map(|_| dice.unit()).collect();
        let mean = throws.iter().sum::<f64>() / throws.len() as f64;
        assert!((mean - 0.5).abs() < 0.005 && throws.iter().all(|t| (0.0..1.0).contains(t)), "{mean}");
        let mut again = Dice::new(7);
        assert!(throws.iter().all(|t| *t == again.unit()));
        // Known answer of SplitMix64 for seed 0.
        assert_eq!(Dice::new(0).throw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn purposes_do_not_disturb_each_other() {
        let dice = Dice::new(3);
        let (mut a, mut b) = (dice.fork(0), dice.fork(1));
        assert_ne!(a.throw(), b.throw());
        assert_eq!(dice.fork(1).throw(), dice.fork(1).throw());
        assert_eq!(Dice::new(1).pick::<u8>(&[]), None);
    }
}
