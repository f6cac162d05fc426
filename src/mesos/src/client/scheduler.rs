//! The scheduler's client: one subscription, kept alive, and calls in order on a second connection.
//!
//! [`SchedulerClient::start`] spawns a task that subscribes, watches the heartbeats, and subscribes again
//! with jittered back-off whenever the subscription is lost. Events come out of [`SchedulerEvents`]:
//!
//! * [`SchedulerEvent::Connected`] after every SUBSCRIBED: all earlier offers are void, the stored
//!   framework id has to be `framework_id`, and reconciliation is due.
//! * [`SchedulerEvent::Disconnected`] when the subscription is lost. Nothing can be sent until the next
//!   `Connected`; nothing has to be done.
//! * [`SchedulerEvent::Error`] is the last event: the master refused the subscription or another instance
//!   took it over. The client does not come back by itself, since two instances would then drive each
//!   other out.
//!
//! The events' channel is bounded. A scheduler that does not read makes the client stop reading, which
//! the master sees as a slow connection; no event is dropped here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::{Mutex, mpsc, watch};

use super::backoff::{Backoff, random_up_to};
use super::http::{
    Connection, RecordStream, Secret, expect_success, headers, post_kept, redirection,
};
use super::{ClientError, chain};
use crate::message;
use crate::v1::scheduler::{Call, CallType, Event, EventMessage, EventType, Failure, Subscribe};
use crate::v1::{
    FrameworkId, FrameworkInfo, InverseOffer, MasterInfo, Offer, OfferId, OperationStatus,
    TaskStatus,
};

const PATH: &str = "/api/v1/scheduler";
const STREAM_ID: &str = "mesos-stream-id";
/// How often a redirection is followed before it counts as a failure.
const MAX_REDIRECTS: usize = 4;
/// So many heartbeat intervals of silence mean that the connection is dead.
const MISSED_HEARTBEATS: u32 = 5;
/// Offers of a large cluster come in one event.
const MAX_RECORD: usize = 256 << 20;
/// Events that may wait for the scheduler.
const CHANNEL: usize = 256;

/// What a scheduler client needs to know.
#[derive(Debug, Clone)]
pub struct SchedulerConfig {
    /// Where masters may be, as `host:port`, tried in order; see [`masters`]. A change (of a ZooKeeper
    /// watch, say) that takes the current master away ends the subscription at once; while the list is
    /// empty the client waits.
    pub masters: watch::Receiver<Vec<String>>,
    /// The framework. `id` is set when it is known from an earlier life.
    pub framework_info: FrameworkInfo,
    /// Roles without offers at first.
    pub suppressed_roles: Vec<String>,
    /// Sent with every request.
    pub secret: Option<Secret>,
    /// For connecting, and for the answer to a call. Default 10 s.
    pub timeout: Duration,
    /// For the first event of a subscription, which may wait for authorisation. Default 30 s.
    pub first_event_timeout: Duration,
    /// Longest pause between attempts. Default 15 s.
    pub max_backoff: Duration,
}

impl SchedulerConfig {
    /// A configuration with the defaults.
    pub fn new(masters: watch::Receiver<Vec<String>>, framework_info: FrameworkInfo) -> Self {
        Self {
            masters,
            framework_info,
            suppressed_roles: Vec::new(),
            secret: None,
            timeout: Duration::from_secs(10),
            first_event_timeout: Duration::from_secs(30),
            max_backoff: Duration::from_secs(15),
        }
    }
}

/// A list of masters that does not change.
pub fn masters<I: IntoIterator<Item = S>, S: Into<String>>(
    list: I,
) -> watch::Receiver<Vec<String>> {
    watch::Sender::new(list.into_iter().map(Into::into).collect()).subscribe()
}

