use super::*;
use crate::verbs::NOUNS;

fn outcome(line: &str) -> Outcome {
    parse(NOUNS, line.split_whitespace().map(str::to_owned).collect())
}

fn run(line: &str) -> Parsed {
    match outcome(line) {
        Outcome::Run(parsed) => parsed,
        Outcome::Usage(text) => panic!("{line}: {text}"),
        Outcome::Show(_) | Outcome::Version => panic!("{line}: help"),
    }
}

fn usage(line: &str) -> String {
    match outcome(line) {
        Outcome::Usage(text) => text,
        _ => panic!("{line}: no usage error"),
    }
}

#[test]
fn options_may_be_shortened_and_mixed_with_positionals() {
    let parsed = run("job kill --batch 3 c/r/e/n/0 -mbye --no-b");
    assert_eq!(parsed.positional(0), "c/r/e/n/0");
    assert_eq!(parsed.integer("batch-size"), 3);
    assert_eq!(parsed.text("message"), Some("bye"));
    assert!(parsed.flag("no-batching") && !parsed.flag("strict"));
    assert_eq!(parsed.integer("max-total-failures"), 0);
    let parsed = run("job restart --max-total-failures -1 k --watch-secs=5 -v");
    assert_eq!(parsed.integer("max-total-failures"), -1);
    assert_eq!(parsed.integer("watch-secs"), 5);
    assert!(parsed.flag("verbose"));
    let parsed = run("job create k f --bind a=1 --bind b=2 --wait-until RUNNING");
    assert_eq!(parsed.all("bind"), ["a=1", "b=2"]);
    assert_eq!(parsed.text("wait-until"), Some("RUNNING"));
    assert_eq!(run("job list -- -x").positional(0), "-x");
}

#[test]
fn wrong_arguments() {
    for (line, expected) in [
        ("job", "aurora job: error: too few arguments"),
        (
            "job create k",
            "aurora job create: error: too few arguments",
        ),
        (
            "job list a b",
            "aurora job list: error: unrecognized arguments: b",
        ),
        ("job list a --nope", "unrecognized arguments: --nope"),
        (
            "job kill k --max x",
            "argument --max-total-failures: invalid int value: 'x'",
        ),
        (
            "job restart k --max 1",
            "ambiguous option: --max could match --max-total-failures, --max-per-instance-failures",
        ),
        (
            "job kill k -m",
            "argument --message/-m: expected one argument",
        ),
        (
            "job kill k --strict=1",
            "argument --strict: ignored explicit argument '1'",
        ),
        (
            "job create k f --wait-until DONE",
            "invalid choice: 'DONE' (choose from 'PENDING', 'RUNNING', 'FINISHED')",
        ),
        ("job frob", "argument verb: invalid choice: 'frob'"),
        (
            "frob",
            "aurora: error: argument noun: invalid choice: 'frob'",
        ),
        ("--verbose job list a", "invalid choice: '--verbose'"),
    ] {
        let text = usage(line);
        assert!(text.starts_with("usage: aurora"), "{line}: {text}");
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn help_names_everything_there_is() {
    for line in ["", "-h", "--help"] {
        let Outcome::Show(text) = outcome(line) else {
            panic!("{line}: no help");
        };
        for name in ["job create", "job restart", "config list", "quota get"] {
            assert!(text.contains(name), "{text}");
        }
    }
    let Outcome::Show(text) = outcome("job create --help") else {
        panic!("no help");
    };
    assert!(
        text.contains("--wait-until {PENDING,RUNNING,FINISHED}"),
        "{text}"
    );
    assert!(matches!(outcome("--version"), Outcome::Version));
}

#[test]
fn names_of_options_are_unique() {
    for verb in NOUNS.iter().flat_map(|noun| noun.verbs) {
        let mut names: Vec<&str> = verb.options.iter().map(|option| option.long).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", verb.name);
    }
}
