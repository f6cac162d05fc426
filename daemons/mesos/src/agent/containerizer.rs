//! Containers: from a launch to the end of the last process.
//!
//! Each container has one task here, which owns its life (`container`) and cleans up whatever happened. A request to destroy
//! ends any step of that life.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurora_mesos::v1::{
    Resource, Scalar, StatusReason, TaskResourceLimitation, TaskState, ValueType,
};
use tokio::sync::{mpsc, watch};

use super::cgroup::{Cgroups, Limits};
use super::checkpoint::Store;
use super::container::Life;
use super::core::{Ended, Launch, Termination};
use super::docker::Docker;
use super::images::Images;
use super::process::{self, Identity};

/// How often out-of-memory counters are read.
const OOM_INTERVAL: Duration = Duration::from_secs(1);
/// How long cleaning up waits for killed processes when there are no cgroups.
const KILL_DEADLINE: Duration = Duration::from_secs(30);

/// What happens to containers.
#[derive(Debug)]
pub(crate) enum ContainerEvent {
    Forked { container: String, pid: i32 },
    Ended { container: String, ended: Ended },
}

/// What a container is made of.
#[derive(Debug)]
pub(crate) struct ContainerConfig {
    /// This program, for its hidden modes.
    pub(crate) program: PathBuf,
    pub(crate) work_dir: PathBuf,
    pub(crate) cgroups: Option<Cgroups>,
    /// Tasks run as their own user; needs root.
    pub(crate) switch_user: bool,
    pub(crate) fetcher_stall_timeout: Duration,
    pub(crate) fetcher_max_bytes: u64,
    pub(crate) docker: Docker,
    /// Images and volumes; absent where nothing can be mounted.
    pub(crate) images: Option<Images>,
}

#[derive(Debug, Default)]
pub(crate) struct FetchCounters {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

struct Handle {
    destroy: watch::Sender<bool>,
}

/// Starts, watches and ends containers.
#[derive(Clone)]
pub(crate) struct Containerizer {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: ContainerConfig,
    pub(super) store: Store,
    pub(super) events: mpsc::Sender<ContainerEvent>,
    containers: Mutex<HashMap<String, Handle>>,
    pub(super) fetches: FetchCounters,
    destroy_errors: AtomicU64,
}

/// A launch that went wrong, as the status of its tasks tells it.
pub(super) fn launch_failed(message: &str) -> Ended {
    let message = format!("Failed to launch container: {message}");
    Ended {
        status: None,
        termination: Some(Termination::new(
            TaskState::Failed,
            StatusReason::ContainerLaunchFailed,
            message,
        )),
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Containerizer {
    /// What a container's lack of memory means for its tasks, if the kernel has killed one of its processes for it.
    pub(crate) fn out_of_memory(&self, container: &str) -> Option<Termination> {
        self.inner.out_of_memory(container)
    }

    pub(crate) fn new(
        config: ContainerConfig,
        store: Store,
        events: mpsc::Sender<ContainerEvent>,
    ) -> Self {
        let inner = Inner {
            config,
            store,
            events,
            containers: Mutex::default(),
            fetches: FetchCounters::default(),
            destroy_errors: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        self.inner.config.cgroups.as_ref()
    }

    pub(crate) fn images(&self) -> Option<&Images> {
        self.inner.config.images.as_ref()
    }

    pub(crate) fn fetches(&self) -> &FetchCounters {
        &self.inner.fetches
    }

    /// How many containers could not be cleaned up.
    pub(crate) fn destroy_errors(&self) -> u64 {
        self.inner.destroy_errors.load(Ordering::Relaxed)
    }

    /// Starts a container. Its end comes as an event, also when it never came to be.
    pub(crate) fn launch(
        &self,
        agent: String,
        launch: Launch,
        sandbox: PathBuf,
        environment: Vec<(String, String)>,
    ) {
        let (destroy, destroyed) = watch::channel(false);
        let container = launch.run.container.clone();
        self.register(container.clone(), destroy);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let ended = Life {
                inner: &inner,
                launch,
                sandbox,
                environment,
                agent,
                destroyed,
            }
            .run()
            .await;
            inner.finish(container, ended).await;
        });
    }

    /// Watches a container of the last agent.
    pub(crate) fn adopt(&self, container: String, identity: Identity) {
        let (destroy, mut destroyed) = watch::channel(false);
        self.register(container.clone(), destroy);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let gone = async {
                if let Err(error) = process::wait_gone(&identity).await {
                    tracing::warn!(%error, pid = identity.pid, "cannot wait for a process; looking at it every second");
                    let mut tick = tokio::time::interval(OOM_INTERVAL);
                    while identity.is_alive() {
                        tick.tick().await;
                    }
                }
            };
            let termination = inner.watch(&container, &mut destroyed, gone).await;
            let termination = inner
                .clean_up(&container, Some(&identity))
                .await
                .or(termination);
            inner
                .finish(
                    container,
                    Ended {
                        status: None,
                        termination,
                    },
                )
                .await;
        });
    }

    fn register(&self, container: String, destroy: watch::Sender<bool>) {
        self.inner.handles().insert(container, Handle { destroy });
    }

