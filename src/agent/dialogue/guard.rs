//! Conditions: `when = "visits.pitch > 1 and not budget"`. A small language without side effects, loops or calls.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Most characters of a condition.
const MAX_CHARS: usize = 400;
/// Most brackets and `not`s within each other.
const MAX_DEPTH: usize = 16;
/// Most assignments that are tried to see whether a condition can hold at all.
const MAX_TRIES: usize = 20_000;

/// What a name is compared with.
#[derive(Clone, PartialEq, Debug)]
enum Operand {
    Name(String),
    Text(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, PartialEq, Debug)]
enum Term {
    Both(Box<Term>, Box<Term>),
    Either(Box<Term>, Box<Term>),
    Not(Box<Term>),
    Known(String),
    Compare(Operand, Comparison, Operand),
    OneOf(String, Vec<String>),
}

/// A condition.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Guard {
    term: Term,
    /// As it was written.
    pub text: String,
}

impl Eq for Guard {}

impl Guard {
    /// Takes a condition apart. The error says what is wrong with it, and the fix.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_CHARS {
            return Err(format!("a condition of more than {MAX_CHARS} characters: split it over several answers"));
        }
        let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
        let term = reader.either()?;
        match reader.peek() {
            None => Ok(Self { term, text: text.to_owned() }),
            Some(token) => Err(format!("'{token}' after the end of the condition: join conditions with 'and' or 'or'")),
        }
    }

    /// Whether it holds, with these values for names; none: no value.
    pub fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        holds(&self.term, value)
    }

    /// The names in it.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        collect(&self.term, &mut |name, _| {
            names.insert(name);
        });
        names
    }

    /// Whether any values make it hold. `values` lists those that a name can take beside none at all; a name that it does not
    /// list can take any. True where that would take too long to find out.
    pub fn can_hold(&self, values: &dyn Fn(&str) -> Option<Vec<String>>) -> bool {
        let mut choices: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        collect(&self.term, &mut |name, constant| {
            let choices = choices.entry(name).or_default();
            choices.insert(String::new());
            match values(name) {
                Some(listed) => choices.extend(listed),
                None => {
                    choices.insert("other".to_owned());
                    let Some(constant) = constant else { return };
                    choices.insert(constant.to_owned());
                    if let Ok(number) = constant.parse::<f64>() {
                        choices.extend([number - 1.0, number + 1.0].map(|number| number.to_string()));
                    }
                }
            }
        });
        let all: Vec<(&str, Vec<String>)> =
            choices.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect();
        let tries = all.iter().try_fold(1_usize, |product, (_, values)| product.checked_mul(values.len()));
        let Some(tries) = tries.filter(|tries| *tries <= MAX_TRIES) else { return true };
        (0..tries).any(|mut number| {
            let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
            for (name, values) in &all {
                if let Some(value) = values.get(number % values.len()) {
                    chosen.insert(name, value);
                }
                number /= values.len();
            }
            self.holds(&|name| chosen.get(name).map(|value| Cow::Borrowed(*value)))
        })
    }
}

fn collect<'a>(term: &'a Term, found: &mut dyn FnMut(&'a str, Option<&'a str>)) {
    match term {
        Term::Both(a, b) | Term::Either(a, b) => {
            collect(a, found);
            collect(b, found);
        }
        Term::Not(inner) => collect(inner, found),
        Term::Known(name) => found(name, None),
        Term::Compare(a, _, b) => {
            for (side, other) in [(a, b), (b, a)] {
                if let Operand::Name(name) = side {
                    found(name, if let Operand::Text(text) = other { Some(text) } else { None });
                }
            }
        }
        Term::OneOf(name, values) => values.iter().for_each(|value| found(name, Some(value))),
    }
}

fn holds<'a>(term: &Term, value: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> bool {
    let of = |operand: &Operand| match operand {
        Operand::Name(name) => value(name).map(Cow::into_owned).unwrap_or_default(),
        Operand::Text(text) => text.clone(),
    };
    match term {
        Term::Both(a, b) => holds(a, value) && holds(b, value),
        Term::Either(a, b) => holds(a, value) || holds(b, value),
        Term::Not(inner) => !holds(inner, value),
        Term::Known(name) => value(name).is_some_and(|value| !matches!(value.trim(), "" | "no" | "false" | "0")),
        Term::OneOf(name, values) => value(name).is_some_and(|value| values.iter().any(|one| *one == value)),
        Term::Compare(a, comparison, b) => {
            let (a, b) = (of(a), of(b));
            let numbers = a.trim().parse::<f64>().ok().zip(b.trim().parse::<f64>().ok());
            match comparison {
                Comparison::Equal => numbers.map_or(a == b, |(a, b)| a == b),
                Comparison::Unequal => numbers.map_or(a != b, |(a, b)| a != b),
                // What is no number is neither more nor less than anything.
                Comparison::Less => numbers.is_some_and(|(a, b)| a < b),
                Comparison::AtMost => numbers.is_some_and(|(a, b)| a <= b),
                Comparison::More => numbers.is_some_and(|(a, b)| a > b),
                Comparison::AtLeast => numbers.is_some_and(|(a, b)| a >= b),
            }
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    Text(String),
    Mark(&'static str),
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Mark(mark) => f.write_str(mark),
        }
    }
}

