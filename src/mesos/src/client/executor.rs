//! The executor's client: a subscription at the agent, and what an executor owes it.
//!
//! [`ExecutorClient::start`] spawns a task that subscribes, keeps every update until the agent has
//! acknowledged it and every task until one of its updates was acknowledged, and names both when it
//! subscribes again. Events come out of [`ExecutorEvents`]:
//!
//! * [`ExecutorEvent::Subscribed`] after every subscription.
//! * [`ExecutorEvent::Disconnected`]: tasks go on running, updates are kept and sent later.
//! * [`ExecutorEvent::Lost`] is the last event: the framework does not checkpoint and the agent is gone,
//!   or the agent did not come back within the recovery time-out, or does not know this executor any
//!   more. Kill the tasks and exit.
//!
//! Before exiting after a terminal update, wait for [`ExecutorClient::acknowledged`]; otherwise the agent
//! may report TASK_FAILED instead.
//!
//! ```no_run
//! # use aurora_mesos::client::executor::{ExecutorClient, ExecutorConfig, ExecutorEvent};
//! # use aurora_mesos::v1::{TaskState, TaskStatus};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ExecutorConfig::from_env(|name| std::env::var(name).ok())?;
//! let (client, mut events) = ExecutorClient::start(config);
//! while let Some(event) = events.recv().await {
//!     if let ExecutorEvent::Launch(task) = event {
//!         let running = TaskStatus { task_id: task.task_id, state: TaskState::Running, ..Default::default() };
//!         client.update(running).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod environment;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backoff::random_up_to;
use super::http::{Connection, RecordStream, expect_success, headers, post_kept};
use super::{ClientError, chain};
use crate::message;
use crate::v1::executor::{
    Call, CallMessage, CallType, Event, EventType, Subscribe, Subscribed, Update,
};
use crate::v1::{KillPolicy, StatusSource, TaskId, TaskInfo, TaskStatus};

pub use environment::{EnvironmentError, ExecutorConfig};

const PATH: &str = "/api/v1/executor";
/// A LAUNCH carries one task with its data.
const MAX_RECORD: usize = 64 << 20;
/// Events and orders that may wait.
const CHANNEL: usize = 64;
/// Agents send a heartbeat every 30 minutes.
const SILENCE: Duration = Duration::from_secs(5 * 30 * 60);
/// How long the first subscription of a framework without checkpoints may take.
const FIRST_SUBSCRIPTION: Duration = Duration::from_secs(60);

/// What an executor hears.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutorEvent {
    /// Subscribed, for the first time or again.
    Subscribed(Subscribed),
    /// A task to run.
    Launch(TaskInfo),
    /// Tasks to run together.
    LaunchGroup(Vec<TaskInfo>),
    /// A task to kill; may come more than once, also for a task that is not known.
    Kill {
        /// The task.
        task_id: TaskId,
        /// Overrides the task's own policy.
        kill_policy: Option<KillPolicy>,
    },
    /// The agent has taken an update over.
    Acknowledged {
        /// The task.
        task_id: TaskId,
        /// The update's uuid.
        uuid: Bytes,
    },
    /// The agent finds an update invalid; it will not be sent again.
    UpdateRefused {
        /// The update.
        status: TaskStatus,
        /// The agent's text.
        text: String,
    },
    /// Bytes from the scheduler.
    Message(Bytes),
    /// Kill all tasks, send their last updates, exit within the grace period.
    Shutdown,
    /// The agent is away; the client tries again.
    Disconnected {
        /// Why, for the log.
        reason: String,
    },
    /// The end: kill all tasks and exit. The channel closes after this.
    Lost {
        /// Why, for the log.
        reason: String,
    },
}

/// The client's task has ended: [`ExecutorEvent::Lost`] was the last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the executor's agent is lost")]
pub struct Gone;

/// Sends updates and messages. Cheap to clone; the client ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ExecutorClient {
    orders: mpsc::Sender<Order>,
    /// Updates that were handed over and are not acknowledged yet.
    unacknowledged: watch::Sender<usize>,
}

