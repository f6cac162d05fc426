//! Showing a page.

use std::process::{Command, Stdio};

/// Opens a page with `$BROWSER`, else with the desktop's opener; says the address when neither works.
pub(crate) fn open(url: &str) {
    let named = std::env::var("BROWSER").unwrap_or_default();
    let candidates = named
        .split(':')
        .filter(|name| !name.is_empty())
        .chain(["xdg-open", "www-browser"]);
    for program in candidates {
        let mut words = program.split_whitespace();
        let Some(name) = words.next() else {
            continue;
        };
        let mut given = false;
        let mut command = Command::new(name);
        for word in words {
            given |= word.contains("%s");
            command.arg(word.replace("%s", url));
        }
        if !given {
            command.arg(url);
        }
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if started.is_ok() {
            return;
        }
    }
    crate::context::print_err(&format!("No browser could be started; the page is {url}"));
}
