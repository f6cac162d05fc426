//! One pass over a command's own arguments: which are options, and which value belongs to which.

use std::collections::BTreeMap;

use super::help::shown_name;
use super::{Opt, Parsed, Takes};

/// The options that a command knows.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) own: &'static [&'static [&'static Opt]],
    pub(super) common: &'static [&'static Opt],
}

impl Options {
    fn iter(self) -> impl Iterator<Item = &'static Opt> {
        let own = self.own.iter().copied().flatten();
        own.chain(self.common).copied()
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) positionals: Vec<String>,
    /// Options that nobody knows.
    pub(super) unknown: Vec<String>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Scanned {
    pub(super) fn into_parsed(self, program: String, usage: String, options: Options) -> Parsed {
        let defaults = options.iter().filter_map(|option| match option.takes {
            Takes::Integer(_, default) | Takes::Positive(_, default) => {
                Some((option.long, default))
            }
            _ => None,
        });
        Parsed {
            program,
            usage,
            values: self.values,
            positionals: self.positionals,
            defaults: defaults.collect(),
        }
    }

    /// Takes in what was found elsewhere.
    pub(super) fn merge(&mut self, other: Scanned) {
        self.positionals.extend(other.positionals);
        self.unknown.extend(other.unknown);
        for (long, values) in other.values {
            self.values.entry(long).or_default().extend(values);
        }
    }
}

/// Why the scan ends early.
pub(super) enum Stop {
    /// The help is asked for.
    Help,
    /// Something is wrong.
    Fault(String),
}

pub(super) fn scan(options: Options, arguments: Vec<String>) -> Result<Scanned, Stop> {
    let mut scanned = Scanned::default();
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            scanned.positionals.extend(rest);
            break;
        }
        if !is_option(options, &argument) {
            scanned.positionals.push(argument);
            continue;
        }
        let (option, attached) = match find(options, &argument) {
            Found::One(option, attached) => (option, attached),
            Found::Help => return Err(Stop::Help),
            Found::None => {
                scanned.unknown.push(argument);
                continue;
            }
            Found::Several(names) => {
                return Err(Stop::Fault(format!(
                    "ambiguous option: {argument} could match {}",
                    names.join(", ")
                )));
            }
        };
        let value = value_of(option, attached, || {
            rest.next_if(|next| !is_option(options, next))
        })
        .map_err(|what| Stop::Fault(format!("argument {}: {what}", shown_name(option))))?;
        scanned.values.entry(option.long).or_default().push(value);
    }
    Ok(scanned)
}

/// The value of an option: attached to it, or the argument that follows.
fn value_of(
    option: &Opt,
    attached: Option<String>,
    following: impl FnOnce() -> Option<String>,
) -> Result<String, String> {
    if matches!(option.takes, Takes::Nothing) {
        return match attached {
            None => Ok(String::new()),
            Some(value) => Err(format!("ignored explicit argument '{value}'")),
        };
    }
    let value = attached
        .or_else(following)
        .ok_or_else(|| "expected one argument".to_owned())?;
    check(&option.takes, &value).map(|()| value)
}

/// What is wrong with an option's value.
fn check(takes: &Takes, value: &str) -> Result<(), String> {
    let integer = || {
        let parsed = value.trim().parse::<i64>();
        parsed.map_err(|_| format!("invalid int value: '{value}'"))
    };
    match takes {
        Takes::Nothing | Takes::Text(_) => Ok(()),
        Takes::Checked(_, check) => check(value),
        Takes::Integer(..) => integer().map(|_| ()),
        Takes::Positive(..) => match integer()? {
            1.. => Ok(()),
            other => Err(format!("must be greater than 0, but got {other}")),
        },
        Takes::OneOf(choices) | Takes::AnyOf(choices) if !choices.contains(&value) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            Err(format!(
                "invalid choice: '{value}' (choose from {})",
                choices.join(", ")
            ))
        }
        Takes::OneOf(_) | Takes::AnyOf(_) => Ok(()),
    }
}

/// A dash makes an option, except alone, in negative numbers, and before words with blanks that no option begins with.
fn is_option(options: Options, argument: &str) -> bool {
    argument.starts_with('-')
        && argument != "-"
        && argument.parse::<f64>().is_err()
        && (!argument.contains(' ') || !matches!(find(options, argument), Found::None))
}

enum Found {
    One(&'static Opt, Option<String>),
    Help,
    None,
    Several(Vec<String>),
}

fn find(options: Options, argument: &str) -> Found {
    match argument.strip_prefix("--") {
        Some(long) => find_long(options, long),
        None => find_short(options, argument),
    }
}

fn find_long(options: Options, argument: &str) -> Found {
    let (name, attached) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (argument, None),
    };
    if let Some(option) = options.iter().find(|option| option.long == name) {
        return Found::One(option, attached);
    }
    if name == "help" {
        return Found::Help;
    }
    let matching: Vec<&'static Opt> = options
        .iter()
        .filter(|option| option.long.starts_with(name))
        .collect();
    let help = "help".starts_with(name);
    match (matching.as_slice(), help) {
        ([], true) => Found::Help,
        ([], false) => Found::None,
        ([option], false) => Found::One(option, attached),
        (several, help) => Found::Several(
            several
                .iter()
                .map(|option| format!("--{}", option.long))
                .chain(help.then(|| "--help".to_owned()))
                .collect(),
        ),
    }
}

fn find_short(options: Options, argument: &str) -> Found {
    let mut letters = argument.chars();
    letters.next();
    let letter = letters.next();
    let attached = letters.as_str();
    if letter == Some('h') && attached.is_empty() {
        return Found::Help;
    }
    let option = options
        .iter()
        .find(|option| option.short.is_some() && option.short == letter);
    match option {
        Some(option) => Found::One(option, (!attached.is_empty()).then(|| attached.to_owned())),
        None => Found::None,
    }
}