#[derive(Debug)]
enum Order {
    Update(TaskStatus),
    Message(Bytes),
}

/// Where the events come out.
#[derive(Debug)]
pub struct ExecutorEvents {
    receiver: mpsc::Receiver<ExecutorEvent>,
}

impl ExecutorEvents {
    /// The next event; `None` after [`ExecutorEvent::Lost`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ExecutorEvent> {
        self.receiver.recv().await
    }
}

impl ExecutorClient {
    /// Starts subscribing. Needs a tokio runtime.
    pub fn start(config: ExecutorConfig) -> (Self, ExecutorEvents) {
        let (events, receiver) = mpsc::channel(CHANNEL);
        let (orders, incoming) = mpsc::channel(CHANNEL);
        let unacknowledged = watch::Sender::new(0);
        let driver = Driver {
            config,
            events,
            orders: incoming,
            unacknowledged: unacknowledged.clone(),
            updates: Vec::new(),
            tasks: Vec::new(),
        };
        tokio::spawn(driver.run());
        (
            Self {
                orders,
                unacknowledged,
            },
            ExecutorEvents { receiver },
        )
    }

    /// Hands an update over. `source`, `executor_id`, and when absent `uuid` and `timestamp`, are filled
    /// in. It is kept, and sent again after a reconnection, until the agent acknowledges it.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn update(&self, status: TaskStatus) -> Result<(), Gone> {
        self.unacknowledged.send_modify(|count| *count += 1);
        self.orders
            .send(Order::Update(status))
            .await
            .map_err(|_| Gone)
    }

    /// Hands bytes for the scheduler over; nothing guarantees that they arrive.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn message(&self, data: Bytes) -> Result<(), Gone> {
        self.orders
            .send(Order::Message(data))
            .await
            .map_err(|_| Gone)
    }

    /// Waits until the agent has acknowledged every update handed over so far and since, at most `limit`.
    /// Says whether it has.
    pub async fn acknowledged(&self, limit: Duration) -> bool {
        let mut count = self.unacknowledged.subscribe();
        let all = count.wait_for(|count| *count == 0);
        matches!(tokio::time::timeout(limit, all).await, Ok(Ok(_)))
    }
}

struct Driver {
    config: ExecutorConfig,
    events: mpsc::Sender<ExecutorEvent>,
    orders: mpsc::Receiver<Order>,
    unacknowledged: watch::Sender<usize>,
    /// In the order in which they were handed over.
    updates: Vec<TaskStatus>,
    /// Those of which no update was acknowledged.
    tasks: Vec<TaskInfo>,
}

enum End {
    Lost {
        error: ClientError,
        was_subscribed: bool,
    },
    Abandoned,
}

