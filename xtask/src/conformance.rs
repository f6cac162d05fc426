//! `docs/conformance/*.toml`: one entry a rule; a test that it names has to exist.

use std::fs;

use crate::{root, sources};

/// Every entry that is malformed or names a test that does not exist.
pub(crate) fn faults() -> Vec<String> {
    let mut paths = Vec::new();
    sources::files(&root(), &[".rs"], &mut paths);
    let code: String = paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let mut tables = Vec::new();
    sources::files(&root().join("docs/conformance"), &[".toml"], &mut tables);
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
            Ok(text) => faults.extend(check(&shown, &text, &code)),
            Err(error) => faults.push(format!("{shown}: {error}")),
        }
    }
    faults
}

/// An entry is `key = { done = "test_name" }`, `{ differs = "why", test = "…" }` or `{ open = "what is missing" }`.
fn check(shown: &str, text: &str, code: &str) -> Vec<String> {
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
                if !code.contains(&format!("fn {test}(")) {
                    faults.push(format!("{shown}:{number}: there is no test `{test}`"));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn entries() {
        let code = "fn it_works() {}";
        assert!(check("a.toml", "[a]\n\"rule\" = { done = \"it_works\" }\n", code).is_empty());
        assert!(check("a.toml", "\"rule\" = { open = \"later\" }\n", code).is_empty());
        assert_eq!(
            check("a.toml", "\"rule\" = { done = \"gone\" }\n", code).len(),
            1
        );
        assert_eq!(check("a.toml", "\"rule\" = { }\n", code).len(), 1);
        assert_eq!(check("a.toml", "rule\n", code).len(), 1);
    }
}
