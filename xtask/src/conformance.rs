//! `docs/conformance/*.toml`: one entry a rule; a test that it names has to exist.
//!
//! What counts as a test: a function with `#[test]` or `#[tokio::test]` by its name; `scenario NAME`, a row of the tables of
//! small tasks in `src/thermos/tests/real`; `wire FILE` and `wire FILE/CASE`, the cases in `tests/wire` that `tests/tests/wire.rs`
//! plays against the embedded master and agent, unless `tests/wire/open.txt` lists them as failing.

use std::collections::BTreeSet;
use std::fs;

use crate::{root, sources};

/// Every test that an entry may name.
#[derive(Default)]
struct Known {
    functions: BTreeSet<String>,
    scenarios: BTreeSet<String>,
    wire: BTreeSet<String>,
}

impl Known {
    fn of_this_project() -> Known {
        let mut known = Known::default();
        for path in found(&root(), ".rs") {
            let code = fs::read_to_string(&path).unwrap_or_default();
            known.functions.extend(test_functions(&code));
            if path.starts_with(root().join("src/thermos/tests")) {
                known.scenarios.extend(rows(&code));
            }
            if path.ends_with("tests/tests/wire.rs") {
                known.wire.extend(wire_cases(&code));
            }
        }
        known
    }

    fn has(&self, test: &str) -> bool {
        match test.split_once(' ') {
            Some(("scenario", name)) => self.scenarios.contains(name),
            Some(("wire", case)) => self.wire.contains(case),
            Some(_) => false,
            None => self.functions.contains(test),
        }
    }
}

fn found(directory: &std::path::Path, suffix: &str) -> Vec<std::path::PathBuf> {
    let mut paths = Vec::new();
    sources::files(directory, &[suffix], &mut paths);
    paths
}

/// The names of functions that stand under an attribute that makes them tests.
fn test_functions(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((before, after)) = line.split_once("fn ")
            && (before.is_empty() || before.ends_with(' '))
            && std::mem::take(&mut marked)
        {
            names.extend(after.split(['(', '<']).next().map(str::to_owned));
        }
    }
    names
}

/// The names of the rows of a table of scenarios: `("name", |…| …)`, on one line or on several.
fn rows(code: &str) -> Vec<String> {
    let words: Vec<&str> = code.split_whitespace().collect();
    words
        .join(" ")
        .replace("( \"", "(\"")
        .split("(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once("\", |"))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The files that the wire tests play, by name without ending, and the cases in them that pass.
fn wire_cases(code: &str) -> Vec<String> {
    let directory = root().join("tests/wire");
    let open = fs::read_to_string(directory.join("open.txt")).unwrap_or_default();
    let mut cases = Vec::new();
    for file in code
        .split('"')
        .filter_map(|word| word.strip_suffix(".json"))
    {
        cases.push(file.to_owned());
        let text = fs::read_to_string(directory.join(format!("{file}.json"))).unwrap_or_default();
        let names = text.split("\"name\":").skip(1);
        cases.extend(
            names
                .filter_map(|rest| rest.split('"').nth(1))
                .filter(|name| !open.contains(&format!("{file}.json {name} ")))
                .map(|name| format!("{file}/{name}")),
        );
    }
    cases
}

/// Every entry that is malformed or names a test that does not exist.
pub(crate) fn faults() -> Vec<String> {
    let known = Known::of_this_project();
    let tables = found(&root().join("docs/conformance"), ".toml");
    if tables.is_empty() {
        return vec!["docs/conformance: there are no tables".to_owned()];
    }
    let mut faults = Vec::new();
    for table in tables {
        let shown = table
            .strip_prefix(root())
            .unwrap_or(&table)
            .display()
            .to_string();
        match fs::read_to_string(&table) {
            Ok(text) => faults.extend(check(&shown, &text, &known)),
            Err(error) => faults.push(format!("{shown}: {error}")),
        }
    }
    faults
}

/// An entry is `key = { done = "test_name" }`, `{ differs = "why", test = "…" }` or `{ open = "what is missing" }`.
fn check(shown: &str, text: &str, known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with('[') {
            continue;
        }
        let number = number + 1;
        let Some((_, value)) = line.split_once(" = ") else {
            faults.push(format!("{shown}:{number}: not an entry"));
            continue;
        };
        let verdicts = ["done", "differs", "open"]
            .iter()
            .filter(|verdict| value.contains(&format!("{verdict} = ")))
            .count();
        if verdicts != 1 {
            faults.push(format!(
                "{shown}:{number}: exactly one of done, differs, open"
            ));
        }
        for key in ["done = \"", "test = \""] {
            if let Some((_, rest)) = value.split_once(key) {
                let test = rest.split('"').next().unwrap_or("");
                if !known.has(test) {
                    faults.push(format!("{shown}:{number}: there is no test `{test}`"));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{Known, check, rows, test_functions};

    #[test]
    fn entries() {
        let known = Known {
            functions: ["it_works".to_owned()].into(),
            scenarios: ["one_process".to_owned()].into(),
            wire: ["http".to_owned(), "http/get".to_owned()].into(),
        };
        let table = [
            ("\"rule\" = { done = \"it_works\" }", 0),
            ("\"rule\" = { done = \"scenario one_process\" }", 0),
            ("\"rule\" = { done = \"wire http/get\" }", 0),
            ("\"rule\" = { differs = \"so\", test = \"wire http\" }", 0),
            ("\"rule\" = { open = \"later\" }", 0),
            ("\"rule\" = { done = \"gone\" }", 1),
            ("\"rule\" = { done = \"scenario it_works\" }", 1),
            ("\"rule\" = { done = \"wire http/put\" }", 1),
            ("\"rule\" = { differs = \"so\", test = \"gone\" }", 1),
            ("\"rule\" = { }", 1),
            ("rule", 1),
        ];
        for (line, faults) in table {
            let text = format!("[a]\n{line}\n");
            assert_eq!(check("a.toml", &text, &known).len(), faults, "{line}");
        }
    }

    #[test]
    fn functions_count_only_when_they_are_tests() {
        let code = "fn help() {}\n#[test]\n#[expect(x)]\nfn one() {}\n#[tokio::test(start_paused = true)]\nasync fn two() {}\nfn more() {}";
        assert_eq!(test_functions(code), ["one", "two"]);
    }

    #[test]
    fn every_test_that_is_named_exists() {
        assert_eq!(super::faults(), Vec::<String>::new());
    }

    #[test]
    fn rows_are_those_of_a_table() {
        let code =
            "(\n    \"one\",\n    |place| {}), (\"two\", 3), f(\"three\"), (\"four\", |_| ())";
        assert_eq!(rows(code), ["one", "four"]);
    }
}
