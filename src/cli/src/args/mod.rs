//! Arguments, parsed as upstream's argparse does: options after the verb, long ones by any unique prefix, mixed with the
//! positional ones; wrong ones give the usage and exit code 2.
//!
//! [`Noun`] and [`Verb`] are the tables. [`parse`] reads `aurora NOUN VERB …`, [`commands::parse`] reads
//! `aurora_admin COMMAND …`; both scan a verb's own arguments with [`scan`].

pub(crate) mod commands;
pub(crate) mod help;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::Pin;

use crate::context::{self, Context};
use help::{braces, choice_fault, help_of_all, help_of_noun, help_of_verb, usage_of};

/// A group of verbs.
pub(crate) struct Noun {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) verbs: &'static [Verb],
}

/// A command.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// In groups that verbs share.
    pub(crate) options: &'static [&'static [&'static Opt]],
    pub(crate) positionals: &'static [Positional],
    pub(crate) run: Run,
}

impl Verb {
    /// All its own options.
    pub(crate) fn own_options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().copied().flatten().copied()
    }
}

/// What a command does.
pub(crate) type Run =
    for<'a> fn(&'a Context<'a>) -> Pin<Box<dyn Future<Output = context::Outcome> + 'a>>;

/// An argument without a name.
pub(crate) struct Positional {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) count: Count,
}

/// How often a positional argument is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Once.
    One,
    /// Once or not at all; the last ones of a verb.
    Optional,
    /// Once or more.
    Many,
}

/// A named option.
pub(crate) struct Opt {
    /// Without the two dashes.
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
}

/// What follows an option.
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A text, shown under this name.
    Text(&'static str),
    /// A text, shown under this name, that the check finds nothing wrong with.
    Checked(&'static str, fn(&str) -> Result<(), String>),
    /// An integer, shown under this name; with the default.
    Integer(&'static str, i64),
    /// The same, greater than 0.
    Positive(&'static str, i64),
    /// One of these; the first is the default.
    OneOf(&'static [&'static str]),
    /// One of these; there is no default.
    AnyOf(&'static [&'static str]),
}

/// What came of the arguments.
pub(crate) enum Outcome {
    /// Run this.
    Run(Run, Parsed),
    /// Print this on standard output.
    Show(String),
    /// Print the version.
    Version,
    /// Print this on standard error and end with this code.
    Fault(String, crate::ExitCode),
}

/// The arguments of a command.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// What was called: `aurora job kill`.
    program: String,
    /// Begins a usage error: `usage: …` of this verb.
    usage: String,
    values: BTreeMap<&'static str, Vec<String>>,
    positionals: Vec<String>,
    defaults: BTreeMap<&'static str, i64>,
}

impl Parsed {
    /// Whether the flag was given.
    pub(crate) fn flag(&self, long: &str) -> bool {
        self.values.contains_key(long)
    }

    /// The last value of an option.
    pub(crate) fn text(&self, long: &str) -> Option<&str> {
        self.values.get(long)?.last().map(String::as_str)
    }

    /// The last value of an option for which an empty one counts as none, as a script with an empty variable gives it.
    pub(crate) fn given(&self, long: &str) -> Option<&str> {
        self.text(long).filter(|text| !text.is_empty())
    }

    /// All values of an option.
    pub(crate) fn all(&self, long: &str) -> &[String] {
        self.values.get(long).map_or(&[], Vec::as_slice)
    }

    /// An integer option; its default when absent.
    pub(crate) fn integer(&self, long: &str) -> i64 {
        self.given_integer(long)
            .or_else(|| self.defaults.get(long).copied())
            .unwrap_or_default()
    }

    /// An integer option, when it was given.
    pub(crate) fn given_integer(&self, long: &str) -> Option<i64> {
        // Parsed once already, when the arguments were read.
        self.text(long).and_then(|text| text.trim().parse().ok())
    }

    /// An integer option that must be positive; its default when absent.
    pub(crate) fn positive(&self, long: &str) -> usize {
        // Checked once already, when the arguments were read.
        usize::try_from(self.integer(long)).unwrap_or(1)
    }

