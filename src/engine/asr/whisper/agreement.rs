//! What two decodes in a row agree on is settled (LocalAgreement-2 of Macháček, Dabre and Bojar, 2023): the longest common
//! beginning of the last two hypotheses does not change any more.

use super::words::{join, units};

/// The hypotheses of one utterance.
#[derive(Default)]
pub(super) struct Agreement {
    settled: Vec<String>,
    last: Vec<String>,
}

impl Agreement {
    /// Takes a hypothesis in plain text; true when more is settled than before.
    pub fn push(&mut self, plain: &str) -> bool {
        let now: Vec<String> = units(plain).into_iter().map(str::to_owned).collect();
        let common = self.last.iter().zip(&now).take_while(|(a, b)| a == b).count();
        let more = common > self.settled.len() && now.starts_with(&self.settled);
        if more {
            self.settled = now.get(..common).unwrap_or_default().to_vec();
        }
        self.last = now;
        more
    }

    /// What is settled.
    pub fn settled(&self) -> String {
        join(self.settled.iter().map(String::as_str))
    }

    /// A hypothesis that keeps to what is settled: where it does not, its words after as many take their place behind it.
    pub fn keep(&self, plain: &str) -> String {
        let now = units(plain);
        let same = now.len() >= self.settled.len() && now.iter().zip(&self.settled).all(|(a, b)| a == b);
        if same {
            return plain.to_owned();
        }
        let rest = now.iter().skip(self.settled.len()).copied();
        join(self.settled.iter().map(String::as_str).chain(rest))
    }

    /// The next utterance.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_beginning_of_two_hypotheses_is_settled_and_stays() {
        let mut agreement = Agreement::default();
        assert!(!agreement.push("i want"));
        assert!(agreement.push("i want to"));
        assert_eq!(agreement.settled(), "i want");
        assert!(!agreement.push("i wanted two tickets"), "a contradiction settles nothing");
        assert!(!agreement.push("i wanted two tickets please"), "nor does one that stays");
        assert_eq!(agreement.settled(), "i want");
        assert_eq!(agreement.keep("i wanted two tickets"), "i want two tickets");
        agreement.push("i want two tickets");
        assert!(agreement.push("i want two tickets"));
        assert_eq!(agreement.keep("i want two tickets for tonight"), "i want two tickets for tonight");
        assert_eq!(agreement.keep("i"), "i want two tickets");
        agreement.clear();
        assert_eq!(agreement.settled(), "");
    }

    #[test]
    fn chinese_is_settled_by_characters() {
        let mut agreement = Agreement::default();
        agreement.push("我想");
        assert!(agreement.push("我想退"));
        assert_eq!(agreement.settled(), "我想");
        assert_eq!(agreement.keep("我要退订"), "我想退订");
    }
}
