//! Running a task in the foreground, or detached from the terminal.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use aurora_api::thermos::TaskState;
use aurora_thermos::core::Turn;
use aurora_thermos::isolation::Isolation;
use aurora_thermos::logs::LogDefaults;
use aurora_thermos::procs::Exemptions;
use aurora_thermos::{Settings, TaskRunner, clock, users};
use clap::Args;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::json;

use crate::Places;
use crate::config::{Bound, ConfigArgs, Loaded, load};
use crate::look::{DEFAULT_ROOT, printable};

/// How long a task that is told to end may take, as upstream.
const KILL_WAIT: Duration = Duration::from_secs(60);

/// What the two ways to run a task share.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowArgs {
    /// Run as this user, which takes root unless it is oneself.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The task's id; made of its name and the time when absent.
    #[arg(long = "task_id", value_name = "ID")]
    task_id: Option<String>,
    /// Go on in the background.
    #[arg(long)]
    daemon: bool,
    /// The process in the background.
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    how: HowArgs,
    /// Where the task runs.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/thermos/sandbox")]
    sandbox: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SimplerunArgs {
    #[command(flatten)]
    how: HowArgs,
    /// The task's name.
    #[arg(long, default_value = "simple")]
    name: String,
    #[command(flatten)]
    bound: Bound,
    /// The command line.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(crate) fn run(places: &Places, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let loaded = load(&args.config)?;
    start(places, &loaded, &args.config.bound, &args.how, || {
        fs::create_dir_all(&args.sandbox).map(|()| args.sandbox.clone())
    })
}

pub(crate) fn simplerun(places: &Places, args: &SimplerunArgs) -> anyhow::Result<ExitCode> {
    let command = args.command.join(" ");
    writeln!(std::io::stdout(), "Running command: '{command}'")?;
    let task = json!({
        "name": args.name,
        "resources": {"cpu": 1.0, "ram": 256 << 20, "disk": 0},
        "processes": [{"name": args.name, "cmdline": command}],
    });
    let loaded = Loaded::of_task(task, &args.bound.bindings)?;
    start(places, &loaded, &args.bound, &args.how, || {
        // It stays, with its logs, as upstream's does.
        let sandbox = tempfile::Builder::new().prefix("thermos-").tempdir();
        sandbox.map(tempfile::TempDir::keep)
    })
}

fn start(
    places: &Places,
    loaded: &Loaded,
    bound: &Bound,
    how: &HowArgs,
    sandbox: impl FnOnce() -> io::Result<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let own = users::by_uid(nix::unistd::getuid().as_raw())?;
    let user = match &how.user {
        Some(name) => users::by_name(name)?,
        None => own.clone(),
    };
    let task_id = how.task_id.clone().unwrap_or_else(|| new_id(&loaded.name));
    let ports = bound.ports();
    let task = loaded.bind(&task_id, &ports, &user.name)?;
    if how.daemon && !how.detached {
        // An id that was made here has to be the same there.
        let made = how.task_id.is_none().then_some(task_id.as_str());
        return detach(made);
    }
    let sandbox = sandbox().context("cannot make the sandbox")?;
    if user.uid != own.uid {
        chown(&sandbox, Some(user.uid), Some(user.gid))
            .with_context(|| format!("cannot give {} away", sandbox.display()))?;
    }
    let settings = Settings {
        task,
        task_id,
        checkpoint_root: places.root.clone().unwrap_or_else(|| DEFAULT_ROOT.into()),
        sandbox,
        log_dir: None,
        hostname: nix::unistd::gethostname()
            .context("cannot tell this machine's name")?
            .to_string_lossy()
            .into_owned(),
        ports,
        user: how.user.clone(),
        isolation: Isolation::default(),
        image: None,
        preserve_environment: false,
        secrets: Vec::new(),
        logging: LogDefaults::default(),
        run_limit: u32::MAX,
        program: PathBuf::from("/proc/self/exe"),
        exemptions: Exemptions::default(),
    };
    // Before the first child: they are given an empty mask.
    let interrupts = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    interrupts.thread_block().context("cannot block signals")?;
    let interrupts =
        SignalFd::with_flags(&interrupts, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("cannot hear of signals")?;
    let shown = printable(&settings.task_id);
    let runner = TaskRunner::start(settings)?;
    let state = attend(runner, &interrupts)?;
    writeln!(io::stderr(), "Task {shown} ended: {state}")?;
    Ok(ExitCode::SUCCESS)
}

/// Stays with the task until it is over, and says how; the first signal kills it.
fn attend(mut runner: TaskRunner, interrupts: &SignalFd) -> anyhow::Result<TaskState> {
    loop {
        let longest = match runner.turn()? {
            Turn::Over(state) => return Ok(state),
            Turn::Wait(longest) => longest,
        };
        let millis = u16::try_from(longest.as_millis())
            .unwrap_or(u16::MAX)
            .max(1);
        {
            let mut waited = [
                PollFd::new(runner.wake_fd(), PollFlags::POLLIN),
                PollFd::new(interrupts.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waited, PollTimeout::from(millis)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for the task"),
            }
        }
        while interrupts
            .read_signal()
            .context("cannot read a signal")?
            .is_some()
        {
            writeln!(std::io::stderr(), "Got keyboard interrupt, killing job!")?;
            runner.kill(KILL_WAIT)?;
        }
    }
}

/// Starts this command line anew in a session of its own, with nothing to read and nobody to tell.
fn detach(task_id: Option<&str>) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "Daemonizing and starting runner.")?;
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    let verb = arguments
        .iter()
        .position(|argument| argument == "run" || argument == "simplerun");
    let (before, after) = arguments.split_at(verb.map_or(0, |verb| verb + 1));
    let mut command = Command::new("setsid");
    command
        .arg("--fork")
        .arg(std::env::current_exe().context("cannot find this program")?)
        .args(before)
        .arg("--detached")
        .args(task_id.map(|id| format!("--task_id={id}")))
        .args(after)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command.status().context("cannot start setsid")?;
    anyhow::ensure!(status.success(), "setsid ended with {status}");
    Ok(ExitCode::SUCCESS)
}

/// `<name>-YYYYMMDD-HHMMSS.<micros>`.
fn new_id(name: &str) -> String {
    let now = clock::now();
    let at = clock::civil(now as i64).strftime("%Y%m%d-%H%M%S");
    format!("{name}-{at}.{:06}", (now.fract() * 1e6) as i64)
}
