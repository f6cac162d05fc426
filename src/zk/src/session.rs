//! One session after another: opened, kept under watch, thrown away, opened again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::acl::{Acl, Credential};
use crate::address::check_servers;
use crate::client::{Client, mode, wire};
use crate::error::{Error, Refusal};
use crate::keeper::{Change, Keeper, Lifetime, Node, State};

/// The shortest session time-out: below it the client crate reconnects in a storm.
pub const MIN_TIMEOUT: Duration = Duration::from_secs(4);
/// Pauses between attempts to get a session: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port,host:port`, all of one ensemble.
    pub servers: String,
    /// The session's time-out. Whole seconds count, and no fewer than [`MIN_TIMEOUT`].
    pub timeout: Duration,
    /// Presented at the beginning of each session.
    pub credentials: Vec<Credential>,
}

/// Servers that are not given as they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{servers:?} does not name ZooKeeper servers as host:port,…: {reason}")]
pub struct ServersError {
    servers: String,
    reason: &'static str,
}

/// A connection to ZooKeeper that renews itself. Clones share it; the last one that is dropped ends it and with it the
/// session, so that the ephemeral nodes go at once.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

struct Shared {
    state: watch::Sender<State>,
    current: Mutex<Option<(u64, Arc<Client>)>>,
}

/// Ends the supervising task when it is dropped.
struct Owner {
    stop: watch::Sender<bool>,
}

impl Session {
    /// Starts to connect, on the runtime that this is called in. Never fails for want of a server: it goes on trying.
    ///
    /// # Errors
    /// [`ServersError`].
    pub fn start(config: Config) -> Result<Self, ServersError> {
        check_servers(&config.servers).map_err(|reason| ServersError {
            servers: config.servers.clone(),
            reason,
        })?;
        let config = Config {
            timeout: Duration::from_secs(config.timeout.max(MIN_TIMEOUT).as_secs()),
            ..config
        };
        let shared = Arc::new(Shared {
            state: watch::Sender::new(State::Away("not connected yet".to_owned())),
            current: Mutex::new(None),
        });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(supervise(config, Arc::clone(&shared), stopped));
        Ok(Self {
            shared,
            owner: Arc::new(Owner { stop }),
        })
    }

    /// Ends the session, and waits until that is done: the ephemeral nodes are gone then if a server can be reached.
    pub async fn close(&self) {
        self.owner.stop.send_replace(true);
        let mut state = self.shared.state.subscribe();
        // The sender lives in `shared`.
        drop(state.wait_for(|state| *state == State::Closed).await);
    }

    fn client(&self) -> Result<Arc<Client>, Error> {
        self.shared
            .current()
            .map(|(_, client)| client)
            .ok_or(Error::Away)
    }

    /// A client, and word of the next change from before the read that follows.
    fn watching(&self) -> Result<(Arc<Client>, Change), Error> {
        let client = self.client()?;
        let change = Change::new(client.events.subscribe(), self.shared.state.subscribe());
        Ok((client, change))
    }
}

