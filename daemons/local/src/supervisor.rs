//! The whole cluster: brings it up, keeps it up, takes it down in order.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use aurora_client::endpoints::{self, Endpoints, boot_id, process_start_time};
use aurora_client::programs;
use aurora_daemon::lifecycle::Shutdown;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::flags::ClusterFlags;
use crate::keeper::{Keeper, StartError};
use crate::layout::Layout;
use crate::lock::now_ms;
use crate::records::Records;
use crate::roles::{Role, Wiring};

/// One daemon's keeper and how to end it.
struct Kept {
    role: Role,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

type Answer = oneshot::Receiver<Result<SocketAddr, StartError>>;

/// A cluster that is up, or was on its way there.
pub(crate) struct Supervisor {
    wiring: Arc<Wiring>,
    records: Arc<Records>,
    kept: Vec<Kept>,
}

impl Supervisor {
    /// Finds the programs; nothing runs yet.
    ///
    /// # Errors
    /// When one of them is not installed.
    pub(crate) fn new(layout: Layout, cluster: ClusterFlags) -> anyhow::Result<Supervisor> {
        for role in [Role::Master, Role::Agent, Role::Scheduler, Role::Observer] {
            programs::find(role.program())?;
        }
        let executor = std::path::absolute(programs::find("aurora-executor")?)
            .context("finding the working directory")?;
        let records = Arc::new(Records::load(&layout.dir));
        Ok(Supervisor {
            wiring: Arc::new(Wiring {
                layout,
                cluster,
                executor,
            }),
            records,
            kept: Vec::new(),
        })
    }

    /// Starts the daemons and returns when all of them are ready: the master first, the others beside each other.
    ///
    /// # Errors
    /// When one of them does not become ready; call [`Supervisor::stop`] then, too.
    pub(crate) async fn start(&mut self) -> anyhow::Result<Endpoints> {
        self.records.clear_leftovers().await;
        let master = answer(self.keep(Role::Master, None)?).await?;
        let agent = self.keep(Role::Agent, Some(master))?;
        let scheduler = self.keep(Role::Scheduler, Some(master))?;
        let observer = self.keep(Role::Observer, Some(master))?;
        let (agent, scheduler, observer) =
            tokio::try_join!(answer(agent), answer(scheduler), answer(observer))?;
        let url = |address: SocketAddr| format!("http://{address}");
        let pid = std::process::id();
        let layout = &self.wiring.layout;
        let endpoints = Endpoints {
            version: endpoints::VERSION,
            cluster: self.wiring.cluster.state.cluster_name.clone(),
            state_dir: layout.dir.clone(),
            pid,
            pid_start_time: process_start_time(pid)
                .ok_or_else(|| anyhow!("/proc does not show this process; is it mounted?"))?,
            boot_id: boot_id(),
            ready_ms: now_ms(),
            scheduler: url(scheduler),
            master: url(master),
            agent: url(agent),
            observer: url(observer),
            token_file: layout.token(),
        };
        endpoints.write()?;
        Ok(endpoints)
    }

    fn keep(&mut self, role: Role, master: Option<SocketAddr>) -> anyhow::Result<Answer> {
        let shutdown = Shutdown::new();
        let keeper = Keeper {
            role,
            program: programs::find(role.program())?,
            wiring: Arc::clone(&self.wiring),
            records: Arc::clone(&self.records),
            master,
            shutdown: shutdown.clone(),
        };
        let (sender, receiver) = oneshot::channel();
        self.kept.push(Kept {
            role,
            shutdown,
            task: tokio::spawn(keeper.run(sender)),
        });
        Ok(receiver)
    }

    /// Takes the cluster down: the scheduler first, so that nothing is started any more; then the agent, which ends every
    /// task; then the rest.
    pub(crate) async fn stop(mut self) {
        if let Err(error) = Endpoints::remove(&self.wiring.layout.dir) {
            tracing::warn!("{error:#}", error = anyhow!(error));
        }
        for role in [Role::Scheduler, Role::Agent, Role::Master, Role::Observer] {
            let Some(at) = self.kept.iter().position(|kept| kept.role == role) else {
                continue;
            };
            let kept = self.kept.swap_remove(at);
            kept.shutdown.trigger();
            if let Err(error) = kept.task.await {
                tracing::error!(daemon = role.name(), %error, "its keeper broke off");
            }
        }
        self.wiring.layout.remove_control_groups();
    }
}

async fn answer(answer: Answer) -> anyhow::Result<SocketAddr> {
    match answer.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(anyhow!("a daemon's keeper broke off")),
    }
}
