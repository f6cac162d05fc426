//! Usage lines and help pages.

use std::fmt::Write;

use super::{Count, Noun, Opt, Positional, Takes, Verb};

pub(super) fn shown_name(option: &Opt) -> String {
    match option.short {
        Some(short) => format!("--{}/-{short}", option.long),
        None => format!("--{}", option.long),
    }
}

pub(super) fn braces<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("{{{}}} ...", names.collect::<Vec<_>>().join(","))
}

pub(super) fn choice_fault<'a>(
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

/// What follows an option, as shown.
pub(crate) fn metavar(option: &Opt) -> Option<String> {
    match &option.takes {
        Takes::Nothing => None,
        Takes::Text(name)
        | Takes::Checked(name, _)
        | Takes::Integer(name, _)
        | Takes::Positive(name, _) => Some((*name).to_owned()),
        Takes::OneOf(choices) | Takes::AnyOf(choices) => Some(format!("{{{}}}", choices.join(","))),
    }
}

/// A positional argument as usage lines show it.
pub(crate) fn shown_positional(positional: &Positional) -> String {
    match positional.count {
        Count::One => positional.name.to_owned(),
        Count::Optional => format!("[{}]", positional.name),
        Count::Many => format!("{0} [{0} ...]", positional.name),
    }
}

pub(super) fn usage_of(program: &str, verb: &Verb, common: &[&'static Opt]) -> String {
    let mut usage = format!("usage: {program} [-h]");
    for option in verb.own_options().chain(common.iter().copied()) {
        match metavar(option) {
            None => write!(usage, " [--{}]", option.long),
            Some(value) => write!(usage, " [--{} {value}]", option.long),
        }
        .expect("writing into a String cannot fail");
    }
    for positional in verb.positionals {
        usage.push(' ');
        usage.push_str(&shown_positional(positional));
    }
    usage.push('\n');
    usage
}

pub(super) fn help_of_verb(program: &str, verb: &Verb, common: &[&'static Opt]) -> String {
    let mut text = format!("{}\n{}\n", usage_of(program, verb, common), verb.help);
    if !verb.positionals.is_empty() {
        text.push_str("\npositional arguments:\n");
        for positional in verb.positionals {
            entry(&mut text, positional.name, positional.help);
        }
    }
    text.push_str("\noptional arguments:\n");
    entry(&mut text, "-h, --help", "show this help message and exit");
    for option in verb.own_options().chain(common.iter().copied()) {
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

pub(super) fn help_of_noun(noun: &Noun) -> String {
    let names = noun.verbs.iter().map(|verb| verb.name);
    let mut text = format!("usage: aurora {} [-h] {}\n\n", noun.name, braces(names));
    text.push_str("subcommands:\n");
    for verb in noun.verbs {
        entry(&mut text, verb.name, verb.help);
    }
    text
}

pub(super) fn help_of_all(nouns: &[Noun]) -> String {
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

pub(super) fn entry(text: &mut String, name: &str, help: &str) {
    // Two blanks at least before the help.
    let line = if name.len() > 20 {
        format!("  {name}\n{:24}", "")
    } else {
        format!("  {name:<22}")
    };
    text.push_str(&line);
    text.push_str(help);
    text.push('\n');
}