impl Shared {
    fn current(&self) -> Option<(u64, Arc<Client>)> {
        self.slot().clone()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<(u64, Arc<Client>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However the supervising task ends, it has ended.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.state.send_replace(State::Closed);
    }
}

async fn supervise(config: Config, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let _ended = Ended(Arc::clone(&shared));
    let mut number = 0;
    let mut pause = FIRST_PAUSE;
    loop {
        let opened = tokio::select! {
            opened = Client::open(&config) => opened,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let reason = match opened {
            Ok(client) => {
                number += 1;
                pause = FIRST_PAUSE;
                let client = Arc::new(client);
                tracing::info!(
                    servers = config.servers,
                    session = number,
                    "ZooKeeper session"
                );
                *shared.slot() = Some((number, Arc::clone(&client)));
                shared.state.send_replace(State::Held(number));
                let reason = tokio::select! {
                    reason = watch_over(&client, config.timeout) => Some(reason),
                    // An owner that is dropped says so as well.
                    _ = stop.wait_for(|stop| *stop) => None,
                };
                *shared.slot() = None;
                if let Some(reason) = &reason {
                    shared.state.send_replace(State::Away(reason.clone()));
                }
                client.discard().await;
                match reason {
                    Some(reason) => reason,
                    None => break,
                }
            }
            Err(reason) => {
                shared.state.send_replace(State::Away(reason.clone()));
                reason
            }
        };
        tracing::warn!(servers = config.servers, reason, "no ZooKeeper session");
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Keeps asking for a sign of life; comes back with a reason when the session is not to be believed in any more.
async fn watch_over(client: &Client, timeout: Duration) -> String {
    let beat = async {
        loop {
            tokio::time::sleep(timeout / 6).await;
            // What it finds is of no interest, and a failure is heard of below.
            let _ = client
                .call("/", |zookeeper| async move {
                    zookeeper.exists("/", false).await
                })
                .await;
        }
    };
    let overdue = async {
        loop {
            let left = client.fence().saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! {
        biased;
        reason = client.doubted() => reason,
        () = overdue => "no answer for two thirds of the session's time-out".to_owned(),
        () = beat => "the heart stopped".to_owned(),
    }
}

/// Between half of the pause and all of it, so that a thousand executors do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

impl Keeper for Session {
    async fn create(
        &self,
        path: &str,
        data: Vec<u8>,
        acl: &[Acl],
        lifetime: Lifetime,
    ) -> Result<String, Error> {
        let (name, acl) = (path.to_owned(), wire(acl));
        self.client()?
            .call(path, |zookeeper| async move {
                zookeeper.create(&name, data, acl, mode(lifetime)).await
            })
            .await
    }

    async fn get(&self, path: &str) -> Result<(Option<Node>, Change), Error> {
        loop {
            let (client, change) = self.watching()?;
            let name = path.to_owned();
            let read = client
                .call(path, |zookeeper| async move {
                    zookeeper.get_data(&name, true).await
                })
                .await;
            if let Some((data, stat)) = present(read)? {
                let owner = stat.ephemeral_owner;
                return Ok((Some(Node { data, owner }), change));
            }
            // Reading what is not there leaves no watch; it may have come meanwhile.
            if let (false, change) = self.exists(path).await? {
                return Ok((None, change));
            }
        }
    }

    async fn children(&self, path: &str) -> Result<(Option<Vec<String>>, Change), Error> {
        loop {
            let (client, change) = self.watching()?;
            let name = path.to_owned();
            let read = client
                .call(path, |zookeeper| async move {
                    zookeeper.get_children(&name, true).await
                })
                .await;
            if let Some(children) = present(read)? {
                return Ok((Some(children), change));
            }
            if let (false, change) = self.exists(path).await? {
                return Ok((None, change));
            }
        }
    }

    async fn exists(&self, path: &str) -> Result<(bool, Change), Error> {
        let (client, change) = self.watching()?;
        let name = path.to_owned();
        let found = client
            .call(path, |zookeeper| async move {
                zookeeper.exists(&name, true).await
            })
            .await?;
        Ok((found.is_some(), change))
    }

    async fn set(&self, path: &str, data: Vec<u8>) -> Result<(), Error> {
        let name = path.to_owned();
        self.client()?
            .call(path, |zookeeper| async move {
                zookeeper.set_data(&name, data, None).await.map(drop)
            })
            .await
    }

    async fn delete(&self, path: &str) -> Result<(), Error> {
        let name = path.to_owned();
        let deleted = self
            .client()?
            .call(path, |zookeeper| async move {
                zookeeper.delete(&name, None).await
            })
            .await;
        present(deleted).map(drop)
    }

    fn state(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    fn fence(&self, session: u64) -> Option<Instant> {
        let (current, client) = self.shared.current()?;
        (current == session).then(|| client.fence())
    }
}

/// A node that is not there is an answer.
fn present<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(error) if error.is(&Refusal::NoNode) => Ok(None),
        other => other.map(Some),
    }
}
