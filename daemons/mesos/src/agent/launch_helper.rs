//! `aurora-mesos-agent launch-container`: the first life of every container's process.
//!
//! ```text
//! agent                                   helper (this module)                      container
//!   | spawn, stdin = pipe, stdout = pipe      |
//!   | -------- one line of JSON ------------> | own session, joins the cgroups
//!   | (writes pid and start time to disk)     | waits
//!   | -------- "go\n" ----------------------> | user, directory, stdout and stderr
//!   |                                         | exec -----------------------------> | same pid
//!   | <------- end of file: it runs --------- |
//!   | <------- text: why it does not -------- |
//! ```
//!
//! While the helper waits, the end of its standard input means that the agent is gone: the helper ends too. So a process
//! whose pid is not on disk never becomes an executor, whenever the agent is killed. The helper is a program of its own and
//! not code between fork and exec, because a forked copy of a threaded process may do almost nothing safely, and because
//! such a copy would hold the other containers' pipes open.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::images::{self, Mounts};
use super::users::Account;

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "launch-container";
/// The hidden subcommand that runs a command in a container's file system, by the specification in its argument.
pub(crate) const INSIDE: &str = "enter-root";
/// The line that lets the helper go on.
pub(crate) const GO: &str = "go\n";
/// What hidden modes keep of the agent's own variables: names, certificates and proxies are looked up by these.
pub(crate) const KEPT_VARIABLES: [&str; 7] = [
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "RUST_BACKTRACE",
];
/// An executor's secret, not for its tasks.
pub(crate) const TOKEN_VARIABLE: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";
/// Longest specification that the helper reads; environments and arguments together cannot be larger in the kernel.
const MAX_SPEC_BYTES: u64 = 8 << 20;

/// Everything that the helper needs to become the container's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LaunchSpec {
    /// The program; an absolute path, or a name that is looked up in the container's `PATH`.
    pub(crate) program: String,
    /// The arguments, the first (argv[0]) included; empty means the program's own name.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) sandbox: PathBuf,
    /// `None`: stay the user that the agent is.
    pub(crate) account: Option<Account>,
    /// `cgroup.procs` files to enter.
    pub(crate) cgroup_procs: Vec<PathBuf>,
    /// What it gets mounted, in a mount namespace of its own; takes root.
    pub(crate) mounts: Mounts,
    /// The file system that it lives in, if not the machine's.
    pub(crate) root: Option<InRoot>,
}

/// A life in a file system of one's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InRoot {
    /// Where it is mounted.
    pub(crate) path: PathBuf,
    /// Where its programs begin, inside; the sandbox when absent.
    pub(crate) directory: Option<PathBuf>,
}