const MARKS: [&str; 9] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            tokens.push(Token::Mark(mark));
            rest = rest.get(mark.len()..).unwrap_or_default();
        } else if let Some(inside) = rest.strip_prefix('\'') {
            let Some((inside, after)) = inside.split_once('\'') else {
                return Err("a text without its closing quote: write 'text'".to_owned());
            };
            tokens.push(Token::Text(inside.to_owned()));
            rest = after;
        } else {
            let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            let end = rest.find(|c| !joins(c)).unwrap_or(rest.len());
            if end == 0 {
                let hint = if first == '=' { "write == to compare" } else { "texts stand in single quotes" };
                return Err(format!("'{first}' means nothing in a condition: {hint}"));
            }
            let (word, after) = rest.split_at(end);
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(is);
        is
    }

    fn mark(&mut self, mark: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.at += usize::from(is);
        is
    }

    fn either(&mut self) -> Result<Term, String> {
        let mut term = self.both()?;
        while self.word("or") {
            term = Term::Either(Box::new(term), Box::new(self.both()?));
        }
        Ok(term)
    }

    fn both(&mut self) -> Result<Term, String> {
        let mut term = self.single()?;
        while self.word("and") {
            term = Term::Both(Box::new(term), Box::new(self.single()?));
        }
        Ok(term)
    }

    fn single(&mut self) -> Result<Term, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("brackets more than {MAX_DEPTH} deep: split the condition"));
        }
        let term = if self.word("not") {
            Term::Not(Box::new(self.single()?))
        } else if self.mark("(") {
            let term = self.either()?;
            if !self.mark(")") {
                return Err("a bracket is open: ')' is missing".to_owned());
            }
            term
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(term)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Operand::Text(text)),
            Some(Token::Word(word)) if matches!(word.as_str(), "and" | "or" | "in" | "not") => {
                Err(format!("'{word}' where a name, a number or a 'text' is expected"))
            }
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                match word.parse::<f64>() {
                    Ok(_) => Ok(Operand::Text(word)),
                    Err(_) => Err(format!("'{word}' is no number")),
                }
            }
            Some(Token::Word(word)) => Ok(Operand::Name(word)),
            Some(token) => Err(format!("'{token}' where a name, a number or a 'text' is expected")),
            None => Err("the condition ends too early: a name, a number or a 'text' is missing".to_owned()),
        }
    }

    fn comparison(&mut self) -> Result<Term, String> {
        let left = self.operand()?;
        if self.word("in") {
            let Operand::Name(name) = left else { return Err("'in' needs a name before it".to_owned()) };
            if !self.mark("(") {
                return Err("'in' needs a list: name in ('a', 'b')".to_owned());
            }
            let mut values = Vec::new();
            loop {
                match self.operand()? {
                    Operand::Text(text) => values.push(text),
                    Operand::Name(name) => return Err(format!("'{name}' in a list: texts stand in single quotes")),
                }
                if self.mark(")") {
                    return Ok(Term::OneOf(name, values));
                }
                if !self.mark(",") {
                    return Err("a list is open: ')' is missing".to_owned());
                }
            }
        }
        let comparison = match self.peek() {
            Some(Token::Mark("==")) => Comparison::Equal,
            Some(Token::Mark("!=")) => Comparison::Unequal,
            Some(Token::Mark("<")) => Comparison::Less,
            Some(Token::Mark("<=")) => Comparison::AtMost,
            Some(Token::Mark(">")) => Comparison::More,
            Some(Token::Mark(">=")) => Comparison::AtLeast,
            _ => {
                return match left {
                    Operand::Name(name) => Ok(Term::Known(name)),
                    Operand::Text(text) => Err(format!("'{text}' alone is no condition: compare it with something")),
                };
            }
        };
        self.at += 1;
        Ok(Term::Compare(left, comparison, self.operand()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(text: &str) -> bool {
        let values =
            [("budget", "high"), ("visits.pitch", "2"), ("met.too_expensive", "0"), ("vip", "no"), ("n", "10")];
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, v)| Cow::Borrowed(*v));
        Guard::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&value)
    }

    #[test]
    fn conditions_hold_or_do_not() {
        for text in [
            "budget",
            "budget == 'high'",
            "budget in ('low', 'high')",
            "visits.pitch > 1 and not vip",
            "met.too_expensive == 0 or nothing",
            "not (vip or nothing)",
            "n > 9",
            "n >= 10.0 and n <= 10",
            "nothing != 'x'",
            "not vip and not nothing or nothing",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in
            ["vip", "nothing", "budget != 'high'", "budget < 3", "met.too_expensive", "n < 9", "nothing in ('x')"]
        {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn a_wrong_condition_is_explained() {
        let why = |text: &str| Guard::parse(text).unwrap_err();
        assert!(why("a = 'b'").contains("=="));
        assert!(why("a == \"b\"").contains("single quotes"));
        assert!(why("a == 'b").contains("closing quote"));
        assert!(why("(a").contains("')' is missing"));
        assert!(why("a b").contains("and"));
        assert!(why("and a").contains("'and'"));
        assert!(why("").contains("too early"));
        assert!(why("a in 'b'").contains("list"));
        assert!(why("'a'").contains("alone"));
        assert!(why(&"not ".repeat(40)).contains("deep"));
    }

    #[test]
    fn what_can_never_hold_is_found() {
        let listed = |name: &str| (name == "budget").then(|| vec!["high".to_owned(), "low".to_owned()]);
        let can = |text: &str| Guard::parse(text).unwrap().can_hold(&listed);
        assert!(can("budget == 'high' and turns > 3"));
        assert!(!can("budget == 'hihg'"), "not one of the values");
        assert!(!can("turns > 3 and turns < 2"));
        assert!(!can("vip and not vip"));
        assert!(can("not budget"));
        assert!(can("turns > 3 and turns < 6"));
    }

    proptest! {
        #[test]
        fn no_condition_panics(text in "[ab01.'()<>=!, notrdi]{0,40}") {
            if let Ok(guard) = Guard::parse(&text) {
                let _ = guard.holds(&|_| None);
                let _ = guard.can_hold(&|_| None);
            }
        }
    }
}
