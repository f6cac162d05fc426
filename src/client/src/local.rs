//! Starting, finding and stopping a local cluster by running `aurora-local`.
//!
//! Whoever starts a cluster this way is not its parent: it goes on when the caller ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::endpoints::{Endpoints, EndpointsError, Liveness};
use crate::programs::{self, MissingProgram};

/// How long a start may take: three daemons and a registration.
pub const START_DEADLINE: Duration = Duration::from_secs(120);

/// How long a stop may take: executors get their time to end.
pub const STOP_DEADLINE: Duration = Duration::from_secs(180);

const MAX_OUTPUT: u64 = 1024 * 1024;

/// A cluster to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOptions {
    /// Its name.
    pub cluster: String,
    /// Its state directory (see [`crate::directory::Environment::state_dir`]).
    pub state_dir: PathBuf,
    /// Whether to create the example jobs.
    pub demo: bool,
}

/// A cluster that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Where its daemons are.
    pub endpoints: Endpoints,
    /// What `aurora-local` said that a person should know, a sentence each: jobs that cannot run, say.
    pub said: Vec<String>,
}

/// Why a local cluster cannot be started, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// `aurora-local` is not installed.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// It cannot be run.
    #[error("cannot run {program}: {cause}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It said that it cannot do what was asked.
    #[error("{0}")]
    Failed(String),
    /// It did not finish in time.
    #[error("`aurora-local {verb}` did not finish within {} s; its log is in {log}", deadline.as_secs())]
    Deadline {
        /// What it was asked to do.
        verb: &'static str,
        /// The limit.
        deadline: Duration,
        /// Where to look.
        log: PathBuf,
    },
    /// The endpoints file is wrong.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
}

/// The cluster of a state directory, if it runs.
///
/// # Errors
/// When there is an endpoints file that cannot be read.
pub fn attach(state_dir: &Path) -> Result<Option<Endpoints>, LocalError> {
    Ok(Endpoints::read(state_dir)?.filter(|endpoints| endpoints.liveness() == Liveness::Alive))
}

/// Starts a cluster, or finds the one that runs already, and returns when it is ready.
pub async fn start_detached(options: &StartOptions) -> Result<Started, LocalError> {
    let mut arguments = vec!["--cluster-name".to_owned(), options.cluster.clone()];
    if options.demo {
        arguments.push("--demo".to_owned());
    }
    let told = run("start", &options.state_dir, &arguments, START_DEADLINE).await?;
    let endpoints = attach(&options.state_dir)?.ok_or_else(|| {
        LocalError::Failed(format!(
            "the cluster in {} ended right after its start; its log is in {}",
            options.state_dir.display(),
            log(&options.state_dir).display()
        ))
    })?;
    Ok(Started {
        endpoints,
        said: sentences(&told.errors),
    })
}

/// Stops the cluster of a state directory and waits until all its processes are gone. It is no error when none runs.
/// Gives back the line of JSON that `aurora-local stop` says about it.
pub async fn stop(state_dir: &Path) -> Result<String, LocalError> {
    Ok(run("stop", state_dir, &[], STOP_DEADLINE).await?.output)
}

/// What `aurora-local status` says of a state directory: one JSON object (see the program's manual).
pub async fn status(state_dir: &Path) -> Result<serde_json::Value, LocalError> {
    let text = run("status", state_dir, &[], Duration::from_secs(30))
        .await?
        .output;
    serde_json::from_str(&text).map_err(|error| {
        LocalError::Failed(format!("`aurora-local status` said {text:?}: {error}"))
    })
}

fn log(state_dir: &Path) -> PathBuf {
    state_dir.join("logs/local.log")
}

/// Its lines without the program's name in front.
fn sentences(errors: &str) -> Vec<String> {
    let lines = errors.lines().map(|line| line.trim());
    let lines = lines.map(|line| line.strip_prefix("aurora-local: ").unwrap_or(line));
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What a program wrote that ended well.
struct Told {
    output: String,
    errors: String,
}

async fn run(
    verb: &'static str,
    state_dir: &Path,
    arguments: &[String],
    deadline: Duration,
) -> Result<Told, LocalError> {
    let program = programs::find("aurora-local")?;
    let failed = |cause| LocalError::Run {
        program: program.clone(),
        cause,
    };
    let mut child = Command::new(&program)
        .arg(verb)
        .arg("--state-dir")
        .arg(state_dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let talk = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let read_out = async {
            match stdout {
                Some(pipe) => pipe.take(MAX_OUTPUT).read_to_end(&mut out).await,
                None => Ok(0),
            }
        };
        let read_err = async {
            match stderr {
                Some(pipe) => pipe.take(MAX_OUTPUT).read_to_end(&mut err).await,
                None => Ok(0),
            }
        };
        let (read_out, read_err) = tokio::join!(read_out, read_err);
        read_out?;
        read_err?;
        let status = child.wait().await?;
        Ok::<_, std::io::Error>((status, out, err))
    };
    let (status, out, err) = match tokio::time::timeout(deadline, talk).await {
        Err(_) => {
            return Err(LocalError::Deadline {
                verb,
                deadline,
                log: log(state_dir),
            });
        }
        Ok(result) => result.map_err(failed)?,
    };
    if status.success() {
        return Ok(Told {
            output: String::from_utf8_lossy(&out).into_owned(),
            errors: String::from_utf8_lossy(&err).into_owned(),
        });
    }
    let said = String::from_utf8_lossy(&err);
    Err(LocalError::Failed(match said.trim() {
        "" => format!("`aurora-local {verb}` ended with {status}"),
        text => text.to_owned(),
    }))
}
