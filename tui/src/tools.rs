//! `aurora-tui keymap` and `aurora-tui theme`.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use aurora_tui_model::key::show_sequence;
use aurora_tui_model::keymap::{self, Keymap};
use aurora_tui_model::place::VIEWS;
use aurora_tui_model::theme::{BUILT_IN, Scope, Theme, Warning};

use crate::args::{Look, Tool};
use crate::config::Env;
use crate::headless::{DONE, USAGE};
use crate::manual;

/// Carries the tool out and says how to exit.
pub(crate) fn run(tool: &Tool, env: &Env, out: &mut impl Write) -> anyhow::Result<u8> {
    let warnings = match tool {
        Tool::Keymap { action, file } => match (action, file) {
            (Look::Check, Some(file)) => Keymap::built_in().over(&shown(file), &read(file)?).1,
            (Look::Check, None) => {
                let shipped = keymap::BUILT_IN.iter().flat_map(|(name, text)| {
                    Keymap::default().over(&format!("{name}.toml"), text).1
                });
                shipped.chain(env.keymap(None).1).collect()
            }
            (Look::Show, _) => {
                show_keys(&env.keymap(None).0, out)?;
                Vec::new()
            }
            (Look::Docs, _) => {
                out.write_all(manual::keys().as_bytes())?;
                Vec::new()
            }
        },
        Tool::Theme { action, file } => match (action, file) {
            (Look::Check, Some(file)) => check_theme(file)?,
            (Look::Check, None) => check_themes(env)?,
            (Look::Show, _) => {
                for (_, name, meaning) in Scope::ALL {
                    writeln!(out, "{name:<18} {meaning}")?;
                }
                Vec::new()
            }
            (Look::Docs, _) => {
                out.write_all(manual::themes().as_bytes())?;
                Vec::new()
            }
        },
    };
    for warning in &warnings {
        writeln!(out, "{warning}")?;
    }
    Ok(if warnings.is_empty() { DONE } else { USAGE })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn check_theme(path: &Path) -> anyhow::Result<Vec<Warning>> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Theme::parse(&shown(path), &name, &read(path)?).1)
}

fn check_themes(env: &Env) -> anyhow::Result<Vec<Warning>> {
    let mut warnings: Vec<Warning> = BUILT_IN
        .iter()
        .flat_map(|(name, text)| Theme::load(name, text).1)
        .collect();
    let own = env.config_dir.as_ref().map(|dir| dir.join("themes"));
    let entries = own.and_then(|dir| std::fs::read_dir(dir).ok());
    for entry in entries.into_iter().flatten() {
        warnings.extend(check_theme(&entry.context("cannot list themes")?.path())?);
    }
    Ok(warnings)
}

fn show_keys(keymap: &Keymap, out: &mut impl Write) -> std::io::Result<()> {
    for view in VIEWS {
        for (keys, binding, place) in keymap.bindings(view) {
            if place == format!("view.{view}") || *view == VIEWS[0] {
                let keys = show_sequence(&keys);
                let line = binding.run.join("; ");
                writeln!(
                    out,
                    "{place:<16} {keys:<12} {line:<28} {}",
                    binding.describe()
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, name, text, code, said) in [
            (
                "keymap",
                "good.toml",
                "[preset]\nbase = \"vim\"\n[global]\n\"g z\" = \"zoom\"\n",
                DONE,
                "",
            ),
            (
                "keymap",
                "bad.toml",
                "[global]\n\n\"g z\" = \"fly\"\n",
                USAGE,
                "bad.toml:3: ",
            ),
            ("theme", "good.toml", "inherits = \"mono\"\n", DONE, ""),
            (
                "theme",
                "bad.toml",
                "[scope]\n\"ui.moon\" = \"red\"\n",
                USAGE,
                "bad.toml:2: ",
            ),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let (action, file) = (Look::Check, Some(path.clone()));
            let tool = match kind {
                "keymap" => Tool::Keymap { action, file },
                _ => Tool::Theme { action, file },
            };
            let mut out = Vec::new();
            assert_eq!(
                run(&tool, &Env::default(), &mut out).unwrap(),
                code,
                "{kind} {name}"
            );
            let out = String::from_utf8(out).unwrap();
            assert!(out.contains(said), "{out}");
            assert_eq!(out.is_empty(), said.is_empty(), "{out}");
        }
        let missing = Tool::Keymap {
            action: Look::Check,
            file: Some(dir.path().join("none")),
        };
        assert!(run(&missing, &Env::default(), &mut Vec::new()).is_err());
    }
}
