//! What every daemon's `main` shares: an HTTP server, the guard in front of it, signals and logs.
//!
//! A daemon is a [`server::Service`] (a function from [`server::Request`] to [`server::Response`]) behind a
//! [`guard::Guard`], started with [`server::Listener::bind`] and [`server::serve`], ended by [`lifecycle::Shutdown`].
//! This crate knows nothing of Aurora or Mesos.
//!
//! ```no_run
//! use std::sync::Arc;
//! use aurora_daemon::{flags::DaemonFlags, lifecycle::{self, Shutdown}, logging, reply, server};
//!
//! struct Hello;
//! impl server::Service for Hello {
//!     async fn call(self: Arc<Self>, _request: server::Request) -> server::Response {
//!         reply::text(http::StatusCode::OK, "hello")
//!     }
//! }
//!
//! # async fn run(flags: DaemonFlags) -> anyhow::Result<()> {
//! logging::init(&flags)?;
//! let shutdown = Shutdown::install(flags.lifeline_fd)?;
//! let listener = server::Listener::bind("127.0.0.1".parse()?, 0).await?;
//! lifecycle::announce_ready("hello", listener.address())?;
//! server::serve(listener, Arc::new(Hello), server::Options::default(), shutdown).await;
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Aurora's daemons run on Linux only; `aurora` and `aurora-tui` are built with `cargo build -p aurora-cli -p aurora-tui`"
);

mod budget;
pub mod flags;
pub mod guard;
pub mod holder;
pub mod html;
pub mod lifecycle;
pub mod logging;
pub mod reply;
pub mod server;
