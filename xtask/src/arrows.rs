//! Who may depend on whom inside the workspace.

use std::fs;

use crate::root;

/// A package, its directory, and the workspace crates that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("src/api", &[]),
    ("src/filter", &[]),
    ("src/pystachio", &[]),
    ("src/mesos", &[]),
    ("src/zk", &[]),
    ("src/daemon", &[]),
    ("src/config", &["aurora-api", "pystachio"]),
    ("src/thermos", &["aurora-api", "pystachio"]),
    ("src/client", &["aurora-api", "aurora-zk"]),
    ("src/cli", &["aurora-api", "aurora-client", "pystachio"]),
    (
        "src/thermos-cli",
        &["aurora-api", "aurora-client", "aurora-thermos"],
    ),
    (
        "daemons/scheduler",
        &[
            "aurora-api",
            "aurora-filter",
            "aurora-mesos",
            "aurora-daemon",
            "aurora-zk",
        ],
    ),
    (
        "daemons/executor",
        &[
            "aurora-api",
            "aurora-mesos",
            "aurora-thermos",
            "aurora-zk",
            "pystachio",
        ],
    ),
    (
        "daemons/observer",
        &["aurora-api", "aurora-daemon", "aurora-thermos", "pystachio"],
    ),
    (
        "daemons/mesos",
        &["aurora-mesos", "aurora-daemon", "aurora-zk"],
    ),
    (
        "daemons/local",
        &["aurora-api", "aurora-client", "aurora-daemon"],
    ),
    ("tui/model", &["aurora-api", "aurora-filter"]),
    ("tui", &["aurora-api", "aurora-client", "aurora-tui-model"]),
    ("tests", &["aurora-api", "aurora-client", "aurora-mesos"]),
    // Measures the scheduler's core and the workbench from within.
    (
        "benches",
        &[
            "aurora-api",
            "aurora-mesos",
            "aurora-scheduler",
            "aurora-tui",
            "aurora-tui-model",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that live behind one wrapper each, or that a program must not carry: the crate, and who may name it.
const FENCED: &[(&str, &[&str])] = &[
    ("cgroups-rs", &["daemons/mesos"]),
    ("zookeeper-async", &["src/zk"]),
    ("rustpython-vm", &["src/config"]),
    ("rustpython-stdlib", &["src/config"]),
    ("rustpython-pylib", &["src/config"]),
    ("ratatui", &["tui"]),
    ("crossterm", &["tui"]),
    // The scheduler asks jobs' coordinators, wherever they are.
    (
        "reqwest",
        &[
            "src/client",
            "daemons/mesos",
            "daemons/scheduler",
            "tui",
            "tests",
        ],
    ),
];

/// Every arrow in the wrong direction.
pub(crate) fn faults() -> Vec<String> {
    let mut faults = Vec::new();
    let members = fs::read_to_string(root().join("Cargo.toml")).unwrap_or_default();
    for (directory, allowed) in ARROWS {
        if !members.contains(&format!("\"{directory}\"")) {
            faults.push(format!(
                "{directory} is in the table of arrows and not in the workspace"
            ));
            continue;
        }
        let manifest = format!("{directory}/Cargo.toml");
        let text = fs::read_to_string(root().join(&manifest)).unwrap_or_default();
        for dependency in dependencies(&text) {
            let ours = dependency.starts_with("aurora-") || dependency == "pystachio";
            if ours && !allowed.contains(&dependency.as_str()) {
                faults.push(format!(
                    "{manifest}: `{dependency}` is not below this crate"
                ));
            }
            let fence = FENCED.iter().find(|(name, _)| *name == dependency);
            if let Some((name, owners)) = fence
                && !owners.contains(directory)
            {
                faults.push(format!(
                    "{manifest}: `{name}` belongs to {} alone",
                    owners.join(", ")
                ));
            }
        }
    }
    faults
}

/// Names in `[dependencies]` (not those of tests).
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.starts_with("dependencies") || section.contains(".dependencies]");
            continue;
        }
        let name: String = line
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        if inside && !name.is_empty() {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::dependencies;

    #[test]
    fn only_dependencies_of_the_crate_count() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na-b.workspace = true\nc = \"1\"\n[dev-dependencies]\nd.workspace = true\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n";
        assert_eq!(dependencies(manifest), ["a-b", "c", "e"]);
    }
}
