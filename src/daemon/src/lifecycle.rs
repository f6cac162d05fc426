//! How a daemon starts and ends.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Told once that the daemon has to end. Clones see the same.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<bool>,
    orphaned: Arc<AtomicBool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}

impl Shutdown {
    /// One that only [`Shutdown::trigger`] ends.
    pub fn new() -> Shutdown {
        Shutdown {
            sender: watch::Sender::new(false),
            orphaned: Arc::default(),
        }
    }

    /// Ends on SIGTERM, on SIGINT, and when the inherited pipe `lifeline` reaches its end.
    ///
    /// # Errors
    /// When the handlers cannot be installed, or `lifeline` is not an open pipe.
    pub fn install(lifeline: Option<i32>) -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut stream = signal(kind)?;
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                if stream.recv().await.is_some() {
                    tracing::info!(signal = kind.as_raw_value(), "asked to end");
                    shutdown.trigger();
                }
            });
        }
        if let Some(fd) = lifeline {
            let mut pipe = adopt_pipe(fd)?;
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                let mut byte = [0; 1];
                while let Ok(1..) = pipe.read(&mut byte).await {}
                tracing::info!("whoever started this daemon is gone; ending");
                shutdown.orphaned.store(true, Ordering::SeqCst);
                shutdown.trigger();
            });
        }
        Ok(shutdown)
    }

    /// Asks for the end.
    pub fn trigger(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the end was asked for.
    pub fn is_triggered(&self) -> bool {
        *self.sender.borrow()
    }

    /// Whether the end came with the end of the lifeline, not by a signal: then what outlives this daemon has to stay for
    /// the next one to find.
    pub fn is_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::SeqCst)
    }

    /// Returns when the end was asked for. Cancel-safe.
    pub async fn wait(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as `self`, so the only outcome is the condition.
        if receiver.wait_for(|triggered| *triggered).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[allow(
    unsafe_code,
    reason = "a descriptor number on the command line is the only way to inherit a pipe"
)]
fn adopt_pipe(fd: i32) -> io::Result<pipe::Receiver> {
    use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
    let wrong = |source: nix::Error| {
        io::Error::other(format!("--lifeline-fd {fd} is not an open pipe: {source}"))
    };
    if fd < 3 {
        return Err(wrong(nix::Error::EBADF));
    }
    // SAFETY: the borrow is used only for fcntl, which answers EBADF when the number is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(wrong)?;
    // SAFETY: the descriptor is open and was inherited for this purpose alone; nothing else in the process owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    pipe::Receiver::from_owned_fd(owned)
}

/// Prints the one line on standard output that says where a daemon listens, now that it serves:
/// `{"ready":{"name":"scheduler","address":"127.0.0.1:4567","pid":123}}`.
pub fn announce_ready(name: &str, address: SocketAddr) -> io::Result<()> {
    let line = serde_json::json!({
        "ready": {"name": name, "address": address.to_string(), "pid": std::process::id()}
    });
    let mut out = io::stdout().lock();
    // A closed standard output is no reason not to serve.
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