/// What a scheduler hears.
#[derive(Debug, Clone, PartialEq)]
pub enum SchedulerEvent {
    /// Subscribed, for the first time or again.
    Connected(Connected),
    /// The subscription is lost; the client tries again.
    Disconnected {
        /// Why, for the log.
        reason: String,
    },
    /// New offers.
    Offers(Vec<Offer>),
    /// Resources that are asked back.
    InverseOffers(Vec<InverseOffer>),
    /// An offer is void.
    Rescind(OfferId),
    /// An inverse offer is void.
    RescindInverseOffer(OfferId),
    /// A task's status; to be acknowledged when it has a uuid ([`Call::acknowledge`]).
    Update(TaskStatus),
    /// The state of an operation.
    OperationStatus(OperationStatus),
    /// Bytes from an executor.
    Message(EventMessage),
    /// An agent was lost, or an executor ended.
    Failure(Failure),
    /// The end: refused, or taken over. The channel closes after this.
    Error {
        /// The master's text.
        message: String,
    },
}

/// A subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// The framework's id. New frameworks learn it here and must keep it.
    pub framework_id: FrameworkId,
    /// The master, when it said so.
    pub master_info: Option<MasterInfo>,
    /// `host:port` of the master.
    pub master: String,
}

/// Why a call was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no subscription; nothing was sent.
    #[error("not subscribed to a master")]
    NotConnected,
    /// The master said no: the call is malformed, or the subscription is no longer the current one.
    #[error("the master refused the call with {status}: {text}")]
    Refused {
        /// The status code; 403 and most 400 mean that the subscription is lost.
        status: u16,
        /// The master's text.
        text: String,
    },
    /// The call may or may not have arrived: the connection broke or no answer came in time.
    #[error("the outcome of the call is unknown")]
    Unknown(#[source] ClientError),
}

/// Sends calls. Cheap to clone; calls of all clones go out in order, one after the other.
#[derive(Debug, Clone)]
pub struct SchedulerClient {
    shared: Arc<Mutex<Calls>>,
    secret: Option<Secret>,
    timeout: Duration,
}

/// The calling side: set while subscribed.
#[derive(Debug, Default)]
struct Calls {
    subscription: Option<Subscription>,
    connection: Option<Connection>,
}

#[derive(Debug, Clone)]
struct Subscription {
    master: String,
    stream_id: HeaderValue,
    framework_id: FrameworkId,
}

/// Where the events come out. Dropping it ends the client (without TEARDOWN).
#[derive(Debug)]
pub struct SchedulerEvents {
    receiver: mpsc::Receiver<SchedulerEvent>,
}

impl SchedulerEvents {
    /// The next event; `None` after [`SchedulerEvent::Error`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<SchedulerEvent> {
        self.receiver.recv().await
    }
}

impl SchedulerClient {
    /// Starts subscribing. Needs a tokio runtime.
    pub fn start(config: SchedulerConfig) -> (Self, SchedulerEvents) {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let client = Self {
            shared: Arc::default(),
            secret: config.secret.clone(),
            timeout: config.timeout,
        };
        let driver = Driver {
            framework_id: config
                .framework_info
                .id
                .clone()
                .filter(|id| !id.value.is_empty()),
            backoff: Backoff::new(Duration::from_millis(100), config.max_backoff),
            config,
            shared: Arc::clone(&client.shared),
            events: sender,
        };
        tokio::spawn(driver.run());
        (client, SchedulerEvents { receiver })
    }

    /// Sends a call and waits until the master has accepted it, which says nothing of its outcome. The
    /// framework id is filled in. The next call on this client waits for this one.
    ///
    /// # Errors
    /// [`CallError`]. Calls are not repeated.
    pub async fn call(&self, mut call: Call) -> Result<(), CallError> {
        let mut calls = self.shared.lock().await;
        let Some(subscription) = calls.subscription.clone() else {
            return Err(CallError::NotConnected);
        };
        call.framework_id = Some(subscription.framework_id);
        let mut headers = headers(self.secret.as_ref());
        headers.insert(STREAM_ID, subscription.stream_id);
        let body = message::to_vec(&call);
        let kept = calls.connection.take();
        let (response, connection) = match post_kept(
            kept,
            &subscription.master,
            PATH,
            headers,
            body,
            self.timeout,
        )
        .await
        {
            Ok(answered) => answered,
            Err(error @ (ClientError::Connect { .. } | ClientError::NotSent { .. })) => {
                tracing::debug!(error = chain(&error), "no connection for a call");
                return Err(CallError::NotConnected);
            }
            Err(error) => return Err(CallError::Unknown(error)),
        };
        match expect_success(&subscription.master, response, self.timeout).await {
            Ok(_) => {
                calls.connection = Some(connection);
                Ok(())
            }
            Err(ClientError::Status { status, text, .. }) => {
                calls.connection = Some(connection);
                Err(CallError::Refused { status, text })
            }
            Err(other) => Err(CallError::Unknown(other)),
        }
    }
}

