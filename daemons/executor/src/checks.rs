//! One health check: a request or a command.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aurora_thermos::isolation::ImageRoot;
use aurora_thermos::procs::{self, Exemptions};
use aurora_thermos::spawn;
use aurora_thermos::users::Account;
use http::Method;
use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use crate::SECRET_VARIABLE;
use crate::local;

/// How much of a command's output goes into a message, in bytes.
const MAX_OUTPUT: usize = 1024;
/// How long a killed command may take to be reaped; whoever takes longer is left to the runner.
const REAP_PATIENCE: Duration = Duration::from_secs(2);
/// Values in messages are cut from this length on, as upstream.
const LONG: usize = 10;

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    /// GET on a port of this machine.
    Http {
        port: u16,
        endpoint: String,
        expected_response: String,
        expected_response_code: i64,
        timeout: Duration,
    },
    /// A command.
    Shell {
        command: String,
        run_as: Option<Account>,
        /// Where the task's file system is, if not the machine's.
        image: Option<ImageRoot>,
        timeout: Duration,
        exemptions: Exemptions,
    },
}

impl Check {
    /// Does it; the error is the reason in upstream's words.
    pub(crate) async fn perform(&self) -> Result<(), String> {
        match self {
            Self::Http {
                port,
                endpoint,
                expected_response,
                expected_response_code,
                timeout,
            } => {
                let answer = local::request(Method::GET, *port, endpoint, *timeout).await?;
                judge(&answer, expected_response, *expected_response_code)
            }
            Self::Shell {
                command,
                run_as,
                image,
                timeout,
                exemptions,
            } => {
                shell(
                    command,
                    run_as.as_ref(),
                    image.as_ref(),
                    *timeout,
                    exemptions,
                )
                .await
            }
        }
    }
}

fn judge(answer: &local::Answer, expected: &str, code: i64) -> Result<(), String> {
    let body = String::from_utf8_lossy(&answer.body).trim().to_lowercase();
    if !expected.is_empty() && body != expected.to_lowercase() {
        return Err(format!(
            "Response differs from expected response (expected \"{}\", got \"{}\")",
            shorten(expected),
            shorten(&body)
        ));
    }
    if code != 0 && i64::from(answer.status) != code {
        return Err(format!(
            "Response code differs from expected response (expected {code}, got {})",
            answer.status
        ));
    }
    Ok(())
}

fn shorten(text: &str) -> String {
    if text.chars().count() < LONG {
        return text.to_owned();
    }
    text.chars().take(LONG - 3).chain("...".chars()).collect()
}

/// A command's process group, killed when this is dropped.
struct Group {
    child: tokio::process::Child,
    pid: i32,
    exemptions: Exemptions,
}

impl Drop for Group {
    fn drop(&mut self) {
        // Not reaped yet, or else `id` is gone: the number is still the child's.
        if self.child.id().is_some() {
            procs::signal_group(self.pid, Signal::SIGKILL);
            let deadline = Instant::now() + REAP_PATIENCE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                procs::pause(Duration::from_millis(1));
            }
        }
        // The number may soon be somebody else's, whom the runner must not overlook.
        self.exemptions.remove(self.pid);
    }
}

async fn shell(
    text: &str,
    run_as: Option<&Account>,
    image: Option<&ImageRoot>,
    timeout: Duration,
    exemptions: &Exemptions,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("OSError: {error}");
    let (output, input) = std::io::pipe().map_err(failed)?;
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", text])
        .env_remove(SECRET_VARIABLE)
        .stdin(Stdio::null())
        .stdout(input.try_clone().map_err(failed)?)
        .stderr(input);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    spawn::becomes(&mut command, image, run_as).map_err(failed)?;
    let mut command = tokio::process::Command::from(command);
    let child = command.spawn().map_err(failed)?;
    // The command holds the writing ends of the pipe open.
    drop(command);
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .unwrap_or(0);
    exemptions.add(pid);
    let mut group = Group {
        child,
        pid,
        exemptions: exemptions.clone(),
    };
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(output)).map_err(failed)?;

    let run = async {
        let mut kept = Vec::new();
        let mut chunk = [0_u8; 512];
        let mut open = true;
        loop {
            tokio::select! {
                read = output.read(&mut chunk), if open => match read? {
                    0 => open = false,
                    count => kept.extend(chunk[..count].iter().take(MAX_OUTPUT.saturating_sub(kept.len()))),
                },
                // What it left in the background may keep the pipe open for ever.
                status = group.child.wait() => return Ok::<_, std::io::Error>((status?, kept)),
            }
        }
    };
    let (status, mut kept) = match tokio::time::timeout(timeout, run).await {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(_) => {
            // Dropping the group kills and reaps it.
            return Err("Health check timed out.".to_owned());
        }
    };
    if status.success() {
        return Ok(());
    }
    // Its last words may still be in the pipe.
    let rest = std::fs::File::from(output.into_nonblocking_fd().map_err(failed)?);
    let mut last = vec![0; MAX_OUTPUT.saturating_sub(kept.len())];
    match (&rest).read(&mut last) {
        Ok(count) => kept.extend_from_slice(&last[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(failed(error)),
    }
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(0));
    let text_out = String::from_utf8_lossy(&kept);
    Err(format!(
        "Command '{text}' returned non-zero exit status {code} with output '{text_out}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_as_upstream_does() {
        let answer = |status, body: &str| local::Answer {
            status,
            body: body.into(),
        };
        for (status, body, expected, code, verdict) in [
            (200, " OK\n", "ok", 0, None),
            (200, "ok", "OK", 200, None),
            (500, "", "", 0, None),
            (
                200,
                "bad",
                "ok",
                0,
                Some("Response differs from expected response (expected \"ok\", got \"bad\")"),
            ),
            (
                200,
                "0123456789",
                "012345678",
                0,
                Some(
                    "Response differs from expected response (expected \"012345678\", got \"0123456...\")",
                ),
            ),
            (
                404,
                "",
                "",
                200,
                Some("Response code differs from expected response (expected 200, got 404)"),
            ),
        ] {
            assert_eq!(
                judge(&answer(status, body), expected, code)
                    .err()
                    .as_deref(),
                verdict,
                "{status} {body}"
            );
        }
    }

    fn run(text: &str, timeout: Duration) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let exemptions = Exemptions::default();
        let outcome = runtime.block_on(shell(text, None, None, timeout, &exemptions));
        assert!(exemptions.is_empty(), "{text}: {exemptions:?}");
        outcome
    }

    #[test]
    fn commands() {
        let long = Duration::from_secs(20);
        assert_eq!(run("exit 0", long), Ok(()));
        assert_eq!(
            run("echo out; echo err >&2; exit 3", long).unwrap_err(),
            "Command 'echo out; echo err >&2; exit 3' returned non-zero exit status 3 with output 'out\nerr\n'"
        );
        let long_winded = "printf '%5000s'; exit 1";
        assert_eq!(
            run(long_winded, long).unwrap_err(),
            format!(
                "Command '{long_winded}' returned non-zero exit status 1 with output '{:1024}'",
                ""
            )
        );
        assert_eq!(
            run("sleep 100", Duration::from_millis(50)).unwrap_err(),
            "Health check timed out."
        );
        assert_eq!(
            run("sleep 100 & exit 0", long),
            Ok(()),
            "a background child is not waited for"
        );
    }
}