/// A command that runs `spec` in its file system, from a process that is root and sees that mounted. It has this process's own
/// variables, over them the image's, and over these `variables`.
pub(crate) fn command_inside(
    spec: &LaunchSpec,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Command, String> {
    let failed = |error: String| format!("entering the image: {error}");
    let own = std::env::vars().filter(|(name, _)| name != TOKEN_VARIABLE);
    let mut environment = Environment::default();
    for (name, value) in own.chain(spec.environment.clone()) {
        environment.set(&name, &value);
    }
    environment.set("MESOS_SANDBOX", images::SANDBOX);
    for (name, value) in variables {
        environment.set(&name, &value);
    }
    let spec = LaunchSpec {
        environment: environment.into_vec(),
        ..spec.clone()
    };
    let text = serde_json::to_string(&spec).map_err(|error| failed(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args([INSIDE, &text]);
    Ok(command)
}

/// Runs a command in the file system of a container whose mounts are there already. Returns only when that could not be done.
pub(super) fn inside() -> ExitCode {
    let spec = std::env::args().nth(2).unwrap_or_default();
    let message = match serde_json::from_str(&spec) {
        Ok(spec) => become_container(&spec, Outputs::Inherited),
        Err(error) => format!("reading the launch: {error}"),
    };
    // Standard error is the log in the sandbox; a line that cannot be written is lost.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}

/// Runs the helper. Returns only when the container's program could not be started.
pub(super) fn main() -> ExitCode {
    // Kept aside before the sandbox's own file takes its place; closed by the exec.
    let mut status = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(fd) => File::from(fd),
        Err(_) => return ExitCode::FAILURE,
    };
    match run() {
        Ok(Ended::AgentGone) => ExitCode::FAILURE,
        Err(message) => {
            // The agent may be gone by now; then the exit code is all there is to tell.
            let _ = status.write_all(message.as_bytes());
            ExitCode::FAILURE
        }
    }
}

enum Ended {
    AgentGone,
}

fn run() -> Result<Ended, String> {
    let mut input = io::BufReader::new(io::stdin().lock());
    let mut line = String::new();
    let read = input
        .by_ref()
        .take(MAX_SPEC_BYTES)
        .read_line(&mut line)
        .map_err(|error| format!("reading the launch: {error}"))?;
    if read == 0 {
        return Ok(Ended::AgentGone);
    }
    let spec: LaunchSpec =
        serde_json::from_str(&line).map_err(|error| format!("reading the launch: {error}"))?;
    // A session of its own: signals to the agent's terminal or group do not reach the container.
    nix::unistd::setsid().map_err(|error| format!("starting a session: {error}"))?;
    enter_cgroups(&spec.cgroup_procs)?;
    line.clear();
    let read = input
        .by_ref()
        .take(GO.len() as u64)
        .read_line(&mut line)
        .map_err(|error| format!("waiting for the agent: {error}"))?;
    if read == 0 || line != GO {
        return Ok(Ended::AgentGone);
    }
    Err(become_container(&spec, Outputs::OfTheSandbox))
}

/// Where a container's outputs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outputs {
    OfTheSandbox,
    /// Those that this process has.
    Inherited,
}

/// Replaces this process. Returns what went wrong when that fails.
fn become_container(spec: &LaunchSpec, outputs: Outputs) -> String {
    if let Err(message) = images::perform(&spec.sandbox, &spec.mounts) {
        return message;
    }
    let (sandbox, directory) = match &spec.root {
        Some(root) => {
            if let Err(error) = images::enter(&root.path) {
                return format!("entering the image at {}: {error}", root.path.display());
            }
            let sandbox = Path::new(images::SANDBOX);
            (sandbox, root.directory.as_deref().unwrap_or(sandbox))
        }
        None => (spec.sandbox.as_path(), spec.sandbox.as_path()),
    };
    if let Err(message) = take_identity(spec.account.as_ref()) {
        return message;
    }
    if let Err(error) = std::env::set_current_dir(directory) {
        return format!("entering {}: {error}", directory.display());
    }
    let mut command = Command::new(&spec.program);
    if let Some((first, rest)) = spec.arguments.split_first() {
        command.arg0(first).args(rest);
    }
    command
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)));
    // Shells set PWD themselves; other programs find it as under Mesos.
    command.env("PWD", directory);
    command.stdin(Stdio::null());
    if outputs == Outputs::OfTheSandbox {
        match (output(sandbox, "stdout"), output(sandbox, "stderr")) {
            (Ok(stdout), Ok(stderr)) => {
                command.stdout(stdout).stderr(stderr);
            }
            (Err(message), _) | (_, Err(message)) => return message,
        }
    }
    let error = inherited::close_on_exec().map_or_else(|error| error, |()| command.exec());
    format!("executing '{}': {error}", spec.program)
}

#[allow(unsafe_code, reason = "close_range has no wrapper in nix or std")]
mod inherited {
    use std::io;

    /// Keeps whatever the agent was started with (pipes of a shell, of a test, of a supervisor) out of the container. The
    /// descriptors stay open until the exec.
    pub(super) fn close_on_exec() -> io::Result<()> {
        // SAFETY: the call takes integers and only sets a flag; no descriptor is closed here.
        let result = unsafe {
            libc::close_range(
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
            )
        };
        match result {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                // Kernels before 5.11 lack the flag, those before 5.9 the call; descriptors of ours are marked already.
                error if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                    Ok(())
                }
                error => Err(error),
            },
        }
    }
}

/// Moves this process into the cgroups of these `cgroup.procs` files.
pub(crate) fn enter_cgroups(procs: &[PathBuf]) -> Result<(), String> {
    for procs in procs {
        std::fs::write(procs, "0")
            .map_err(|error| format!("entering the cgroup {}: {error}", procs.display()))?;
    }
    Ok(())
}

/// Becomes the account's user for good; `None` changes nothing. To be called before threads are started.
pub(crate) fn take_identity(account: Option<&Account>) -> Result<(), String> {
    let Some(account) = account else {
        return Ok(());
    };
    let groups: Vec<nix::unistd::Gid> = account
        .groups
        .iter()
        .map(|gid| nix::unistd::Gid::from_raw(*gid))
        .collect();
    nix::unistd::setgroups(&groups)
        .map_err(|error| format!("taking the groups of user '{}': {error}", account.name))?;
    nix::unistd::setgid(nix::unistd::Gid::from_raw(account.gid))
        .map_err(|error| format!("taking the group of user '{}': {error}", account.name))?;
    nix::unistd::setuid(nix::unistd::Uid::from_raw(account.uid))
        .map_err(|error| format!("taking the identity of user '{}': {error}", account.name))
}

/// Opens one of the sandbox's own log files, as the container's user: a link that somebody left in its place is refused.
pub(crate) fn output(sandbox: &Path, name: &str) -> Result<File, String> {
    let path = sandbox.join(name);
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|error| format!("opening {}: {error}", path.display()))
}