/// The task behind a client.
struct Driver {
    config: SchedulerConfig,
    framework_id: Option<FrameworkId>,
    backoff: Backoff,
    shared: Arc<Mutex<Calls>>,
    events: mpsc::Sender<SchedulerEvent>,
}

/// How a subscription ended.
enum End {
    /// Try again.
    Lost {
        error: ClientError,
        was_connected: bool,
    },
    /// The master is no longer in the list.
    Moved { was_connected: bool },
    /// The master said ERROR.
    Refused(String),
    /// Nobody listens any more.
    Abandoned,
}

impl Driver {
    async fn run(mut self) {
        // Many schedulers that lose one master at the same moment should not come back as one.
        tokio::time::sleep(random_up_to(Duration::from_millis(50))).await;
        let mut attempt = 0;
        loop {
            let candidates = self.config.masters.borrow_and_update().clone();
            let Some(master) = candidates.get(attempt % candidates.len().max(1)).cloned() else {
                tokio::select! {
                    changed = self.config.masters.changed() => if changed.is_err() { return },
                    () = self.events.closed() => return,
                }
                continue;
            };
            attempt += 1;
            let listener = self.events.clone();
            let end = tokio::select! {
                end = self.subscribe(&master) => end,
                () = listener.closed() => End::Abandoned,
            };
            *self.shared.lock().await = Calls::default();
            match end {
                End::Lost {
                    error,
                    was_connected,
                } => {
                    let reason = chain(&error);
                    match error {
                        // Without a person this stays so: no credentials, wrong ones, a role that is not permitted.
                        ClientError::Status {
                            status: 401 | 403, ..
                        } => tracing::warn!(%master, %reason, "the master refuses the framework"),
                        _ => tracing::info!(%master, %reason, was_connected, "no subscription"),
                    }
                    if was_connected && !self.emit(SchedulerEvent::Disconnected { reason }).await {
                        return;
                    }
                }
                End::Moved { was_connected } => {
                    let reason = format!("{master} no longer leads");
                    attempt = 0;
                    if was_connected && !self.emit(SchedulerEvent::Disconnected { reason }).await {
                        return;
                    }
                    continue;
                }
                End::Refused(message) => {
                    // The channel closes with `self`; whether anybody hears it does not matter.
                    self.emit(SchedulerEvent::Error { message }).await;
                    return;
                }
                End::Abandoned => return,
            }
            tokio::select! {
                () = tokio::time::sleep(self.backoff.pause()) => {}
                changed = self.config.masters.changed() => if changed.is_ok() { attempt = 0 } else {
                    tokio::time::sleep(self.backoff.pause()).await;
                },
                () = self.events.closed() => return,
            }
        }
    }

    async fn emit(&self, event: SchedulerEvent) -> bool {
        self.events.send(event).await.is_ok()
    }

    async fn subscribe(&mut self, candidate: &str) -> End {
        let (mut stream, master, stream_id) = match self.open(candidate).await {
            Ok(opened) => opened,
            Err(error) => {
                return End::Lost {
                    error,
                    was_connected: false,
                };
            }
        };
        let mut silence = self.config.first_event_timeout;
        let mut connected = false;
        loop {
            let record = tokio::select! {
                record = stream.next(silence) => record,
                () = moved(&mut self.config.masters, candidate) => {
                    return End::Moved { was_connected: connected };
                }
            };
            let event = match record.and_then(|record| decode(&master, &record)) {
                Ok(event) => event,
                Err(error) => {
                    return End::Lost {
                        error,
                        was_connected: connected,
                    };
                }
            };
            match event.kind {
                Some(EventType::Subscribed) => {
                    let Some(subscribed) = event.subscribed else {
                        continue;
                    };
                    silence = heartbeat(subscribed.heartbeat_interval_seconds) * MISSED_HEARTBEATS;
                    connected = true;
                    self.backoff.reset();
                    self.framework_id = Some(subscribed.framework_id.clone());
                    self.shared.lock().await.subscription = Some(Subscription {
                        master: master.clone(),
                        stream_id: stream_id.clone(),
                        framework_id: subscribed.framework_id.clone(),
                    });
                    let connected = Connected {
                        framework_id: subscribed.framework_id,
                        master_info: subscribed.master_info,
                        master: master.clone(),
                    };
                    if !self.emit(SchedulerEvent::Connected(connected)).await {
                        return End::Abandoned;
                    }
                }
                Some(EventType::Error) => {
                    return End::Refused(
                        event.error.map(|error| error.message).unwrap_or_default(),
                    );
                }
                _ => {
                    if let Some(event) = translate(event)
                        && !self.emit(event).await
                    {
                        return End::Abandoned;
                    }
                }
            }
        }
    }

