//! Rules for sources that the compiler and clippy do not know.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// The most lines of a file, unless its first line says why it has more.
const LONGEST: usize = 600;

/// What no source may say, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "finish it or leave it out"),
    ("unimplemented!(", "finish it or leave it out"),
    ("dbg!(", "a trace left behind"),
    ("FIXME", "repair it, or name it in docs/conformance"),
];

/// Every file of a directory tree with one of the endings, the build directory left out.
pub(crate) fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// Every breach of the rules.
pub(crate) fn faults() -> Vec<String> {
    let mut paths = Vec::new();
    files(&root(), &[".rs"], &mut paths);
    let mut faults = Vec::new();
    for path in paths {
        let shown = path
            .strip_prefix(root())
            .unwrap_or(&path)
            .display()
            .to_string();
        // This file names what it forbids.
        if shown == "xtask/src/sources.rs" {
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => check(&shown, &text, &mut faults),
            Err(error) => faults.push(format!("{shown}: cannot read it: {error}")),
        }
    }
    faults
}

fn check(shown: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    let first = text.lines().next().unwrap_or("");
    if lines > LONGEST && !first.contains("long:") {
        faults.push(format!(
            "{shown}: {lines} lines; split it, or give the reason in its first line as `long: …`"
        ));
    }
    let in_tests = shown.starts_with("tests/") || shown.contains("/tests/");
    let mut in_test_module = false;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        in_test_module |= line.trim() == "#[cfg(test)]";
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                faults.push(format!("{shown}:{number}: `{word}`: {why}"));
            }
        }
        // A pause between two looks at a condition, or before a kill at a varied moment, is named so; anything else is luck.
        if (in_tests || in_test_module)
            && line.contains("::sleep(")
            && !line.contains("// poll")
            && !line.contains("// moment")
        {
            faults.push(format!(
                "{shown}:{number}: a sleep in a test; wait on a condition with a deadline"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    fn faults(shown: &str, text: &str) -> usize {
        let mut faults = Vec::new();
        check(shown, text, &mut faults);
        faults.len()
    }

    #[test]
    fn rules() {
        assert_eq!(faults("src/a.rs", "fn a() {}\n"), 0);
        assert_eq!(faults("src/a.rs", "fn a() { todo!() }\n"), 1);
        assert_eq!(faults("tests/tests/a.rs", "thread::sleep(x);\n"), 1);
        assert_eq!(faults("tests/tests/a.rs", "thread::sleep(x); // poll\n"), 0);
        assert_eq!(faults("src/a.rs", "thread::sleep(x);\n"), 0);
        assert_eq!(
            faults(
                "src/a.rs",
                "#[cfg(test)]\nmod t { fn f() { thread::sleep(x); } }\n"
            ),
            1
        );
        assert_eq!(faults("src/a.rs", &"x\n".repeat(601)), 1);
        assert_eq!(
            faults(
                "src/a.rs",
                &format!("//! long: a table\n{}", "x\n".repeat(601))
            ),
            0
        );
    }
}
