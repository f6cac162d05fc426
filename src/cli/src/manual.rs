//! The manual page `docs/cli.md`, made from the tables; the test fails when the file says something else.

use std::fmt::Write;

use crate::ExitCode;
use crate::admin::COMMANDS;
use crate::args::help::{metavar, shown_positional};
use crate::args::{COMMON, Opt, Verb, commands};
use crate::verbs::NOUNS;

const EXIT_CODES: &[(ExitCode, &str)] = &[
    (
        ExitCode::Crash,
        "an answer that cannot be read; a fatal fault of a job file; every failure of `aurora_admin`",
    ),
    (ExitCode::Usage, "wrong arguments"),
    (
        ExitCode::InvalidConfiguration,
        "the job file cannot be loaded, the update settings are bad, the cluster is unknown",
    ),
    (
        ExitCode::CommandFailure,
        "the command failed; the update was rolled back",
    ),
    (
        ExitCode::InvalidParameter,
        "bad instances, or nothing found",
    ),
    (
        ExitCode::NetworkError,
        "the connection failed in a call that must not be made twice",
    ),
    (
        ExitCode::Timeout,
        "the scheduler could not be reached for long, or a kill did not finish",
    ),
    (ExitCode::ApiError, "the scheduler refused"),
    (
        ExitCode::UnknownError,
        "a query's answer is not understood; the update ended in another state",
    ),
    (ExitCode::AuthError, "the scheduler does not let you in"),
    (ExitCode::Interrupted, "Ctrl-C"),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "AURORA_CONFIG_ROOT",
        "the directory of `clusters.json`, `/etc/aurora` unless given; `~/.aurora/clusters.json` comes after it and replaces by name",
    ),
    (
        "AURORA_STATE_DIR",
        "the state directory of a local cluster, when it is not where `aurora-local` puts it",
    ),
    (
        "NETRC",
        "the file with a user and password for each scheduler's host, `~/.netrc` unless given",
    ),
    (
        "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE",
        "a PEM file with the authorities that sign schedulers' certificates, instead of the system's",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "where the system's authorities are, when neither of those is given",
    ),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "proxies for schedulers that are not on this machine",
    ),
    (
        "LOGNAME, USER, LNAME, USERNAME",
        "the first that is given names the user in a job's owner; else the login name of the process",
    ),
    (
        "DIFF_VIEWER",
        "the program that compares tasks, `diff` unless given, with options if it needs them",
    ),
    (
        "BROWSER",
        "the programs that open pages, between colons; `%s` stands for the address",
    ),
];

const FORMATS: &str = "
## Formats

`aurora config check` prints `FILE:LINE:COLUMN: SEVERITY: MESSAGE (in FIELD)` on standard error, as far as the place is known, with a hint on a line of its own; a file without errors gets a line on standard output.
With `--write-json` it prints one object: `valid`, and in `files` for each file `path`, `valid`, `jobs` (their keys) and `diagnostics`.
A diagnostic has `severity` (`error`, `warning`), `kind`, `message`, `file`, and where they are known `line` and `column` (from 1), `field` (such as `jobs[2].task.processes[0].cmdline`) and `hint`.

`aurora events follow` prints the lines of the event feed as the scheduler sends them.

Programs that wait show a line on standard error that says how far it is, when that is a terminal.
";

fn page() -> String {
    let mut page = String::from(
        "# Command lines\n\n\
         Made from the programs' own tables; `AURORA_WRITE_MANUAL=1 cargo test -p aurora-cli the_manual` writes it anew.\n\n\
         ## Exit codes\n\n\
         `aurora task ssh` and `aurora task scp` end as ssh and scp end.\n\n\
         | Code | When |\n|---|---|\n| 0 | done |\n",
    );
    for (code, when) in EXIT_CODES {
        line(&mut page, &format!("| {} | {when} |", *code as i32));
    }
    page.push_str("\n## Environment\n\n| Variable | Meaning |\n|---|---|\n");
    for (names, meaning) in ENVIRONMENT {
        let names = names.replace(", ", "`, `");
        line(&mut page, &format!("| `{names}` | {meaning} |"));
    }
    page.push_str(FORMATS);
    line(&mut page, "\n## aurora\n");
    line(&mut page, "With every verb:\n");
    options(&mut page, COMMON.iter().copied());
    for noun in NOUNS {
        line(&mut page, &format!("\n### {}\n\n{}.", noun.name, noun.help));
        for verb in noun.verbs {
            describe(
                &mut page,
                &format!("aurora {} {}", noun.name, verb.name),
                verb,
            );
        }
    }
    line(&mut page, "\n## aurora_admin\n");
    line(&mut page, "With every command:\n");
    options(&mut page, commands::COMMON.iter().copied());
    for command in COMMANDS {
        describe(
            &mut page,
            &format!("aurora_admin {}", command.name),
            command,
        );
    }
    page
}

fn describe(page: &mut String, program: &str, verb: &Verb) {
    let mut usage = program.to_owned();
    for positional in verb.positionals {
        usage.push(' ');
        usage.push_str(&shown_positional(positional));
    }
    line(page, &format!("\n#### `{usage}`\n\n{}.", verb.help));
    if !verb.options.is_empty() {
        line(page, "");
        options(page, verb.own_options());
    }
}

fn options(page: &mut String, options: impl Iterator<Item = &'static Opt>) {
    for option in options {
        let mut name = format!("--{}", option.long);
        if let Some(short) = option.short {
            write!(name, ", -{short}").expect("writing into a String cannot fail");
        }
        if let Some(value) = metavar(option) {
            write!(name, " {value}").expect("writing into a String cannot fail");
        }
        line(page, &format!("- `{name}`: {}", option.help));
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

#[test]
fn the_manual_says_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let page = page();
    if std::env::var_os("AURORA_WRITE_MANUAL").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    for (number, (written, page)) in written.lines().zip(page.lines()).enumerate() {
        assert_eq!(written, page, "docs/cli.md:{}", number + 1);
    }
    assert_eq!(written.lines().count(), page.lines().count(), "docs/cli.md");
}
