//! Evaluating a job file in a process of its own: `aurora-eval`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use aurora_api::eval::{EvalAnswer, EvalRequest};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::programs::{self, MissingProgram};

/// How long an evaluation may take unless said: above its own limit of 30 s of processor time.
pub const DEADLINE: Duration = Duration::from_secs(60);

const MAX_ANSWER: usize = 256 * 1024 * 1024;
const MAX_COMPLAINT: usize = 64 * 1024;

/// Why there is no answer. Faults of the job file are in the answer, not here.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The program is not installed.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// The program cannot be started, or its pipes broke.
    #[error("cannot run {program}: {cause}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The program took too long and was killed.
    #[error("evaluating {path} took longer than {} s and was stopped", deadline.as_secs())]
    Deadline {
        /// The job file.
        path: String,
        /// The limit.
        deadline: Duration,
    },
    /// The program wrote more than is read.
    #[error("evaluating {path} gave more than {limit} bytes and was stopped")]
    TooLarge {
        /// The job file.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The program ended without an answer.
    #[error("evaluating {path} ended with {status} and no answer{}", complaint(.stderr))]
    NoAnswer {
        /// The job file.
        path: String,
        /// How it ended.
        status: String,
        /// What it wrote to standard error.
        stderr: String,
    },
}

fn complaint(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// Evaluates a job file with the installed `aurora-eval`.
///
/// # Errors
/// When the program is missing, dies, or exceeds `deadline` (its whole process group is killed then).
pub async fn evaluate(request: &EvalRequest, deadline: Duration) -> Result<EvalAnswer, EvalError> {
    evaluate_with(&programs::find("aurora-eval")?, request, deadline).await
}

/// The same with a given program.
pub async fn evaluate_with(
    program: &std::path::Path,
    request: &EvalRequest,
    deadline: Duration,
) -> Result<EvalAnswer, EvalError> {
    let run = |cause| EvalError::Run {
        program: program.to_owned(),
        cause,
    };
    let input = serde_json::to_vec(request).map_err(|error| run(std::io::Error::other(error)))?;
    let child = Command::new(program)
        // What it says of a fault is for the job file's author, and is not about its own code.
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(run)?;
    let mut group = Group { child };
    match tokio::time::timeout(deadline, talk(&mut group.child, input)).await {
        Err(_) => {
            group.end().await;
            Err(EvalError::Deadline {
                path: request.path.clone(),
                deadline,
            })
        }
        Ok(Err(error)) => {
            group.end().await;
            Err(run(error))
        }
        Ok(Ok(output)) => {
            // It may have left something behind that holds no pipe.
            group.end().await;
            let Some(stdout) = output.stdout else {
                return Err(EvalError::TooLarge {
                    path: request.path.clone(),
                    limit: MAX_ANSWER,
                });
            };
            match serde_json::from_slice::<EvalAnswer>(&stdout) {
                Ok(mut answer) => {
                    answer.printed = output.stderr;
                    Ok(answer)
                }
                Err(_) => Err(EvalError::NoAnswer {
                    path: request.path.clone(),
                    status: output.status,
                    stderr: output.stderr,
                }),
            }
        }
    }
}

struct Output {
    /// `None` when it was more than [`MAX_ANSWER`].
    stdout: Option<Vec<u8>>,
    stderr: String,
    status: String,
}

async fn talk(child: &mut Child, input: Vec<u8>) -> std::io::Result<Output> {
    let gone = || std::io::Error::other("a standard stream is missing");
    let mut stdin = child.stdin.take().ok_or_else(gone)?;
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let write = async move {
        // A program that dies early says why on standard error; the broken pipe adds nothing.
        match stdin.write_all(&input).await {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    };
    let (written, out, err) = tokio::join!(
        write,
        bounded(stdout, MAX_ANSWER),
        bounded(stderr, MAX_COMPLAINT)
    );
    written?;
    let (out, out_whole) = out?;
    let (err, _) = err?;
    let status = if out_whole {
        child.wait().await?.to_string()
    } else {
        String::new()
    };
    Ok(Output {
        stdout: out_whole.then_some(out),
        stderr: String::from_utf8_lossy(&err).into_owned(),
        status,
    })
}

/// Reads at most `limit` bytes and says whether that was all. What comes after is not read: the writer blocks or breaks.
async fn bounded(from: impl AsyncRead + Unpin, limit: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let mut limited = from.take(limit as u64 + 1);
    limited.read_to_end(&mut bytes).await?;
    let whole = bytes.len() <= limit;
    bytes.truncate(limit);
    Ok((bytes, whole))
}

/// A child and its process group; dropping it kills both.
struct Group {
    child: Child,
}

impl Group {
    fn kill(&mut self) {
        // The id is there until the child has been waited for; from then on the number may be another's.
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // ESRCH: it ended by itself.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    async fn end(&mut self) {
        self.kill();
        if let Err(error) = self.child.wait().await {
            tracing::debug!(%error, "could not wait for aurora-eval");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
#[path = "eval_tests.rs"]
mod tests;
