//! `cargo xtask test`: builds everything once and runs every test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use crate::{Outcome, cargo, packages, root};

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs every test; with `--all` a skipped one is a failure.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut all = false;
    for argument in arguments {
        match argument.as_str() {
            "--all" => all = true,
            other => return Err(format!("cargo xtask test knows --all, not `{other}`")),
        }
    }
    packages::provide()?;
    let begin = Instant::now();
    crate::run(
        cargo().args(["build", "--workspace", "--all-targets", "--quiet"]),
        "the build",
    )?;
    let built = begin.elapsed();

    // A test that cannot run on this machine leaves a file here that says why.
    let skips = root().join("target/skips");
    let reset = fs::remove_dir_all(&skips).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    reset
        .and_then(|()| fs::create_dir_all(&skips))
        .map_err(|error| format!("cannot prepare {}: {error}", skips.display()))?;

    let mut child = cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("AURORA_SKIPS", &skips)
        .env("RUST_BACKTRACE", "1")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run cargo test: {error}"))?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line =
                line.map_err(|error| format!("cannot read what cargo test prints: {error}"))?;
            println!("{line}");
            count.add(&line);
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for cargo test: {error}"))?;
    let tested = begin.elapsed() - built;

    let mut skipped = Vec::new();
    for entry in fs::read_dir(&skips).map_err(|error| format!("{}: {error}", skips.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let reason = fs::read_to_string(&path).unwrap_or_default();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        skipped.push(format!("skipped {name}: {}", reason.trim()));
    }
    skipped.sort();
    for line in &skipped {
        println!("{line}");
    }
    println!(
        "build {:.1} min, tests {:.1} min",
        built.as_secs_f64() / 60.0,
        tested.as_secs_f64() / 60.0
    );
    // A test that skipped itself was counted as passed by the harness.
    let passed = count.passed.saturating_sub(skipped.len());
    println!(
        "{passed} passed, {} failed, {} skipped",
        count.failed,
        skipped.len()
    );
    if count.failed > 0 || !status.success() {
        return Err("tests failed".to_owned());
    }
    if count.passed == 0 {
        return Err("no test ran".to_owned());
    }
    if all && !skipped.is_empty() {
        return Err("tests were skipped, and --all allows none".to_owned());
    }
    Ok(())
}

impl Count {
    /// Adds up `test result: ok. 3 passed; 0 failed; …`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        let number = |word: &str| {
            rest.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
                .unwrap_or(0)
        };
        self.passed += number("passed");
        self.failed += number("failed");
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_are_added_up() {
        let mut count = Count::default();
        count.add("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        count.add("test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured");
        count.add("test a ... ok");
        assert_eq!((count.passed, count.failed), (13, 2));
    }
}
