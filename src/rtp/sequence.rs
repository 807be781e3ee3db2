//! Extended sequence numbers, RFC 3550 appendix A.1.

/// A forward step of this many packets is taken for loss; a larger one for another stream.
const MAX_DROPOUT: u16 = 3000;
/// A backward step of this many packets is taken for reordering; a larger one for another stream.
const MAX_MISORDER: u16 = 100;

/// Where a packet belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Ahead of all before it: its extended number.
    Newer(u64),
    /// At or behind one that has come: out of order, or a duplicate.
    Older(u64),
    /// The numbering begins anew here (first packet, or the second of two in sequence after a jump).
    Restart(u64),
    /// Far off. It counts only if the next one follows on it; until then it is not to be used.
    Suspect,
}

/// The numbering of one source.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    highest: Option<u64>,
    base: u64,
    expected_before: u64,
    suspect: Option<u16>,
}

impl Sequence {
    /// Places the next packet.
    pub fn place(&mut self, sequence: u16) -> Order {
        let Some(highest) = self.highest else { return self.restart(sequence) };
        let step = sequence.wrapping_sub(highest as u16);
        if step != 0 && step < MAX_DROPOUT {
            let extended = highest + u64::from(step);
            self.highest = Some(extended);
            self.suspect = None;
            return Order::Newer(extended);
        }
        let back = (highest as u16).wrapping_sub(sequence);
        if back < MAX_MISORDER {
            // The base is at least 65,536, so this cannot go below zero.
            return Order::Older(highest.saturating_sub(u64::from(back)));
        }
        if self.suspect == Some(sequence) {
            return self.restart(sequence);
        }
        self.suspect = Some(sequence.wrapping_add(1));
        Order::Suspect
    }

    fn restart(&mut self, sequence: u16) -> Order {
        self.expected_before = self.expected();
        // One cycle up, so that packets older than the first one have a number too.
        let extended = 0x1_0000 + u64::from(sequence);
        self.highest = Some(extended);
        self.base = extended;
        self.suspect = None;
        Order::Restart(extended)
    }

    /// Begins again with the next packet, whatever its number; packets expected so far stay counted.
    pub fn reset(&mut self) {
        self.expected_before = self.expected();
        self.highest = None;
        self.suspect = None;
    }

    /// Packets that should have come until now, RFC 3550 appendix A.3.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.highest.map_or(0, |highest| highest - self.base + 1)
    }

    /// The extended highest sequence number for a reception report: cycles in the upper half.
    pub fn highest(&self) -> u32 {
        self.highest.map_or(0, |highest| (highest - 0x1_0000) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wraps_and_counts_what_was_expected() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.place(65_534), Order::Restart(0x1_0000 + 65_534));
        assert_eq!(sequence.place(65_535), Order::Newer(0x1_0000 + 65_535));
        assert_eq!(sequence.place(1), Order::Newer(0x2_0001));
        assert_eq!(sequence.place(0), Order::Older(0x2_0000));
        assert_eq!(sequence.place(1), Order::Older(0x2_0001));
        assert_eq!(sequence.expected(), 4);
        assert_eq!(sequence.highest(), 0x1_0001);
    }

    #[test]
    fn a_jump_is_believed_when_the_next_packet_follows_on_it() {
        let mut sequence = Sequence::default();
        sequence.place(10);
        assert_eq!(sequence.place(40_000), Order::Suspect);
        assert_eq!(sequence.place(11), Order::Newer(0x1_0000 + 11), "a stray packet changes nothing");
        assert_eq!(sequence.place(40_000), Order::Suspect);
        assert_eq!(sequence.place(40_001), Order::Restart(0x1_0000 + 40_001));
        assert_eq!(sequence.expected(), 3);
    }

    #[test]
    fn packets_before_the_first_one_have_a_place() {
        let mut sequence = Sequence::default();
        sequence.place(0);
        assert_eq!(sequence.place(65_535), Order::Older(0xffff));
    }

    proptest! {
        #[test]
        fn any_run_of_numbers_is_placed(numbers in proptest::collection::vec(any::<u16>(), 0..500)) {
            let mut sequence = Sequence::default();
            let mut expected = 0;
            for number in numbers {
                sequence.place(number);
                prop_assert!(sequence.expected() >= expected);
                expected = sequence.expected();
                let _ = sequence.highest();
            }
        }
    }
}
