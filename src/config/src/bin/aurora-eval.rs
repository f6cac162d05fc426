//! `aurora-eval`: evaluates one job file. Reads one [`EvalRequest`] as JSON from standard input and writes one `EvalAnswer`
//! as JSON to standard output. What the job file itself prints goes to standard error.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use anyhow::Context as _;
use aurora_api::eval::EvalRequest;
use aurora_config::{evaluate, limits};

/// The largest request that is read.
const MAX_REQUEST: u64 = 64 << 20;

const USAGE: &str = "\
Evaluates one Aurora job file.

Usage: aurora-eval < REQUEST.json > ANSWER.json

Reads one request as JSON from standard input, such as {\"path\": \"hello.aurora\"}, and writes the jobs, or what is wrong
with the file, as JSON to standard output. Meant for other programs: `aurora` and `aurora-tui` start it.

Options:
  -h, --help     Print this text
  -V, --version  Print the version
";

fn main() -> ExitCode {
    if let Some(argument) = std::env::args_os().nth(1) {
        return match argument.to_str() {
            Some("-h" | "--help") => say(USAGE),
            Some("-V" | "--version") => {
                say(concat!("aurora-eval ", env!("CARGO_PKG_VERSION"), "\n"))
            }
            _ => {
                let shown = argument.to_string_lossy();
                // Nothing can be done about a closed standard error.
                writeln!(
                    std::io::stderr(),
                    "aurora-eval: unexpected argument {shown}; see --help"
                )
                .ok();
                ExitCode::from(2)
            }
        };
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a closed standard error.
            writeln!(std::io::stderr(), "aurora-eval: {error:#}").ok();
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn run() -> anyhow::Result<()> {
    let mut request = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_REQUEST)
        .read_to_end(&mut request)
        .context("cannot read the request from standard input")?;
    let request: EvalRequest =
        serde_json::from_slice(&request).context("the request is not valid")?;
    // The answer has standard output for itself: whatever the job file or its children write to descriptor 1 goes to 2.
    let answer_fd = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .context("cannot keep standard output")?;
    nix::unistd::dup2_stdout(std::io::stderr()).context("cannot redirect standard output")?;
    limits::apply(&request.limits, &request.path, &answer_fd).context("cannot set the limits")?;
    let answer = evaluate(&request);
    let text = serde_json::to_vec(&answer).context("cannot write the answer as JSON")?;
    let mut out = File::from(answer_fd);
    out.write_all(&text)
        .and_then(|()| out.flush())
        .context("cannot write the answer")
}
