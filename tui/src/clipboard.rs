//! The clipboard of this machine by its own tools, for terminals that know no OSC 52.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Tools, what they are told, and the variable without which they can do nothing.
const TOOLS: &[(&str, &[&str], Option<&str>)] = &[
    ("pbcopy", &[], None),
    ("wl-copy", &[], Some("WAYLAND_DISPLAY")),
    ("xclip", &["-selection", "clipboard"], Some("DISPLAY")),
    ("xsel", &["--input", "--clipboard"], Some("DISPLAY")),
];
/// By these variables a session is known that comes from elsewhere: its clipboard is not here.
const REMOTE: [&str; 3] = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"];
/// A tool that takes longer is stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Puts a text on the clipboard, when this is a local session with a tool for it. False where there is none.
pub(crate) fn tool(text: &str) -> bool {
    let Some((tool, arguments)) = found(|name| std::env::var_os(name)) else {
        return false;
    };
    let text = text.to_owned();
    tokio::spawn(async move {
        let copied = tokio::time::timeout(PATIENCE, run(tool, arguments, &text)).await;
        // The terminal was told the same; whoever looks for the reason finds it in the log.
        if !matches!(copied, Ok(Ok(()))) {
            tracing::warn!("{tool} did not take the text: {copied:?}");
        }
    });
    true
}

type Tool = (&'static str, &'static [&'static str]);

fn found(var: impl Fn(&str) -> Option<OsString>) -> Option<Tool> {
    let is_set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
    if REMOTE.iter().any(|name| is_set(name)) {
        return None;
    }
    let path = var("PATH").unwrap_or_default();
    let is_there = |tool: &str| std::env::split_paths(&path).any(|dir| is_file(&dir, tool));
    let mut tools = TOOLS.iter();
    let (tool, arguments, _) =
        tools.find(|(tool, _, needs)| needs.is_none_or(is_set) && is_there(tool))?;
    Some((tool, arguments))
}

fn is_file(dir: &Path, tool: &str) -> bool {
    dir.join(tool).is_file()
}

async fn run(tool: &str, arguments: &[&str], text: &str) -> std::io::Result<()> {
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await?;
    }
    match child.wait().await?.success() {
        true => Ok(()),
        false => Err(std::io::Error::other("it failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_for_local_sessions_with_a_display() {
        let dir = tempfile::tempdir().unwrap();
        for (tools, vars, expected) in [
            (vec!["xclip", "wl-copy"], vec!["DISPLAY"], Some("xclip")),
            (
                vec!["xclip", "wl-copy"],
                vec!["DISPLAY", "WAYLAND_DISPLAY"],
                Some("wl-copy"),
            ),
            (vec!["xclip"], vec![], None),
            (vec!["xclip"], vec!["DISPLAY", "SSH_TTY"], None),
            (vec!["xsel"], vec!["DISPLAY"], Some("xsel")),
            (vec!["pbcopy"], vec![], Some("pbcopy")),
            (vec![], vec!["DISPLAY"], None),
        ] {
            let bin = dir.path().join(format!("{tools:?}{vars:?}"));
            std::fs::create_dir(&bin).unwrap();
            for tool in &tools {
                std::fs::write(bin.join(tool), "").unwrap();
            }
            let var = |name: &str| match name {
                "PATH" => Some(bin.clone().into_os_string()),
                name => vars.contains(&name).then(|| OsString::from(":0")),
            };
            assert_eq!(
                found(var).map(|(tool, _)| tool),
                expected,
                "{tools:?} {vars:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_tool_gets_the_text() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy");
        let script = ["-c", "cat > \"$0\"", copy.to_str().unwrap()];
        run("sh", &script, "two\nlines").await.unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "two\nlines");
        assert!(run("sh", &["-c", "exit 1"], "").await.is_err());
    }
}
