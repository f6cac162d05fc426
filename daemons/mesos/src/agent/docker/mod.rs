//! Executors and commands in Docker containers, through the engine's socket.
//!
//! ```text
//! agent --launches, as any container's process--> aurora-mesos-agent docker-run, for an executor  --HTTP on a socket--> engine
//!                                                 aurora-mesos-agent command-executor, for a command
//!                                                   (lives as long as the container)
//! ```
//!
//! The process that stands for the container is a client of the engine (`attend`): it creates, starts and awaits it, copies its
//! outputs into the sandbox and hands signals on. So an agent that is restarted finds it like any other process. When it is
//! killed, the container's name is still known, and whoever cleans up removes it (mesos: `src/slave/containerizer/docker.cpp`,
//! which names its containers alike).

mod attend;
mod create;
mod engine;
mod options;
mod run;

pub(crate) use attend::{Attended, attend};
pub(crate) use engine::Engine;
pub(crate) use run::{SUBCOMMAND, main};

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurora_mesos::v1::{CommandInfo, ContainerInfo, Range};
use serde::{Deserialize, Serialize};

use self::engine::EngineError;
use super::cgroup::Limits;

/// Where the sandbox is inside (mesos: `--sandbox_directory`).
const SANDBOX: &str = "/mnt/mesos/sandbox";
/// How long removing a container may take.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(30);

/// What who stands for a container is told, as JSON in an argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) socket: PathBuf,
    pub(crate) name: String,
    /// The body of the engine's call `containers/create`, but for the environment.
    pub(crate) create: serde_json::Value,
    pub(crate) image: String,
    /// The image is asked for even if it is there.
    pub(crate) force_pull: bool,
}

/// The file that says that a container is one of the engine's.
const MARK: &str = "docker";

/// The engine that this agent uses.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    pub(crate) socket: PathBuf,
    /// Where things of containers are remembered.
    pub(crate) containers: PathBuf,
}

/// What is to be run in a container of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) container: &'a ContainerInfo,
    pub(crate) command: &'a CommandInfo,
    /// Ports of the machine that are its own.
    pub(crate) ports: &'a [Range],
    pub(crate) sandbox: &'a Path,
    pub(crate) limits: &'a Limits,
}

impl Docker {
    /// The order for a container, which [`Docker::remove`] finds from now on. The error is a sentence, about an option that is
    /// not known here say.
    pub(crate) fn prepare(&self, container: &str, wanted: Wanted<'_>) -> Result<Order, String> {
        let create = create::create(wanted)?;
        let info = wanted.container.docker.as_ref();
        let mark = self.mark(container);
        let marked = (|| {
            std::fs::create_dir_all(self.containers.join(container))?;
            std::fs::File::create(&mark)?.sync_all()
        })();
        marked.map_err(|error| format!("creating {}: {error}", mark.display()))?;
        Ok(Order {
            socket: self.socket.clone(),
            name: name(container),
            create,
            image: info.map(|info| info.image.clone()).unwrap_or_default(),
            force_pull: info.and_then(|info| info.force_pull_image) == Some(true),
        })
    }

    /// Kills and removes a container, if it is one of the engine's. One that is gone already is fine.
    pub(crate) fn remove(&self, container: &str) -> Result<(), String> {
        let mark = self.mark(container);
        if !mark.exists() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let name = name(container);
        let removed = async {
            tokio::time::timeout(REMOVE_TIMEOUT, Engine::new(&self.socket).remove(&name)).await
        };
        match runtime.block_on(removed) {
            Ok(Ok(()) | Err(EngineError::Refused { status: 404, .. })) => {}
            Ok(Err(error)) => {
                let error = super::containerizer::chain(&error);
                return Err(format!("removing the Docker container {name}: {error}"));
            }
            Err(_) => {
                return Err(format!(
                    "the Docker engine did not remove {name} within {REMOVE_TIMEOUT:?}"
                ));
            }
        }
        std::fs::remove_dir_all(self.containers.join(container))
            .map_err(|error| format!("forgetting {}: {error}", mark.display()))
    }

    fn mark(&self, container: &str) -> PathBuf {
        self.containers.join(container).join(MARK)
    }
}

/// A container's name in the engine.
fn name(container: &str) -> String {
    format!("mesos-{container}")
}
