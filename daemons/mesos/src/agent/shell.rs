//! The shell around [`Agent`]: one task that owns it, carries out its effects in order, and feeds everything that happens
//! back to it.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aurora_mesos::message::Format;
use aurora_mesos::recordio;
use aurora_mesos::v1::{TaskState, executor as api_v1};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{Recovered, Store};
use super::containerizer::{ContainerEvent, Containerizer};
use super::core::{Agent, CallAnswer, ConnectionId, Effect, Launch, Now, Refusal};
use super::durable::CheckpointError;
use super::environment::{ExecutorFacts, executor_environment};
use super::outgoing::Outgoing;
use super::paths::Paths;
use super::process::Identity;
use crate::link;

/// Events of an executor that may wait in its stream; one that takes none for so long has to subscribe again.
const EXECUTOR_QUEUE: usize = 1024;
/// Calls to the master that may wait.
pub(crate) const MASTER_QUEUE: usize = 8192;
/// Everything that may wait for the shell.
const INPUTS: usize = 1024;
const EXECUTOR_HEARTBEAT: Duration = Duration::from_secs(30 * 60);

/// An answer to an executor's call.
pub(crate) enum CallReply {
    Accepted,
    Stream(mpsc::Receiver<Bytes>),
}

/// A look at the agent's state.
type Query = Box<dyn FnOnce(&Agent) + Send>;

/// Something for the shell to handle.
pub(crate) enum Input {
    /// A stream of a master stands; its calls go into `calls`.
    Connected {
        calls: mpsc::Sender<link::Call>,
    },
    Master(Box<link::Event>),
    MasterLost,
    Call {
        call: Box<api_v1::Call>,
        secret: Option<String>,
        /// Of the events of the stream that a SUBSCRIBE opens.
        format: Format,
        reply: oneshot::Sender<Result<CallReply, Refusal>>,
    },
    Closed(ConnectionId),
    /// How to register; from then on calls are kept for the connection that comes of it.
    Subscription(oneshot::Sender<link::Subscribe>),
    Query(Query),
    /// End every executor and then the shell.
    StopExecutors,
    /// The same, and give up this agent's id.
    Leave,
}

/// Talks to the shell. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    inputs: mpsc::Sender<Input>,
}

/// The shell has ended, because the agent does.
#[derive(Debug, thiserror::Error)]
#[error("the agent is ending")]
pub(crate) struct Ending;

impl Handle {
    pub(crate) async fn send(&self, input: Input) -> Result<(), Ending> {
        self.inputs.send(input).await.map_err(|_| Ending)
    }

    /// Reads something off the agent's state.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Agent) -> T + Send + 'static,
    ) -> Result<T, Ending> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |agent| {
            // Whoever asked may be gone.
            let _ = reply.send(look(agent));
        });
        self.send(Input::Query(query)).await?;
        answer.await.map_err(|_| Ending)
    }

    pub(crate) async fn call(
        &self,
        call: api_v1::Call,
        secret: Option<String>,
        format: Format,
    ) -> Result<Result<CallReply, Refusal>, Ending> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Call {
            call: Box::new(call),
            secret,
            format,
            reply,
        })
        .await?;
        answer.await.map_err(|_| Ending)
    }

    pub(crate) async fn subscription(&self) -> Result<link::Subscribe, Ending> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Subscription(reply)).await?;
        answer.await.map_err(|_| Ending)
    }
}

/// What the shell needs besides the agent's own settings.
#[derive(Debug, Clone)]
pub(crate) struct ShellConfig {
    pub(crate) paths: Paths,
    pub(crate) recovery_timeout: Duration,
    pub(crate) executor_environment: Vec<(String, String)>,
}

struct Connection {
    events: mpsc::Sender<Bytes>,
    format: Format,
    /// Dropped to have the watching task let go of the stream.
    _watcher: oneshot::Sender<()>,
}

/// Why the shell ended by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Every handle is gone.
    Abandoned,
    /// It was asked to end all executors and has.
    Stopped,
    /// The agent has left the cluster, by itself or as the master told it; its id cannot be used again.
    Left(String),
}

