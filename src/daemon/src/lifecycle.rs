//! How a daemon starts and ends.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};
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
    use std::os::fd::BorrowedFd;
    let wrong = |source: nix::Error| {
        io::Error::other(format!("--lifeline-fd {fd} is not an open pipe: {source}"))
    };
    if fd < 3 {
        return Err(wrong(nix::Error::EBADF));
    }
    // SAFETY: the borrow ends with this function, asks the kernel only, and is answered EBADF when the number is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    // A wrong number may name a descriptor that belongs to this process: it is looked at before anything is changed.
    let kind =
        SFlag::from_bits_truncate(fstat(borrowed).map_err(wrong)?.st_mode & SFlag::S_IFMT.bits());
    if kind != SFlag::S_IFIFO {
        return Err(wrong(nix::Error::EINVAL));
    }
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(wrong)?;
    // A descriptor of our own for the same pipe; the inherited one stays open and belongs to nobody.
    pipe::Receiver::from_owned_fd(borrowed.try_clone_to_owned()?)
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_lifeline_is_the_end_and_nothing_else_is_taken_for_one() {
        let (reader, writer) = io::pipe().unwrap();
        let shutdown = Shutdown::install(Some(reader.as_raw_fd())).unwrap();
        assert!(!shutdown.is_triggered());
        drop(writer);
        tokio::time::timeout(Duration::from_secs(10), shutdown.wait())
            .await
            .expect("the pipe's end is noticed");

        let mut file = tempfile::tempfile().unwrap();
        assert!(Shutdown::install(Some(file.as_raw_fd())).is_err());
        assert!(Shutdown::install(Some(1)).is_err());
        // The file was left alone.
        file.write_all(b"still open").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "still open");
    }
}