impl Driver {
    async fn run(mut self) {
        let patience = if self.config.checkpoint {
            self.config.recovery_timeout
        } else {
            FIRST_SUBSCRIPTION
        };
        let mut give_up = Instant::now() + patience;
        loop {
            let listener = self.events.clone();
            let end = tokio::select! {
                end = self.subscription() => end,
                // Only when the executor dropped its side; events that were sent are still delivered.
                () = listener.closed() => End::Abandoned,
            };
            let (error, was_subscribed) = match end {
                End::Lost {
                    error,
                    was_subscribed,
                } => (error, was_subscribed),
                End::Abandoned => return,
            };
            let reason = chain(&error);
            tracing::info!(agent = %self.config.agent, %reason, was_subscribed, "no subscription");
            // 404 comes from an agent that has only begun to start. (mesos: src/executor/executor.cpp)
            let unknown_here = matches!(
                error,
                ClientError::Status {
                    status: 400..=403 | 405..=499,
                    ..
                }
            );
            if unknown_here || (was_subscribed && !self.config.checkpoint) {
                return self.lost(reason).await;
            }
            if was_subscribed {
                give_up = Instant::now() + patience;
                if self
                    .emit(ExecutorEvent::Disconnected { reason })
                    .await
                    .is_err()
                {
                    return;
                }
            } else if Instant::now() >= give_up {
                return self
                    .lost(format!("the agent did not come back within {patience:?}"))
                    .await;
            }
            // An agent of Mesos gives as the longest pause just the time that it waits for executors when it has come
            // back (--executor_reregistration_timeout); the last moment of it would be too late.
            let pause = tokio::time::sleep(random_up_to(self.config.backoff_max / 2));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    order = self.orders.recv() => match order {
                        Some(Order::Update(status)) => self.keep(status),
                        // Messages have no guarantee.
                        Some(Order::Message(_)) => {}
                        None => return,
                    },
                }
            }
        }
    }

    async fn lost(&self, reason: String) {
        // Whether anybody still listens does not matter: this is the end either way.
        self.events.send(ExecutorEvent::Lost { reason }).await.ok();
    }

    async fn emit(&self, event: ExecutorEvent) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::Abandoned)
    }

    fn keep(&mut self, mut status: TaskStatus) {
        status.source = Some(StatusSource::Executor);
        status.executor_id = Some(self.config.executor_id.clone());
        status.uuid.get_or_insert_with(new_uuid);
        status.timestamp.get_or_insert_with(now);
        self.updates.push(status);
    }

    fn call(&self, kind: CallType) -> Call {
        Call {
            kind: Some(kind),
            executor_id: self.config.executor_id.clone(),
            framework_id: self.config.framework_id.clone(),
            ..Call::default()
        }
    }

    async fn subscription(&mut self) -> End {
        let mut stream = match self.open().await {
            Ok(stream) => stream,
            Err(error) => {
                return End::Lost {
                    error,
                    was_subscribed: false,
                };
            }
        };
        let mut calls = None;
        let mut was_subscribed = false;
        loop {
            let outcome = tokio::select! {
                record = stream.next(SILENCE) => match record {
                    Ok(record) => self.hear(&record, &mut was_subscribed).await,
                    Err(error) => Err(End::Lost { error, was_subscribed }),
                },
                order = self.orders.recv(), if was_subscribed => match order {
                    Some(order) => self.obey(order, &mut calls).await,
                    None => Err(End::Abandoned),
                },
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn open(&self) -> Result<RecordStream, ClientError> {
        let call = Call {
            subscribe: Some(Subscribe {
                unacknowledged_tasks: self.tasks.clone(),
                unacknowledged_updates: self
                    .updates
                    .iter()
                    .map(|status| Update {
                        status: status.clone(),
                    })
                    .collect(),
            }),
            ..self.call(CallType::Subscribe)
        };
        let (agent, limit) = (&self.config.agent, self.config.timeout);
        let mut connection = Connection::open(agent, limit).await?;
        let headers = headers(self.config.secret.as_ref());
        let response = connection
            .post(PATH, headers, message::to_vec(&call), limit)
            .await?;
        let response = expect_success(agent, response, limit).await?;
        Ok(RecordStream::new(agent, response.into_body(), MAX_RECORD))
    }

    async fn hear(&mut self, record: &Bytes, was_subscribed: &mut bool) -> Result<(), End> {
        let event: Event = message::from_slice(record).map_err(|source| End::Lost {
            error: ClientError::Decode {
                address: self.config.agent.clone(),
                expected: "an executor event",
                source,
            },
            was_subscribed: *was_subscribed,
        })?;
        let event = match event.kind {
            Some(EventType::Subscribed) => {
                *was_subscribed = true;
                event.subscribed.map(ExecutorEvent::Subscribed)
            }
            Some(EventType::Launch) => event.launch.map(|launch| {
                self.tasks.push(launch.task.clone());
                ExecutorEvent::Launch(launch.task)
            }),
            Some(EventType::LaunchGroup) => event.launch_group.map(|group| {
                self.tasks.extend(group.task_group.tasks.iter().cloned());
                ExecutorEvent::LaunchGroup(group.task_group.tasks)
            }),
            Some(EventType::Kill) => event.kill.map(|kill| ExecutorEvent::Kill {
                task_id: kill.task_id,
                kill_policy: kill.kill_policy,
            }),
            Some(EventType::Acknowledged) => event.acknowledged.map(|acknowledged| {
                self.forget(&acknowledged.uuid);
                self.tasks
                    .retain(|task| task.task_id != acknowledged.task_id);
                ExecutorEvent::Acknowledged {
                    task_id: acknowledged.task_id,
                    uuid: acknowledged.uuid,
                }
            }),
            Some(EventType::Message) => event
                .message
                .map(|message| ExecutorEvent::Message(message.data)),
            Some(EventType::Shutdown) => Some(ExecutorEvent::Shutdown),
            Some(EventType::Error) => {
                let reason = event.error.map(|error| error.message).unwrap_or_default();
                self.lost(reason).await;
                return Err(End::Abandoned);
            }
            Some(EventType::Unknown | EventType::Heartbeat) | None => None,
        };
        match event {
            Some(event) => self.emit(event).await,
            None => Ok(()),
        }
    }

    fn forget(&mut self, uuid: &Bytes) {
        let before = self.updates.len();
        self.updates
            .retain(|status| status.uuid.as_ref() != Some(uuid));
        let gone = before - self.updates.len();
        self.unacknowledged
            .send_modify(|count| *count = count.saturating_sub(gone));
    }

    async fn obey(&mut self, order: Order, calls: &mut Option<Connection>) -> Result<(), End> {
        let (call, status) = match order {
            Order::Update(status) => {
                self.keep(status);
                let Some(status) = self.updates.last().cloned() else {
                    return Ok(());
                };
                let update = Some(Update {
                    status: status.clone(),
                });
                (
                    Call {
                        update,
                        ..self.call(CallType::Update)
                    },
                    Some(status),
                )
            }
            Order::Message(data) => {
                let message = Some(CallMessage { data });
                (
                    Call {
                        message,
                        ..self.call(CallType::Message)
                    },
                    None,
                )
            }
        };
        match (self.send(&call, calls).await, status) {
            (Ok(()), _) => Ok(()),
            (
                Err(ClientError::Status {
                    status: 400, text, ..
                }),
                Some(status),
            ) => {
                tracing::warn!(task = %status.task_id, state = %status.state, %text, "update refused");
                self.forget(&status.uuid.clone().unwrap_or_default());
                self.emit(ExecutorEvent::UpdateRefused { status, text })
                    .await
            }
            (Err(ClientError::Status { text, .. }), None) => {
                tracing::warn!(%text, "message refused");
                Ok(())
            }
            // 403 and 503 mean that the agent has lost the subscription, however alive the stream looks.
            (Err(ClientError::Status { address, .. }), Some(_)) => Err(End::Lost {
                error: ClientError::Closed { address },
                was_subscribed: true,
            }),
            (Err(error), _) => Err(End::Lost {
                error,
                was_subscribed: true,
            }),
        }
    }

    async fn send(&self, call: &Call, calls: &mut Option<Connection>) -> Result<(), ClientError> {
        let (agent, limit) = (&self.config.agent, self.config.timeout);
        let headers = headers(self.config.secret.as_ref());
        let body = message::to_vec(call);
        let (response, connection) =
            post_kept(calls.take(), agent, PATH, headers, body, limit).await?;
        let outcome = expect_success(agent, response, limit).await;
        *calls = Some(connection);
        outcome.map(|_| ())
    }
}

/// Sixteen bytes of a version 4 UUID.
fn new_uuid() -> Bytes {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Bytes::copy_from_slice(&bytes)
}

/// Seconds since the epoch; a clock before it gives zero.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|time| time.as_secs_f64())
        .unwrap_or(0.0)
}
