//! `aurora-mesos-agent fetch`: brings the URIs of a command into a sandbox.
//!
//! A program of its own that runs as the task's user, like Mesos' fetcher: an archive that holds links or odd names can do
//! no more than the task itself could, and a task cannot have files fetched that its user may not read. The agent keeps the
//! other end of its standard input; when that closes (the agent is gone, or the launch was given up) the fetch ends.
//! Nothing is cached: `cache` is accepted and every fetch reads its source.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use super::fetch_plan::{self, After, Archive, Compression, Fetch, Source, Uri};
use super::launch_helper;
use super::users::Account;

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "fetch";
const MAX_SPEC_BYTES: u64 = 8 << 20;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// What to fetch, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FetchSpec {
    pub(crate) sandbox: PathBuf,
    pub(crate) account: Option<Account>,
    /// `cgroup.procs` files to enter: what is unpacked counts against the container's memory.
    pub(crate) cgroup_procs: Vec<PathBuf>,
    pub(crate) uris: Vec<Uri>,
    /// A download that brings nothing for so long has failed (`--fetcher_stall_timeout`).
    pub(crate) stall_timeout: Duration,
    /// Most bytes that all of them together may bring, and that any file unpacked from them may have (`--fetcher_max_size`).
    pub(crate) max_bytes: u64,
}

/// Runs the fetcher. Standard output is empty after success; otherwise it says why.
pub(super) fn main() -> ExitCode {
    let mut status = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(fd) => File::from(fd),
        Err(_) => return ExitCode::FAILURE,
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // The agent may be gone by now; then the exit code is all there is to tell.
            let _ = status.write_all(message.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(MAX_SPEC_BYTES)
        .read_line(&mut line)
        .map_err(|error| format!("reading what to fetch: {error}"))?;
    let spec: FetchSpec =
        serde_json::from_str(&line).map_err(|error| format!("reading what to fetch: {error}"))?;
    // Before any thread is started, since an identity belongs to each thread.
    nix::unistd::setsid().map_err(|error| format!("starting a session: {error}"))?;
    launch_helper::enter_cgroups(&spec.cgroup_procs)?;
    bound_files(spec.max_bytes)?;
    launch_helper::take_identity(spec.account.as_ref())?;
    std::env::set_current_dir(&spec.sandbox)
        .map_err(|error| format!("entering the sandbox {}: {error}", spec.sandbox.display()))?;
    let mut log = launch_helper::output(&spec.sandbox, "stderr")?;
    end_with_the_agent()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("starting the fetcher: {error}"))?;
    runtime.block_on(async {
        let mut budget = Budget {
            whole: spec.max_bytes,
            left: spec.max_bytes,
        };
        for uri in &spec.uris {
            let fetched = fetch(&spec, uri, &mut budget).await;
            let line = match &fetched {
                Ok(fetch) => format!(
                    "Fetched '{}' to '{}'\n",
                    uri.value,
                    spec.sandbox.join(&fetch.target).display()
                ),
                Err(message) => format!("Failed to fetch '{}': {message}\n", uri.value),
            };
            // The line is for whoever reads the sandbox; the agent gets the result by itself.
            let _ = log.write_all(line.as_bytes());
            fetched.map_err(|message| format!("Failed to fetch '{}': {message}", uri.value))?;
        }
        Ok(())
    })
}

/// Lets the kernel hold files against the bound, those of the programs that unpack too. A write beyond it is an error here, and
/// the end there.
fn bound_files(bytes: u64) -> Result<(), String> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    signals
        .thread_block()
        .and_then(|()| setrlimit(Resource::RLIMIT_FSIZE, bytes, bytes))
        .map_err(|error| format!("bounding files: {error}"))
}

/// What may still be fetched.
#[derive(Debug)]
struct Budget {
    whole: u64,
    left: u64,
}

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<(), String> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| {
            format!(
                "it is larger than the {} bytes that may be fetched (--fetcher_max_size)",
                self.whole
            )
        })?;
        Ok(())
    }
}

