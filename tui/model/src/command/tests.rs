//! The grammar of lines.

use super::table::ALIASES;
use super::*;
use proptest::prelude::*;

fn shown(line: &str) -> String {
    match parse(line) {
        Ok(command) => format!(
            "{} words={:?} filter={:?} sort={:?} reason={:?}",
            command.spec.name, command.words, command.filter, command.sort, command.reason
        ),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn grammar_table() {
    for (line, expected) in [
        ("jobs", r#"jobs words=[] filter="" sort=None reason=None"#),
        (
            "jobs prod !test failed>0 sort=-changed",
            r#"jobs words=[] filter="prod !test failed>0" sort=Some("-changed") reason=None"#,
        ),
        (
            "tasks www/prod/hello status=FAILED age<1h /oom",
            r#"instances words=["www/prod/hello"] filter="status=FAILED age<1h \"oom\"" sort=None reason=None"#,
        ),
        (
            "instances failed",
            r#"instances words=[] filter="failed" sort=None reason=None"#,
        ),
        (
            "kill www/prod/hello/0-2 reason=\"bad host\"",
            r#"kill words=["www/prod/hello/0-2"] filter="" sort=None reason=Some("bad host")"#,
        ),
        (
            "logs t-1 main",
            r#"logs words=["t-1", "main"] filter="" sort=None reason=None"#,
        ),
        ("q", r#"quit words=[] filter="" sort=None reason=None"#),
        ("", "column 1: a command is missing; `help` lists them"),
        (
            "  jbs",
            "column 3: there is no command `jbs`; did you mean `jobs`?",
        ),
        (
            "quit now",
            "column 6: `now` is too much; `quit` takes nothing after it",
        ),
        (
            "file t-1",
            "column 9: `file` needs JOB/INSTANCE | TASK PATH",
        ),
        ("jobs \"open", "column 6: this quotation mark is not closed"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn targets() {
    let job: JobPath = "w/prod/h".parse().unwrap();
    for (text, expected) in [
        ("w/prod/h", Target::Job(job.clone(), None)),
        ("dev/w/prod/h", Target::Job(job.clone(), None)),
        (
            "w/prod/h/1,3-4",
            Target::Job(job.clone(), Some([1, 3, 4].into())),
        ),
        ("dev/w/prod/h/0", Target::Job(job.clone(), Some([0].into()))),
        ("w-prod-h-0-abc", Target::Task("w-prod-h-0-abc".to_owned())),
    ] {
        assert_eq!(target(text, "dev"), Ok(expected), "{text}");
    }
    for text in [
        "w/prod",
        "west/w/prod/h",
        "w/prod/h/4-1",
        "w/prod/h/0-999999999",
        "a/b/c/d/e/f",
    ] {
        assert!(target(text, "dev").is_err(), "{text}");
    }
}

#[test]
fn lines_are_split_outside_quotes() {
    assert_eq!(
        split("jobs; kill a/b/c/0 reason=\"x; y\" ;"),
        ["jobs", " kill a/b/c/0 reason=\"x; y\" "]
    );
}

#[test]
fn names_are_unique_and_completed() {
    let mut names: Vec<&str> = COMMANDS
        .iter()
        .map(|spec| spec.name)
        .chain(ALIASES.iter().map(|(short, _)| *short))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(complete("jo", &[]), ["jobs", "journal", "job-create"]);
    assert_eq!(
        complete("kill w/", &["w/prod/h".to_owned(), "x".to_owned()]),
        ["kill w/prod/h"]
    );
}

proptest! {
    #[test]
    fn any_line_is_taken_or_refused(line in "\\PC{0,60}") {
        if let Ok(command) = parse(&line) {
            // Whether the words name something is not the point; it must come back.
            command.words.iter().for_each(|word| drop(target(word, "dev")));
        }
    }
}