    /// A positional argument that the verb's table demands.
    pub(crate) fn positional(&self, at: usize) -> &str {
        self.optional(at).unwrap_or("")
    }

    /// A positional argument, when it was given.
    pub(crate) fn optional(&self, at: usize) -> Option<&str> {
        self.positionals.get(at).map(String::as_str)
    }

    /// All positional arguments.
    pub(crate) fn positionals(&self) -> &[String] {
        &self.positionals
    }

    /// The usage error for a bad argument.
    pub(crate) fn fault(&self, argument: &str, what: &str) -> String {
        format!(
            "{}{}: error: argument {argument}: {what}",
            self.usage, self.program
        )
    }
}

/// Options of every verb of `aurora`.
pub(crate) const COMMON: &[&Opt] = &[
    &Opt {
        long: "verbose",
        short: Some('v'),
        takes: Takes::Nothing,
        help: "Show verbose output",
    },
    &Opt {
        long: "skip-hooks",
        short: None,
        takes: Takes::Text("hook,hook,..."),
        help: "A comma-separated list of command hook names that should be skipped",
    },
];

/// Parses the arguments of `aurora`, after the program's name.
pub(crate) fn parse(nouns: &'static [Noun], arguments: Vec<String>) -> Outcome {
    let usage = |text| Outcome::Fault(text, crate::ExitCode::Usage);
    let mut rest = arguments.into_iter();
    let noun = match rest.next().as_deref() {
        None | Some("-h" | "--help") => return Outcome::Show(help_of_all(nouns)),
        Some("--version") => return Outcome::Version,
        Some(name) => match nouns.iter().find(|noun| noun.name == name) {
            Some(noun) => noun,
            None => {
                let names = nouns.iter().map(|noun| noun.name);
                return usage(choice_fault("aurora", "noun", name, names));
            }
        },
    };
    let program = format!("aurora {}", noun.name);
    let verb = match rest.next().as_deref() {
        None => {
            return usage(format!(
                "usage: {program} [-h] {}\n{program}: error: too few arguments\n",
                braces(noun.verbs.iter().map(|verb| verb.name))
            ));
        }
        Some("-h" | "--help") => return Outcome::Show(help_of_noun(noun)),
        Some(name) => match noun.verbs.iter().find(|verb| verb.name == name) {
            Some(verb) => verb,
            None => {
                let names = noun.verbs.iter().map(|verb| verb.name);
                return usage(choice_fault(&program, "verb", name, names));
            }
        },
    };
    parse_verb(format!("{program} {}", verb.name), verb, rest.collect())
}

fn parse_verb(program: String, verb: &'static Verb, arguments: Vec<String>) -> Outcome {
    let options = scan::Options {
        own: verb.options,
        common: COMMON,
    };
    let text = usage_of(&program, verb, COMMON);
    let fault = |what: String| {
        let text = format!("{text}{program}: error: {what}\n");
        Outcome::Fault(text, crate::ExitCode::Usage)
    };
    let mut scanned = match scan::scan(options, arguments) {
        Ok(scanned) => scanned,
        Err(scan::Stop::Help) => return Outcome::Show(help_of_verb(&program, verb, COMMON)),
        Err(scan::Stop::Fault(what)) => return fault(what),
    };
    let (least, most) = bounds(verb.positionals);
    if scanned.positionals.len() < least {
        return fault("too few arguments".to_owned());
    }
    if let Some(most) = most {
        let most = most.min(scanned.positionals.len());
        scanned.unknown.extend(scanned.positionals.drain(most..));
    }
    if !scanned.unknown.is_empty() {
        return fault(format!(
            "unrecognized arguments: {}",
            scanned.unknown.join(" ")
        ));
    }
    Outcome::Run(verb.run, scanned.into_parsed(program, text, options))
}

/// How many positional arguments a verb takes: at least, and at most unless there is no limit.
fn bounds(positionals: &[Positional]) -> (usize, Option<usize>) {
    let count = |wanted: Count| positionals.iter().filter(|p| p.count == wanted).count();
    let least = positionals.len() - count(Count::Optional);
    let most = (count(Count::Many) == 0).then_some(positionals.len());
    (least, most)
}
