//! Pages of the manual that are made from the program's own tables.

use std::fmt::Write;

use aurora_tui_model::command::{COMMANDS, Weight};
use aurora_tui_model::key::show_sequence;
use aurora_tui_model::keymap::{BUILT_IN, Keymap};
use aurora_tui_model::place::VIEWS;
use aurora_tui_model::theme::{self, Depth, Scope, Theme};

const MADE: &str = "Made from the program's own tables; \
`AURORA_WRITE_MANUAL=1 cargo test -p aurora-tui the_manual` writes it anew.\n";

fn row(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn head(out: &mut String, titles: &[&str]) {
    row(out, titles);
    let _ = writeln!(out, "|{}", "---|".repeat(titles.len()));
}

/// `docs/keys.md`.
pub(crate) fn keys() -> String {
    let mut out = format!(
        "# Keys and commands of aurora-tui\n\n{MADE}\n\
A file of the form of [keymaps/default.toml](../keymaps/default.toml) is laid over the shipped key map: first\n\
`/etc/aurora/keymap.toml`, then `keymap.toml` in `$XDG_CONFIG_HOME/aurora` (else `~/.config/aurora`), then\n\
`clusters/NAME/keymap.toml` there for one cluster. `[preset] base = \"…\"` takes another key map to begin with: default, vim,\n\
emacs or none. A changed file is in force within a second. `aurora-tui keymap check FILE` tells what is wrong with a file,\n\
with its line. What changes the cluster cannot be bound to a single key.\n"
    );
    let default = Keymap::built_in();
    for (name, _) in BUILT_IN {
        let map = Keymap::shipped(name).unwrap_or_default();
        let _ = writeln!(out, "\n## Key map {name}");
        if *name != "default" {
            out.push_str("\nWhat it has beyond the default one:\n");
        }
        for (at, view) in VIEWS.iter().enumerate() {
            for place in [
                (at == 0).then(|| "global".to_owned()),
                Some(format!("view.{view}")),
            ]
            .into_iter()
            .flatten()
            {
                let rows: Vec<_> = map
                    .bindings(view)
                    .into_iter()
                    .filter(|(_, _, from)| *from == place)
                    .filter(|found| *name == "default" || !default.bindings(view).contains(found))
                    .collect();
                if rows.is_empty() {
                    continue;
                }
                let title = if place == "global" {
                    "Everywhere".to_owned()
                } else {
                    format!("In {view}")
                };
                let _ = writeln!(out, "\n### {title}\n");
                head(&mut out, &["Keys", "Command", "Meaning"]);
                for (sequence, binding, _) in rows {
                    let keys = format!("`{}`", show_sequence(&sequence));
                    let line = format!("`{}`", binding.run.join("; "));
                    row(&mut out, &[&keys, &line, &binding.describe()]);
                }
            }
        }
    }
    out.push_str(
        "\n## Commands\n\nAt the prompt (`:`), in key maps and after `--exec`; `;` separates several. Those marked with * change \
the cluster after a question.\n\n",
    );
    head(&mut out, &["Command", "Meaning"]);
    for spec in COMMANDS {
        let star = if spec.weight == Weight::Changes {
            " *"
        } else {
            ""
        };
        let usage = format!(
            "`{}`{star}",
            format!("{} {}", spec.name, spec.args).trim_end()
        );
        row(&mut out, &[&usage, spec.summary]);
    }
    out
}

/// `docs/themes.md`.
pub(crate) fn themes() -> String {
    let mut out = format!(
        "# Themes of aurora-tui\n\n{MADE}\n\
`--theme NAME` or `AURORA_TUI_THEME` takes one; without them the terminal decides (colours, background). Own themes are\n\
`themes/NAME.toml` in `$XDG_CONFIG_HOME/aurora` (else `~/.config/aurora`): `inherits`, `[palette]`, `[scope]`, as in\n\
[themes/](../themes). Colours of an own palette reach the scopes that are inherited. A changed file is in force within a second;\n\
`aurora-tui theme check FILE` tells what is wrong with a file, with its line.\n\n\
## Shipped themes\n\n\
The contrast is that of the least readable text (WCAG 2), lines aside, on white or black paper.\n\n"
    );
    head(&mut out, &["Theme", "Made for", "True colour", "256", "16"]);
    for (name, _) in theme::BUILT_IN {
        let Some((theme, _)) = Theme::built_in(name) else {
            continue;
        };
        let paper = if theme::is_for_light(name) {
            "light backgrounds"
        } else {
            "dark backgrounds"
        };
        let cells: Vec<String> = [Depth::True, Depth::Indexed, Depth::Sixteen]
            .into_iter()
            .map(|depth| {
                let least = Scope::ALL
                    .iter()
                    .filter(|(scope, _, _)| !matches!(scope, Scope::Border | Scope::BorderFocus))
                    .map(|(scope, _, _)| theme.contrast(*scope, depth))
                    .fold(f64::INFINITY, f64::min);
                format!("{least:.1}")
            })
            .collect();
        row(&mut out, &[name, paper, &cells[0], &cells[1], &cells[2]]);
    }
    out.push_str("\n## Scopes\n\nA scope that is not set takes its parent's style (`state.failed` that of `state`).\n\n");
    head(&mut out, &["Scope", "Meaning"]);
    for (_, name, meaning) in Scope::ALL {
        row(&mut out, &[&format!("`{name}`"), meaning]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_is_current() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        for (name, page) in [("keys.md", keys()), ("themes.md", themes())] {
            let path = docs.join(name);
            if std::env::var_os("AURORA_WRITE_MANUAL").is_some() {
                std::fs::write(&path, page).unwrap();
                continue;
            }
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                written == page,
                "docs/{name} is not current; AURORA_WRITE_MANUAL=1 writes it anew"
            );
        }
    }
}
