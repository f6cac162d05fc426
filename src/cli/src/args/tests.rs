use super::*;
use crate::verbs::NOUNS;

fn outcome(line: &str) -> Outcome {
    parse(NOUNS, line.split_whitespace().map(str::to_owned).collect())
}

fn run(line: &str) -> Parsed {
    match outcome(line) {
        Outcome::Run(_, parsed) => parsed,
        Outcome::Fault(text, _) => panic!("{line}: {text}"),
        Outcome::Show(_) | Outcome::Version => panic!("{line}: help"),
    }
}

fn usage(line: &str) -> String {
    match outcome(line) {
        Outcome::Fault(text, crate::ExitCode::Usage) => text,
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
fn positionals_may_be_left_out_or_repeated() {
    assert_eq!(run("update info k").optional(1), None);
    assert_eq!(run("update info k --write-json i").optional(1), Some("i"));
    assert_eq!(run("task scp a b c").positionals(), ["a", "b", "c"]);
    assert!(usage("update info k i j").contains("unrecognized arguments: j"));
    assert!(usage("task scp a").contains("too few arguments"));
}

#[test]
fn words_with_blanks_are_options_only_when_they_begin_like_one() {
    let words = |line: &[&str]| {
        let line = line.iter().map(|word| (*word).to_owned()).collect();
        match parse(NOUNS, line) {
            Outcome::Run(_, parsed) => parsed,
            _ => panic!("not parsed"),
        }
    };
    let parsed = words(&["task", "run", "k", "ls", "--ssh-options", "-o A=b -p 22"]);
    assert_eq!(parsed.text("ssh-options"), Some("-o A=b -p 22"));
    // -l is ssh's user here.
    let parsed = words(&["task", "run", "k", "ls", "-l some one"]);
    assert_eq!(parsed.text("ssh-user"), Some(" some one"));
}

fn admin(line: &str) -> Outcome {
    let line = line.split_whitespace().map(str::to_owned).collect();
    commands::parse(crate::admin::COMMANDS, line)
}

#[test]
fn commands_take_common_options_on_both_sides() {
    for line in [
        "query --bypass-leader-redirect -q west www",
        "--bypass-leader-redirect -q query west www",
        "-q query west --bypass www",
    ] {
        let Outcome::Run(_, parsed) = admin(line) else {
            panic!("{line}");
        };
        assert!(
            parsed.flag("bypass-leader-redirect") && parsed.flag("quiet"),
            "{line}"
        );
        assert_eq!(parsed.positionals(), ["west", "www"]);
    }
}

#[test]
fn commands_refuse_what_they_do_not_know() {
    for (line, code, expected) in [
        ("get_scheduler", 1, "usage: aurora_admin get_scheduler"),
        ("get_scheduler a b", 1, "see the help subcommand"),
        ("query a b c d", 1, "usage: aurora_admin query"),
        ("frob west", 1, "Unknown command: frob"),
        ("help frob", 1, "Unknown command: frob"),
        ("query west --nope", 2, "no such option: --nope"),
        ("--nope query west", 2, "no such option: --nope"),
        ("prune_tasks west --limit x", 2, "invalid int value"),
        ("reconcile_tasks west -t some", 2, "invalid choice: 'some'"),
    ] {
        let Outcome::Fault(text, found) = admin(line) else {
            panic!("{line}");
        };
        assert_eq!(found as i32, code, "{line}: {text}");
        assert!(text.contains(expected), "{line}: {text}");
    }
    for line in ["", "help", "-h", "help query", "query -h"] {
        assert!(matches!(admin(line), Outcome::Show(_)), "{line}");
    }
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
        // Each value is looked at before anything is done, whether it is needed or not.
        (
            "job kill k --batch-size 0",
            "argument --batch-size: must be greater than 0, but got 0",
        ),
        (
            "task run k ls -t -1",
            "argument --threads/-t: must be greater than 0, but got -1",
        ),
        (
            "cron start k --bind a",
            "argument --bind: Binding parameter must be formatted name=value",
        ),
        (
            "job add k 1 --bind a..b=x",
            "argument --bind: Could not parse binding parameter a..b=x: ",
        ),
        (
            "job diff k f --from a/b/c",
            "argument --from: Invalid path 'a/b/c'",
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
fn names_and_what_is_said_of_them_stand_apart() {
    for (name, expected) in [
        (
            "twenty-of-characters",
            "  twenty-of-characters  said\n".to_owned(),
        ),
        (
            "twenty-one-characters",
            format!("  twenty-one-characters\n{}said\n", " ".repeat(24)),
        ),
    ] {
        let mut text = String::new();
        help::entry(&mut text, name, "said");
        assert_eq!(text, expected);
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
    let all = NOUNS.iter().flat_map(|noun| noun.verbs);
    for verb in all.chain(crate::admin::COMMANDS) {
        let mut names: Vec<&str> = verb.own_options().map(|option| option.long).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", verb.name);
    }
}
