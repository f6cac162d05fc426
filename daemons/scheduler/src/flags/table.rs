//! The table of all flags for the manual.

use std::fmt::Write;

use clap::{Arg, CommandFactory};

use super::Flags;
use super::ignored::IGNORED;

/// `docs/scheduler-flags.md`.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Flags of aurora-scheduler\n\n\
         Made from the program's own tables; a test compares the two.\n\
         `-name=value`, `--name=value` and `--name value` mean the same, underscores and hyphens too, and `-no_name` is `-name=false`.\n\
         Times are whole numbers with a unit (ns, us, ms, secs, mins, hrs, days), amounts of data with BYTES, KB, MB, GB, TB or PB.\n\n\
         | Flag | Default | Meaning |\n|---|---|---|\n",
    );
    let command = Flags::command();
    let mut flags: Vec<&Arg> = command
        .get_arguments()
        .filter(|flag| flag.get_long().is_some())
        .collect();
    flags.sort_by_key(|flag| flag.get_long());
    for flag in flags {
        let defaults = flag.get_default_values().iter();
        let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
        let default = match defaults.join(",") {
            text if text.is_empty() => String::new(),
            text => format!("`{text}`"),
        };
        let mut names = vec![format!("`--{}`", flag.get_long().unwrap_or_default())];
        let aliases = flag.get_all_aliases().unwrap_or_default();
        names.extend(aliases.iter().map(|alias| format!("`--{alias}`")));
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        row(&mut page, &[&names.join(", "), &default, &help]);
    }
    page.push_str(
        "\n## Accepted and without effect\n\n\
         Flags of Apache Aurora's scheduler that have nothing to steer here.\n\
         Their values are checked, and the log names them at the start.\n\n\
         | Flag | Because |\n|---|---|\n",
    );
    for flag in IGNORED {
        row(&mut page, &[&format!("`--{}`", flag.name), flag.because]);
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
        .collect();
    // Writing into a string cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
