//! Arguments, parsed as upstream's argparse does: options after the verb, long ones by any unique prefix, mixed with the
//! positional ones; wrong ones give the usage and exit code 2.

use std::collections::BTreeMap;
use std::fmt::Write;

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
    pub(crate) options: &'static [&'static Opt],
    pub(crate) positionals: &'static [Positional],
}

/// An argument without a name.
pub(crate) struct Positional {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
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
    /// An integer, shown under this name; with the default.
    Integer(&'static str, i64),
    /// One of these; the first is the default.
    OneOf(&'static [&'static str]),
}

/// What came of the arguments.
pub(crate) enum Outcome {
    /// Run this.
    Run(Parsed),
    /// Print this on standard output.
    Show(String),
    /// Print the version.
    Version,
    /// Print this on standard error and end with 2.
    Usage(String),
}

/// A command with its arguments.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) noun: &'static str,
    pub(crate) verb: &'static str,
    /// Ends a usage error: `usage: …` of this verb.
    usage: String,
    values: BTreeMap<&'static str, Vec<String>>,
    positionals: Vec<String>,
    options: BTreeMap<&'static str, i64>,
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

    /// All values of an option.
    pub(crate) fn all(&self, long: &str) -> &[String] {
        self.values.get(long).map_or(&[], Vec::as_slice)
    }

    /// An integer option; its default when absent.
    pub(crate) fn integer(&self, long: &str) -> i64 {
        // Parsed once already, when the arguments were read.
        self.text(long)
            .and_then(|text| text.trim().parse().ok())
            .or_else(|| self.options.get(long).copied())
            .unwrap_or_default()
    }

    /// A positional argument; there are as many as the verb's table says.
    pub(crate) fn positional(&self, at: usize) -> &str {
        self.positionals.get(at).map_or("", String::as_str)
    }

    /// The usage error for a bad argument.
    pub(crate) fn fault(&self, argument: &str, what: &str) -> String {
        format!(
            "{}aurora {} {}: error: argument {argument}: {what}",
            self.usage, self.noun, self.verb
        )
    }
}

/// Parses the arguments after the program's name.
pub(crate) fn parse(nouns: &'static [Noun], arguments: Vec<String>) -> Outcome {
    let mut rest = arguments.into_iter();
    let noun = match rest.next().as_deref() {
        None | Some("-h" | "--help") => return Outcome::Show(help_of_all(nouns)),
        Some("--version") => return Outcome::Version,
        Some(name) => match nouns.iter().find(|noun| noun.name == name) {
            Some(noun) => noun,
            None => {
                let names = nouns.iter().map(|noun| noun.name);
                return Outcome::Usage(choice_fault("aurora", "noun", name, names));
            }
        },
    };
    let program = format!("aurora {}", noun.name);
    let verb = match rest.next().as_deref() {
        None => {
            return Outcome::Usage(format!(
                "usage: {program} [-h] {}\n{program}: error: too few arguments\n",
                braces(noun.verbs.iter().map(|verb| verb.name))
            ));
        }
        Some("-h" | "--help") => return Outcome::Show(help_of_noun(noun)),
        Some(name) => match noun.verbs.iter().find(|verb| verb.name == name) {
            Some(verb) => verb,
            None => {
                let names = noun.verbs.iter().map(|verb| verb.name);
                return Outcome::Usage(choice_fault(&program, "verb", name, names));
            }
        },
    };
    parse_verb(noun, verb, rest.collect())
}

fn parse_verb(noun: &'static Noun, verb: &'static Verb, arguments: Vec<String>) -> Outcome {
    let program = format!("aurora {} {}", noun.name, verb.name);
    let usage = usage_of(&program, verb);
    let fault = |what: String| Outcome::Usage(format!("{usage}{program}: error: {what}\n"));
    let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut positionals = Vec::new();
    let mut unknown = Vec::new();
    let mut rest = arguments.into_iter().peekable();
    let mut only_positionals = false;
    while let Some(argument) = rest.next() {
        if only_positionals || !is_option(&argument) {
            positionals.push(argument);
            continue;
        }
        if argument == "--" {
            only_positionals = true;
            continue;
        }
        let (option, attached) = match find_option(verb, &argument) {
            Found::One(option, attached) => (option, attached),
            Found::Help => return Outcome::Show(help_of_verb(&program, verb)),
            Found::None => {
                unknown.push(argument);
                continue;
            }
            Found::Several(names) => {
                return fault(format!(
                    "ambiguous option: {argument} could match {}",
                    names.join(", ")
                ));
            }
        };
        let shown = shown_name(option);
        let value = match (&option.takes, attached) {
            (Takes::Nothing, None) => String::new(),
            (Takes::Nothing, Some(value)) => {
                return fault(format!(
                    "argument {shown}: ignored explicit argument '{value}'"
                ));
            }
            (_, Some(value)) => value,
            (_, None) => match rest.next_if(|next| !is_option(next)) {
                Some(value) => value,
                None => return fault(format!("argument {shown}: expected one argument")),
            },
        };
        match &option.takes {
            Takes::Nothing | Takes::Text(_) => {}
            Takes::Integer(..) => {
                if value.trim().parse::<i64>().is_err() {
                    return fault(format!("argument {shown}: invalid int value: '{value}'"));
                }
            }
            Takes::OneOf(choices) => {
                if !choices.contains(&value.as_str()) {
                    let choices: Vec<String> =
                        choices.iter().map(|choice| format!("'{choice}'")).collect();
                    return fault(format!(
                        "argument {shown}: invalid choice: '{value}' (choose from {})",
                        choices.join(", ")
                    ));
                }
            }
        }
        values.entry(option.long).or_default().push(value);
    }
    if positionals.len() < verb.positionals.len() {
        return fault("too few arguments".to_owned());
    }
    unknown.extend(positionals.drain(verb.positionals.len()..));
    if !unknown.is_empty() {
        return fault(format!("unrecognized arguments: {}", unknown.join(" ")));
    }
    let options = verb.options.iter().filter_map(|option| match option.takes {
        Takes::Integer(_, default) => Some((option.long, default)),
        _ => None,
    });
    Outcome::Run(Parsed {
        noun: noun.name,
        verb: verb.name,
        usage,
        values,
        positionals,
        options: options.collect(),
    })
}