pub(crate) struct Shell {
    agent: Agent,
    store: Store,
    containerizer: Containerizer,
    config: ShellConfig,
    started: Instant,
    inputs: mpsc::Receiver<Input>,
    container_events: mpsc::Receiver<ContainerEvent>,
    /// For the tasks that watch executors' streams.
    own: mpsc::WeakSender<Input>,
    connections: HashMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    outgoing: Outgoing,
    /// Processes of the last agent's containers.
    processes: HashMap<String, Identity>,
    stopping: Option<Finished>,
}

impl Shell {
    pub(crate) fn new(
        agent: Agent,
        store: Store,
        containerizer: Containerizer,
        container_events: mpsc::Receiver<ContainerEvent>,
        config: ShellConfig,
    ) -> (Self, Handle) {
        let (sender, inputs) = mpsc::channel(INPUTS);
        let shell = Self {
            agent,
            store,
            containerizer,
            config,
            started: Instant::now(),
            inputs,
            container_events,
            own: sender.downgrade(),
            connections: HashMap::new(),
            next_connection: 1,
            outgoing: Outgoing::default(),
            processes: HashMap::new(),
            stopping: None,
        };
        (shell, Handle { inputs: sender })
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        Now {
            at: self.started.elapsed(),
            wall,
        }
    }

    /// Takes over what the last agent left.
    pub(crate) fn recover(&mut self, recovered: Recovered) -> Result<(), CheckpointError> {
        self.processes = recovered.processes.into_iter().collect();
        let alive: Vec<(String, Identity)> = recovered
            .frameworks
            .iter()
            .flat_map(|framework| &framework.executors)
            .filter(|executor| matches!(executor.run, super::core::RecoveredRun::Alive { .. }))
            .filter_map(|executor| {
                Some((
                    executor.container.clone(),
                    self.processes.get(&executor.container)?.clone(),
                ))
            })
            .collect();
        let effects = self
            .agent
            .recover(self.now(), recovered.drain, recovered.frameworks);
        tracing::info!(
            adopted = alive.len(),
            "recovered from the last agent's checkpoints"
        );
        for (container, identity) in alive {
            self.containerizer.adopt(container, identity);
        }
        self.perform(effects)
    }

    /// Runs until told to stop. An error means that a checkpoint could not be written: nothing that rests on it may happen,
    /// so the agent has to end; its executors live on.
    pub(crate) async fn run(mut self) -> Result<Finished, CheckpointError> {
        loop {
            if self.stopping.is_some()
                && !self.agent.has_containers()
                && self.containerizer.count() == 0
            {
                self.drain_outgoing().await;
                return Ok(self.stopping.take().unwrap_or(Finished::Stopped));
            }
            let deadline = self
                .agent
                .next_deadline()
                .map(|at| tokio::time::Instant::from_std(self.started + at));
            let sleep = async move {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(event) = self.container_events.recv() => self.on_container(event)?,
                input = self.inputs.recv() => match input {
                    Some(input) => self.on_input(input)?,
                    None => return Ok(Finished::Abandoned),
                },
                () = sleep => {}
            }
            let effects = self.agent.tick(self.now());
            self.perform(effects)?;
        }
    }