    /// Ends a container. What is left of one that nobody watches is cleaned up too: its processes are `identity`'s session.
    pub(crate) fn destroy(&self, container: &str, identity: Option<Identity>) {
        if let Some(handle) = self.inner.handles().get(container) {
            handle.destroy.send_replace(true);
            return;
        }
        let inner = Arc::clone(&self.inner);
        let container = container.to_owned();
        tokio::spawn(async move {
            inner.clean_up(&container, identity.as_ref()).await;
        });
    }

    /// Changes what a container may use.
    pub(crate) fn limit(&self, container: &str, limits: &Limits) {
        if let Some(cgroups) = self.cgroups()
            && cgroups.exists(container)
            && let Err(error) = cgroups.update(container, limits)
        {
            tracing::warn!(
                container,
                error = chain(&error),
                "cannot change the limits of a container"
            );
        }
    }

    /// How many containers are being looked after.
    pub(crate) fn count(&self) -> usize {
        self.inner.handles().len()
    }
}

impl Inner {
    fn handles(&self) -> std::sync::MutexGuard<'_, HashMap<String, Handle>> {
        // Nothing panics while the lock is held.
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn finish(&self, container: String, ended: Ended) {
        self.handles().remove(&container);
        // The receiver is gone only when the agent is about to end.
        let _ = self
            .events
            .send(ContainerEvent::Ended { container, ended })
            .await;
    }

    /// Waits until the main process ends, the container is to be destroyed, or memory runs out.
    pub(super) async fn watch<F: Future>(
        &self,
        container: &str,
        destroyed: &mut watch::Receiver<bool>,
        gone: F,
    ) -> Option<Termination> {
        let mut tick = tokio::time::interval(OOM_INTERVAL);
        tokio::pin!(gone);
        loop {
            tokio::select! {
                _ = &mut gone => return None,
                _ = destroyed.wait_for(|destroyed| *destroyed) => return None,
                _ = tick.tick() => {
                    if let Some(termination) = self.out_of_memory(container) {
                        return Some(termination);
                    }
                }
            }
        }
    }

    fn out_of_memory(&self, container: &str) -> Option<Termination> {
        let event = self.config.cgroups.as_ref()?.out_of_memory(container)?;
        let mebibytes = |bytes: u64| bytes >> 20;
        let message = format!(
            "Memory limit exceeded: Requested: {}MB Maximum Used: {}MB",
            mebibytes(event.limit),
            mebibytes(event.peak)
        );
        let memory = Resource {
            name: "mem".to_owned(),
            kind: ValueType::Scalar,
            scalar: Some(Scalar {
                value: mebibytes(event.peak) as f64,
            }),
            ..Resource::default()
        };
        let mut termination = Termination::new(
            TaskState::Failed,
            StatusReason::ContainerLimitationMemory,
            message,
        );
        termination.limitation = Some(TaskResourceLimitation {
            resources: vec![memory],
        });
        Some(termination)
    }

    /// Kills everything in a container and removes its groups. Returns an out-of-memory event that shows only now.
    pub(super) async fn clean_up(
        &self,
        container: &str,
        identity: Option<&Identity>,
    ) -> Option<Termination> {
        let termination = self.out_of_memory(container);
        let (cgroups, images) = (self.config.cgroups.clone(), self.config.images.clone());
        let docker = self.config.docker.clone();
        let (name, identity) = (container.to_owned(), identity.cloned());
        let result = tokio::task::spawn_blocking(move || {
            destroy_all(cgroups.as_ref(), &name, identity.as_ref())?;
            docker.remove(&name)?;
            // Its mounts went with its last process.
            match images.map_or(Ok(()), |images| images.release(&name)) {
                Ok(()) => Ok(()),
                Err(error) => Err(format!("removing its layers: {error}")),
            }
        })
        .await;
        match result {
            Ok(Ok(())) => {}
            Ok(Err(message)) => {
                self.destroy_errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!(container, message, "a container cannot be cleaned up");
            }
            Err(error) => tracing::error!(container, %error, "cleaning up a container broke off"),
        }
        termination
    }
}

/// Ends every process of a container: by its cgroups where there are any, else by its session, its process tree and the
/// sandbox in the environment.
fn destroy_all(
    cgroups: Option<&Cgroups>,
    container: &str,
    identity: Option<&Identity>,
) -> Result<(), String> {
    if let Some(cgroups) = cgroups.filter(|cgroups| cgroups.exists(container)) {
        return cgroups.destroy(container).map_err(|error| chain(&error));
    }
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        let processes = process::all();
        let mut pids = process::marked(&processes, container);
        if let Some(identity) = identity.filter(|identity| identity.boot_id == process::boot_id()) {
            // A pid is not given away while a session of that number has members: with another start time there is none left.
            let taken = processes
                .get(&identity.pid)
                .is_some_and(|now| now.start_time != identity.start_time);
            if !taken {
                pids.extend(process::members(&processes, identity.pid));
            }
        }
        let living = process::signal_each(&processes, &pids, libc::SIGKILL);
        if living == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "{living} processes are still there {} s after SIGKILL",
                KILL_DEADLINE.as_secs()
            ));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