/// Ends this process when the agent closes its end of standard input.
fn end_with_the_agent() -> Result<(), String> {
    std::thread::Builder::new()
        .name("agent-watch".to_owned())
        .spawn(|| {
            let mut rest = [0_u8; 64];
            while io::stdin().read(&mut rest).is_ok_and(|count| count > 0) {}
            // A signal, because the files being written need no care and the sandbox is given up.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        })
        .map(|_detached| ())
        .map_err(|error| format!("watching the agent: {error}"))
}

async fn fetch(spec: &FetchSpec, uri: &Uri, budget: &mut Budget) -> Result<Fetch, String> {
    let fetch = fetch_plan::plan(uri).map_err(|error| error.to_string())?;
    let target = spec.sandbox.join(&fetch.target);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| format!("creating {}: {error}", parent.display()))?;
    }
    match &fetch.source {
        Source::Local(path) => copy(path, &target, budget)?,
        Source::Http(url) => download(url, &target, spec.stall_timeout, budget).await?,
    }
    match fetch.after {
        After::Nothing => {}
        After::MakeExecutable => fs::set_permissions(&target, Permissions::from_mode(0o755))
            .map_err(|error| format!("making {} executable: {error}", target.display()))?,
        After::Extract(kind) => extract(kind, &target, spec)?,
    }
    Ok(fetch)
}

fn create(target: &Path) -> Result<File, String> {
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW);
    options
        .open(target)
        .map_err(|error| format!("creating {}: {error}", target.display()))
}

fn copy(source: &Path, target: &Path, budget: &mut Budget) -> Result<(), String> {
    let failed = |error: io::Error| format!("copying {}: {error}", source.display());
    // Opening a pipe would wait for its writer.
    let input = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(source)
        .map_err(failed)?;
    let metadata = input.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", source.display()));
    }
    budget.take(metadata.len())?;
    let mut output = create(target)?;
    // What grows meanwhile is not waited for.
    let mut input = input.take(metadata.len());
    io::copy(&mut input, &mut output).map_err(failed)?;
    Ok(())
}

async fn download(
    url: &str,
    target: &Path,
    stall_timeout: Duration,
    budget: &mut Budget,
) -> Result<(), String> {
    // A second installation is refused, which is as good: there is one provider in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(stall_timeout)
        .build()
        .map_err(|error| chain(&error))?;
    let response = client
        .get(url)
        .send()
        .await
        .map_err(|error| chain(&error))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!(
            "the server answered {}, expected 200 OK",
            response.status()
        ));
    }
    let mut output = create(target)?;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| chain(&error))?;
        budget.take(chunk.len() as u64)?;
        output
            .write_all(&chunk)
            .map_err(|error| format!("writing {}: {error}", target.display()))?;
    }
    Ok(())
}

/// An error with everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn extract(kind: Archive, file: &Path, spec: &FetchSpec) -> Result<(), String> {
    let sandbox = spec.sandbox.as_path();
    let failed = |error: io::Error| format!("extracting {}: {error}", file.display());
    let input = || File::open(file).map(io::BufReader::new).map_err(failed);
    match kind {
        Archive::Tar => tar::Archive::new(input()?).unpack(sandbox).map_err(failed),
        Archive::TarGzip => {
            let whole = flate2::bufread::MultiGzDecoder::new(input()?);
            tar::Archive::new(whole.take(spec.max_bytes))
                .unpack(sandbox)
                .map_err(failed)
        }
        Archive::TarBy(compression) => {
            let flag = match compression {
                Compression::Bzip2 => "-xjf",
                Compression::Xz => "-xJf",
            };
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(sandbox).arg(flag).arg(file);
            unpack_by(tar)
        }
        Archive::Zip => {
            let mut unzip = Command::new("unzip");
            unzip.arg("-o").arg("-d").arg(sandbox).arg(file);
            unpack_by(unzip)
        }
        Archive::Gzip => {
            let mut output = create(&file.with_extension(""))?;
            io::copy(
                &mut flate2::bufread::MultiGzDecoder::new(input()?),
                &mut output,
            )
            .map_err(failed)?;
            Ok(())
        }
    }
}

/// Unpacks with a program of the machine (mesos: src/launcher/fetcher.cpp).
fn unpack_by(mut command: Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("starting '{name}' to unpack: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "unpacking with '{name}' failed ({}): {}",
        output.status,
        said.trim()
    ))
}