    /// Gives the last calls a moment to leave.
    async fn drain_outgoing(&mut self) {
        if let Outgoing::Open(calls) = std::mem::take(&mut self.outgoing) {
            let left = calls.clone();
            drop(calls);
            let empty = async {
                while left.capacity() < left.max_capacity() && !left.is_closed() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            // What does not get out is on disk and told by the next agent.
            let _ = tokio::time::timeout(Duration::from_secs(1), empty).await;
        }
    }

    fn on_container(&mut self, event: ContainerEvent) -> Result<(), CheckpointError> {
        match event {
            ContainerEvent::Forked { container, pid } => {
                self.agent.container_forked(&container, pid);
                Ok(())
            }
            ContainerEvent::Ended { container, ended } => {
                tracing::info!(container, status = ?ended.status, reason = ?ended.termination, "a container ended");
                self.processes.remove(&container);
                let effects = self.agent.container_ended(self.now(), &container, ended);
                self.perform(effects)
            }
        }
    }

    fn on_input(&mut self, input: Input) -> Result<(), CheckpointError> {
        match input {
            Input::Connected { calls } => {
                self.outgoing.connected(calls);
                Ok(())
            }
            Input::Master(event) => {
                if !matches!(*event, link::Event::Ping) {
                    tracing::debug!(?event, "from the master");
                }
                let effects = self.agent.on_master(self.now(), *event);
                self.perform(effects)
            }
            Input::MasterLost => {
                self.outgoing.lost();
                self.agent.master_lost();
                Ok(())
            }
            Input::Call {
                call,
                secret,
                format,
                reply,
            } => self.on_call(*call, secret, format, reply),
            Input::Closed(connection) => {
                self.connections.remove(&connection);
                self.agent.connection_closed(connection);
                Ok(())
            }
            // Whoever has left does not come back: the dropped reply ends the registration.
            Input::Subscription(_) if matches!(self.stopping, Some(Finished::Left(_))) => Ok(()),
            Input::Subscription(reply) => {
                self.outgoing.registering();
                // The link may have ended meanwhile.
                let _ = reply.send(self.agent.subscription());
                Ok(())
            }
            Input::Query(look) => {
                look(&self.agent);
                Ok(())
            }
            Input::Leave => {
                self.stopping = Some(Finished::Left("asked to leave".to_owned()));
                let effects = self.agent.leave(self.now());
                self.perform(effects)
            }
            Input::StopExecutors => {
                self.stopping.get_or_insert(Finished::Stopped);
                let effects = self.agent.stop(self.now());
                self.perform(effects)
            }
        }
    }

    /// Gives a failure its cause when that is the container's lack of memory. An executor learns only that a process was
    /// killed, and tells it before the next look at the container would; under Mesos the two race.
    fn explain(&self, call: &mut api_v1::Call) {
        let Some(update) = call.update.as_mut() else {
            return;
        };
        let status = &mut update.status;
        if status.state != TaskState::Failed || status.reason.is_some() {
            return;
        }
        let container = self.agent.container(&call.framework_id, &call.executor_id);
        let cause = container.and_then(|container| self.containerizer.out_of_memory(container));
        if let Some(cause) = cause {
            status.message = Some(match status.message.take() {
                Some(said) => format!("{}; {said}", cause.message),
                None => cause.message,
            });
            status.reason = Some(cause.reason);
            status.limitation = cause.limitation;
        }
    }

    fn on_call(
        &mut self,
        mut call: api_v1::Call,
        secret: Option<String>,
        format: Format,
        reply: oneshot::Sender<Result<CallReply, Refusal>>,
    ) -> Result<(), CheckpointError> {
        self.explain(&mut call);
        let connection = self.next_connection;
        let answer = match self
            .agent
            .on_call(self.now(), call, secret.as_deref(), connection)
        {
            Ok((CallAnswer::Accepted, effects)) => {
                self.perform(effects)?;
                Ok(CallReply::Accepted)
            }
            Ok((CallAnswer::Stream, effects)) => {
                self.next_connection += 1;
                let (events, stream) = mpsc::channel(EXECUTOR_QUEUE);
                let (stop, stopped) = oneshot::channel();
                self.connections.insert(
                    connection,
                    Connection {
                        events: events.clone(),
                        format,
                        _watcher: stop,
                    },
                );
                let watch = watch_stream(connection, events, format, stopped, self.own.clone());
                tokio::spawn(watch);
                self.perform(effects)?;
                Ok(CallReply::Stream(stream))
            }
            Err(refusal) => Err(refusal),
        };
        // An executor that is gone by now subscribes again, or its container's end is seen.
        let _ = reply.send(answer);
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), CheckpointError> {
        for effect in effects {
            match effect {
                Effect::Record(record) => {
                    let agent = self.agent.id().map(|id| id.value.as_str());
                    tokio::task::block_in_place(|| self.store.write(agent, &record))?;
                }
                Effect::Send(call) => self.outgoing.send(*call),
                Effect::Event { connection, event } => self.event(connection, &event),
                Effect::Close { connection } => {
                    self.connections.remove(&connection);
                }
                Effect::Launch(launch) => self.launch(*launch),
                Effect::Limit { container, limits } => {
                    self.containerizer.limit(&container, &limits)
                }
                Effect::Destroy { container } => {
                    let identity = self.processes.get(&container).cloned();
                    self.containerizer.destroy(&container, identity);
                }
                Effect::Leave { message } => {
                    tracing::warn!(message, "the master tells this agent to go");
                    self.stopping = Some(Finished::Left(message));
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, connection: ConnectionId, event: &api_v1::Event) {
        let Some(stream) = self.connections.get(&connection) else {
            return;
        };
        let record = recordio::encode(&stream.format.encode(event));
        if stream.events.try_send(record).is_err() {
            tracing::warn!(
                connection,
                "an executor does not read its events; closing its stream"
            );
            self.connections.remove(&connection);
            self.agent.connection_closed(connection);
        }
    }

    fn launch(&mut self, launch: Launch) {
        let Some(agent_id) = self.agent.id().cloned() else {
            return;
        };
        let run = &launch.run;
        let sandbox = self.config.paths.sandbox(
            agent_id.as_ref(),
            run.framework.as_ref(),
            run.executor.as_ref(),
            &run.container,
        );
        let settings = self.agent.settings();
        let variables: Vec<(String, String)> = launch
            .command
            .environment
            .iter()
            .flat_map(|environment| &environment.variables)
            .map(|variable| {
                let secret = variable
                    .secret
                    .as_ref()
                    .and_then(|secret| secret.value.as_ref());
                let secret =
                    secret.map(|secret| String::from_utf8_lossy(&secret.data).into_owned());
                (
                    variable.name.clone(),
                    secret
                        .or_else(|| variable.value.clone())
                        .unwrap_or_default(),
                )
            })
            .collect();
        let environment = executor_environment(&ExecutorFacts {
            framework_id: run.framework.as_ref(),
            executor_id: run.executor.as_ref(),
            agent_id: agent_id.as_ref(),
            agent_endpoint: &format!("{}:{}", settings.ip, settings.info.port),
            agent_ip: &settings.ip,
            sandbox: &sandbox,
            checkpoint: launch.checkpoint,
            recovery_timeout: self.config.recovery_timeout,
            subscription_backoff_max: settings.executor_reregistration_timeout,
            shutdown_grace_period: launch.shutdown_grace_period,
            authentication_token: launch.secret.as_deref(),
            allocation_role: launch.allocation_role.as_deref(),
            configured: &self.config.executor_environment,
            command: &variables,
        });
        tracing::info!(executor = %run.executor, framework = %run.framework, container = run.container, user = launch.user, "launching");
        self.containerizer
            .launch(agent_id.value, launch, sandbox, environment);
    }
}

/// Tells the shell when an executor's stream is gone, and keeps it alive meanwhile.
async fn watch_stream(
    connection: ConnectionId,
    events: mpsc::Sender<Bytes>,
    format: Format,
    mut stopped: oneshot::Receiver<()>,
    shell: mpsc::WeakSender<Input>,
) {
    let heartbeat = api_v1::Event {
        kind: Some(api_v1::EventType::Heartbeat),
        ..api_v1::Event::default()
    };
    let record = recordio::encode(&format.encode(&heartbeat));
    let mut beats = tokio::time::interval_at(
        tokio::time::Instant::now() + EXECUTOR_HEARTBEAT,
        EXECUTOR_HEARTBEAT,
    );
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            () = events.closed() => {
                if let Some(shell) = shell.upgrade() {
                    // The shell is gone only when the agent ends.
                    let _ = shell.send(Input::Closed(connection)).await;
                }
                return;
            }
            _ = beats.tick() => {
                // A full stream needs no sign of life, and a closed one is seen above.
                let _ = events.try_send(record.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mesos: DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL, 30 minutes.
    #[tokio::test(start_paused = true)]
    async fn an_executor_hears_a_heartbeat_every_half_hour() {
        let (events, mut stream) = mpsc::channel(4);
        let (_stop, stopped) = oneshot::channel();
        let (shell, _inputs) = mpsc::channel(1);
        let watch = watch_stream(7, events, Format::Json, stopped, shell.downgrade());
        tokio::spawn(watch);
        let start = tokio::time::Instant::now();
        for minutes in [30, 60, 90] {
            let record = stream.recv().await.unwrap();
            assert_eq!(record, "20\n{\"type\":\"HEARTBEAT\"}"[..]);
            assert_eq!(start.elapsed().as_secs(), minutes * 60);
        }
    }
}
