//! The arguments of `aurora_admin`: `COMMAND [options] args`, as upstream's twitter.common.app takes them.

use super::help::{entry, help_of_verb, usage_of};
use super::{Opt, Outcome, Takes, Verb, bounds, scan};
use crate::ExitCode;

const PROGRAM: &str = "aurora_admin";

/// Options of every command, before its name or after.
pub(crate) const COMMON: &[&Opt] = &[
    &Opt {
        long: "verbose",
        short: Some('v'),
        takes: Takes::Nothing,
        help: "Verbose logging",
    },
    &Opt {
        long: "quiet",
        short: Some('q'),
        takes: Takes::Nothing,
        help: "No logging",
    },
    &Opt {
        long: "bypass-leader-redirect",
        short: None,
        takes: Takes::Nothing,
        help: "Bypass the scheduler's leader redirect filter",
    },
];

/// Parses the arguments of `aurora_admin`, after the program's name.
pub(crate) fn parse(commands: &'static [Verb], mut arguments: Vec<String>) -> Outcome {
    // The first argument that is no option names the command.
    let at = arguments
        .iter()
        .position(|argument| !argument.starts_with('-'));
    let tail = at.map_or_else(Vec::new, |at| arguments.split_off(at));
    let common = scan::Options {
        own: &[],
        common: COMMON,
    };
    if arguments.iter().any(|argument| argument == "--version") {
        return Outcome::Version;
    }
    let before = match scan::scan(common, arguments) {
        Ok(before) if before.unknown.is_empty() => before,
        Ok(before) => return no_such_option(&before.unknown),
        Err(scan::Stop::Help) => return Outcome::Show(help_of_all(commands)),
        Err(scan::Stop::Fault(what)) => return fault(&what),
    };
    let mut tail = tail.into_iter();
    let Some(name) = tail.next() else {
        return Outcome::Show(help_of_all(commands));
    };
    if name == "help" {
        return help(commands, tail.next().as_deref());
    }
    let Some(command) = commands.iter().find(|command| command.name == name) else {
        return Outcome::Fault(
            format!("FATAL] Unknown command: {name}\n{}", help_of_all(commands)),
            ExitCode::Crash,
        );
    };
    parse_command(command, before, tail.collect())
}

fn parse_command(
    command: &'static Verb,
    mut found: scan::Scanned,
    arguments: Vec<String>,
) -> Outcome {
    let program = format!("{PROGRAM} {}", command.name);
    let options = scan::Options {
        own: command.options,
        common: COMMON,
    };
    match scan::scan(options, arguments) {
        Ok(scanned) => found.merge(scanned),
        Err(scan::Stop::Help) => {
            return Outcome::Show(help_of_verb(&program, command, COMMON));
        }
        Err(scan::Stop::Fault(what)) => return fault(&what),
    }
    if !found.unknown.is_empty() {
        return no_such_option(&found.unknown);
    }
    let usage = usage_of(&program, command, COMMON);
    let (least, most) = bounds(command.positionals);
    let count = found.positionals.len();
    if count < least || most.is_some_and(|most| count > most) {
        let text = format!("FATAL] {usage}\nsee the help subcommand for more details.\n");
        return Outcome::Fault(text, ExitCode::Crash);
    }
    Outcome::Run(command.run, found.into_parsed(program, usage, options))
}

fn no_such_option(unknown: &[String]) -> Outcome {
    fault(&format!("no such option: {}", unknown.join(" ")))
}

fn fault(what: &str) -> Outcome {
    Outcome::Fault(
        format!("usage: {PROGRAM} COMMAND [options] args\n\n{PROGRAM}: error: {what}\n"),
        ExitCode::Usage,
    )
}

fn help(commands: &'static [Verb], name: Option<&str>) -> Outcome {
    let Some(name) = name else {
        return Outcome::Show(help_of_all(commands));
    };
    match commands.iter().find(|command| command.name == name) {
        Some(command) => {
            let program = format!("{PROGRAM} {}", command.name);
            Outcome::Show(help_of_verb(&program, command, COMMON))
        }
        None => Outcome::Fault(
            format!("FATAL] Unknown command: {name}\n{}", help_of_all(commands)),
            ExitCode::Crash,
        ),
    }
}

fn help_of_all(commands: &[Verb]) -> String {
    let mut text = format!("usage: {PROGRAM} COMMAND [options] args\n\nAvailable commands:\n");
    for command in commands {
        entry(&mut text, command.name, command.help);
    }
    text.push_str(&format!(
        "\nFor more help on an individual command:\n    {PROGRAM} help <command>\n"
    ));
    text
}