    /// Sends SUBSCRIBE, following redirections.
    async fn open(
        &self,
        candidate: &str,
    ) -> Result<(RecordStream, String, HeaderValue), ClientError> {
        let mut framework_info = self.config.framework_info.clone();
        framework_info.id.clone_from(&self.framework_id);
        let call = Call {
            kind: Some(CallType::Subscribe),
            framework_id: self.framework_id.clone(),
            subscribe: Some(Subscribe {
                framework_info,
                suppressed_roles: self.config.suppressed_roles.clone(),
                ..Subscribe::default()
            }),
            ..Call::default()
        };
        let body = message::to_vec(&call);
        let mut master = candidate.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let mut connection = Connection::open(&master, self.config.timeout).await?;
            let headers = headers(self.config.secret.as_ref());
            let response = connection
                .post(PATH, headers, body.clone(), self.config.timeout)
                .await?;
            if let Some(leader) = redirection(&response) {
                master = leader;
                continue;
            }
            let response = expect_success(&master, response, self.config.timeout).await?;
            let stream_id = response.headers().get(STREAM_ID).cloned();
            let stream_id = stream_id.unwrap_or_else(|| HeaderValue::from_static(""));
            let stream = RecordStream::new(&master, response.into_body(), MAX_RECORD);
            return Ok((stream, master, stream_id));
        }
        Err(ClientError::Redirects { address: master })
    }
}

/// Returns once `master` is not the first choice any more.
async fn moved(masters: &mut watch::Receiver<Vec<String>>, master: &str) {
    let still = |list: &Vec<String>| !list.iter().any(|candidate| candidate == master);
    if masters.wait_for(still).await.is_err() {
        // The list can no longer change.
        std::future::pending::<()>().await;
    }
}

/// A master that announces nonsense does not get to switch the watch off.
fn heartbeat(seconds: Option<f64>) -> Duration {
    let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(15.0);
    Duration::from_secs_f64(seconds.min(3600.0))
}

fn decode(master: &str, record: &Bytes) -> Result<Event, ClientError> {
    message::from_slice(record).map_err(|source| ClientError::Decode {
        address: master.to_owned(),
        expected: "a scheduler event",
        source,
    })
}

/// Events without their payload, and those of later versions, are nothing.
fn translate(event: Event) -> Option<SchedulerEvent> {
    match event.kind? {
        EventType::Offers => event.offers.map(|e| SchedulerEvent::Offers(e.offers)),
        EventType::InverseOffers => event
            .inverse_offers
            .map(|e| SchedulerEvent::InverseOffers(e.inverse_offers)),
        EventType::Rescind => event.rescind.map(|e| SchedulerEvent::Rescind(e.offer_id)),
        EventType::RescindInverseOffer => event
            .rescind_inverse_offer
            .map(|e| SchedulerEvent::RescindInverseOffer(e.inverse_offer_id)),
        EventType::Update => event.update.map(|e| SchedulerEvent::Update(e.status)),
        EventType::UpdateOperationStatus => event
            .update_operation_status
            .map(|e| SchedulerEvent::OperationStatus(e.status)),
        EventType::Message => event.message.map(SchedulerEvent::Message),
        EventType::Failure => event.failure.map(SchedulerEvent::Failure),
        EventType::Unknown | EventType::Subscribed | EventType::Error | EventType::Heartbeat => {
            None
        }
    }
}
