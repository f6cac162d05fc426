//! Executors in Docker containers, through the engine's socket.
//!
//! ```text
//! agent --launches, as any container's process--> aurora-mesos-agent docker-run --HTTP on a socket--> Docker engine
//!                                                   (lives as long as the container)
//! ```
//!
//! The process that stands for the container is a client of the engine: it creates, starts and awaits it, copies its outputs into
//! the sandbox, hands SIGTERM on, and ends with the container's own exit code. So an agent that is restarted finds it like any
//! other process. When it is killed, the container's name is still known, and whoever cleans up removes it
//! (mesos: `src/slave/containerizer/docker.cpp`, which names its containers alike).

mod engine;
mod options;
mod run;

pub(crate) use run::{SUBCOMMAND, main};

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurora_mesos::v1::{CommandInfo, DockerInfo, Volume};
use serde::{Deserialize, Serialize};

use self::engine::{Engine, EngineError};

/// Where the sandbox is inside (mesos: `--sandbox_directory`).
const SANDBOX: &str = "/mnt/mesos/sandbox";
/// How long removing a container may take.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(30);

/// What [`SUBCOMMAND`] is told, as JSON in its argument. Its environment is the container's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) socket: PathBuf,
    pub(crate) name: String,
    /// The body of the engine's call `containers/create`, but for the environment.
    pub(crate) create: serde_json::Value,
    pub(crate) image: String,
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

/// An executor to be run in a container of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) info: &'a DockerInfo,
    pub(crate) command: &'a CommandInfo,
    pub(crate) volumes: &'a [Volume],
    pub(crate) sandbox: &'a Path,
    /// In bytes.
    pub(crate) memory: u64,
}

impl Docker {
    /// The order for a container, which [`Docker::remove`] finds from now on. The error is a sentence, about an option that is
    /// not known here say.
    pub(crate) fn prepare(&self, container: &str, wanted: Wanted<'_>) -> Result<Order, String> {
        let create = options::create(wanted)?;
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
            image: wanted.info.image.clone(),
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