/// A dash makes an option, except alone and in negative numbers.
fn is_option(argument: &str) -> bool {
    argument.starts_with('-') && argument != "-" && argument.parse::<f64>().is_err()
}

enum Found {
    One(&'static Opt, Option<String>),
    Help,
    None,
    Several(Vec<String>),
}

fn find_option(verb: &'static Verb, argument: &str) -> Found {
    if let Some(rest) = argument.strip_prefix("--") {
        let (name, attached) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (rest, None),
        };
        let all = || verb.options.iter().copied().chain(COMMON);
        if let Some(option) = all().find(|option| option.long == name) {
            return Found::One(option, attached);
        }
        if name == "help" {
            return Found::Help;
        }
        let matching: Vec<&'static Opt> = all()
            .filter(|option| option.long.starts_with(name))
            .collect();
        let help = "help".starts_with(name);
        return match (matching.as_slice(), help) {
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
        };
    }
    let mut letters = argument.chars();
    letters.next();
    let letter = letters.next();
    let attached = letters.as_str();
    if letter == Some('h') && attached.is_empty() {
        return Found::Help;
    }
    let option = verb
        .options
        .iter()
        .copied()
        .chain(COMMON)
        .find(|option| option.short.is_some() && option.short == letter);
    match option {
        Some(option) => Found::One(option, (!attached.is_empty()).then(|| attached.to_owned())),
        None => Found::None,
    }
}

/// Options of every verb.
const COMMON: [&Opt; 2] = [
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

fn shown_name(option: &Opt) -> String {
    match option.short {
        Some(short) => format!("--{}/-{short}", option.long),
        None => format!("--{}", option.long),
    }
}

fn braces<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("{{{}}} ...", names.collect::<Vec<_>>().join(","))
}

fn choice_fault<'a>(
    program: &str,
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let choices: Vec<String> = names.clone().map(|choice| format!("'{choice}'")).collect();
    format!(
        "usage: {program} [-h] {}\n{program}: error: argument {what}: invalid choice: '{name}' (choose from {})\n",
        braces(names),
        choices.join(", ")
    )
}

fn metavar(option: &Opt) -> Option<String> {
    match &option.takes {
        Takes::Nothing => None,
        Takes::Text(name) | Takes::Integer(name, _) => Some((*name).to_owned()),
        Takes::OneOf(choices) => Some(format!("{{{}}}", choices.join(","))),
    }
}

fn usage_of(program: &str, verb: &Verb) -> String {
    let mut usage = format!("usage: {program} [-h]");
    for option in verb.options.iter().copied().chain(COMMON) {
        match metavar(option) {
            None => write!(usage, " [--{}]", option.long),
            Some(value) => write!(usage, " [--{} {value}]", option.long),
        }
        .expect("writing into a String cannot fail");
    }
    for positional in verb.positionals {
        usage.push(' ');
        usage.push_str(positional.name);
    }
    usage.push('\n');
    usage
}

fn help_of_verb(program: &str, verb: &Verb) -> String {
    let mut text = format!("{}\n{}\n", usage_of(program, verb), verb.help);
    if !verb.positionals.is_empty() {
        text.push_str("\npositional arguments:\n");
        for positional in verb.positionals {
            entry(&mut text, positional.name, positional.help);
        }
    }
    text.push_str("\noptional arguments:\n");
    entry(&mut text, "-h, --help", "show this help message and exit");
    for option in verb.options.iter().copied().chain(COMMON) {
        let mut name = match option.short {
            Some(short) => format!("--{}, -{short}", option.long),
            None => format!("--{}", option.long),
        };
        if let Some(value) = metavar(option) {
            name.push(' ');
            name.push_str(&value);
        }
        entry(&mut text, &name, option.help);
    }
    text
}

fn help_of_noun(noun: &Noun) -> String {
    let names = noun.verbs.iter().map(|verb| verb.name);
    let mut text = format!("usage: aurora {} [-h] {}\n\n", noun.name, braces(names));
    text.push_str("subcommands:\n");
    for verb in noun.verbs {
        entry(&mut text, verb.name, verb.help);
    }
    text
}

fn help_of_all(nouns: &[Noun]) -> String {
    let names = nouns.iter().map(|noun| noun.name);
    let mut text = format!("usage: aurora [-h] [--version] {}\n\n", braces(names));
    text.push_str("commands:\n");
    for noun in nouns {
        entry(&mut text, noun.name, noun.help);
        for verb in noun.verbs {
            entry(
                &mut text,
                &format!("  {} {}", noun.name, verb.name),
                verb.help,
            );
        }
    }
    text
}

fn entry(text: &mut String, name: &str, help: &str) {
    let line = format!("  {name:<22}");
    text.push_str(&line);
    if line.len() > 24 {
        text.push_str("\n                        ");
    }
    text.push_str(help);
    text.push('\n');
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
