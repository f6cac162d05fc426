//! One connection by zookeeper-async, on a runtime of its own, to be thrown away at the first doubt.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use zookeeper_async::{
    Acl as WireAcl, CreateMode, Permission, WatchedEvent, ZkError, ZkState, ZooKeeper,
};

use crate::acl::{Acl, Permissions};
use crate::error::{Error, Refusal};
use crate::keeper::Lifetime;
use crate::session::Config;

/// Between two attempts of the client crate to connect; without a pause it spins.
const RETRY: Duration = Duration::from_millis(250);
/// How long the close of a session may take before the connection is dropped instead.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A runtime that goes without waiting for its tasks, wherever it is dropped.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection and the session on it.
pub(crate) struct Client {
    zookeeper: Arc<ZooKeeper>,
    handle: Handle,
    runtime: Mutex<Option<Background>>,
    /// How long one request may take.
    limit: Duration,
    /// How long an answer is worth.
    worth: Duration,
    fence: watch::Sender<Instant>,
    /// Why the connection is not believed in any more.
    doubt: watch::Sender<Option<String>>,
    /// Counts watch events.
    pub(crate) events: watch::Sender<u64>,
}

impl Client {
    /// Connects, waits until the session exists, and presents the credentials, all within the session's time-out.
    pub(crate) async fn open(config: &Config) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("zookeeper")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| format!("cannot start a thread for the connection: {error}"))?;
        let handle = runtime.handle().clone();
        let runtime = Background(Some(runtime));
        let opened = tokio::time::timeout(config.timeout, Self::connect(config, &handle)).await;
        let (zookeeper, events, answered) = opened.map_err(|_| {
            format!(
                "no session at {} within {:?}",
                config.servers, config.timeout
            )
        })??;
        let (doubt, _) = watch::channel(None);
        let doubting = doubt.clone();
        // It is told only of what happens from here on, so a connection that breaks within the lines above is found by the
        // first request that gets no answer.
        zookeeper.add_listener(move |state| {
            if !matches!(state, ZkState::Connected) {
                doubting.send_replace(Some(format!("the connection is {state:?}")));
            }
        });
        let worth = config.timeout * 2 / 3;
        Ok(Self {
            zookeeper,
            handle,
            runtime: Mutex::new(Some(runtime)),
            limit: config.timeout / 3,
            worth,
            fence: watch::Sender::new(answered + worth),
            doubt,
            events,
        })
    }

    async fn connect(
        config: &Config,
        handle: &Handle,
    ) -> Result<(Arc<ZooKeeper>, watch::Sender<u64>, Instant), String> {
        let (servers, timeout) = (config.servers.clone(), config.timeout);
        let credentials = config.credentials.clone();
        let events = watch::Sender::new(0);
        let bell = events.clone();
        let connecting = handle.spawn(async move {
            let ring = move |_: WatchedEvent| bell.send_modify(|count| *count += 1);
            let zookeeper =
                ZooKeeper::connect_with_retry_time(&servers, timeout, ring, RETRY).await?;
            // The session does not exist yet when the call above returns.
            let mut asked = Instant::now();
            while let Err(error) = zookeeper.exists("/", false).await {
                if error != ZkError::ConnectionLoss {
                    return Err(error);
                }
                tokio::time::sleep(RETRY).await;
                asked = Instant::now();
            }
            // Alone: another request in flight would get this one's answer.
            for credential in credentials {
                let secret = credential.credential.into_bytes();
                zookeeper.add_auth(credential.scheme, secret).await?;
            }
            Ok::<_, ZkError>((Arc::new(zookeeper), asked))
        });
        match connecting.await {
            Ok(Ok((zookeeper, asked))) => Ok((zookeeper, events, asked)),
            Ok(Err(ZkError::BadArguments)) => Err(format!(
                "no address for one of the servers {}",
                config.servers
            )),
            Ok(Err(error)) => Err(format!("the session is refused: {error:?}")),
            Err(error) => Err(format!("the client gave up: {error}")),
        }
    }

    /// Makes a request. Whatever comes without an answer in time ends the belief in the session.
    pub(crate) async fn call<T, F>(
        &self,
        path: &str,
        request: impl FnOnce(Arc<ZooKeeper>) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ZkError>> + Send + 'static,
    {
        let asked = Instant::now();
        let job = self.handle.spawn(request(Arc::clone(&self.zookeeper)));
        let outcome = match tokio::time::timeout(self.limit, job).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => return Err(self.lose(format!("the client gave up: {error}"))),
            Err(_) => return Err(self.lose(format!("no answer within {:?}", self.limit))),
        };
        let refused = |reason| {
            Err(Error::Refused {
                path: path.to_owned(),
                reason,
            })
        };
        let outcome = match outcome {
            Ok(answer) => Ok(answer),
            Err(
                error @ (ZkError::ConnectionLoss
                | ZkError::SessionExpired
                | ZkError::SessionMoved
                | ZkError::OperationTimeout
                | ZkError::MarshallingError),
            ) => return Err(self.lose(format!("{error:?}"))),
            Err(ZkError::NoNode) => refused(Refusal::NoNode),
            Err(ZkError::NodeExists) => refused(Refusal::NodeExists),
            Err(ZkError::NoAuth | ZkError::AuthFailed) => refused(Refusal::NoAuth),
            Err(ZkError::InvalidACL) => refused(Refusal::InvalidAcl),
            Err(ZkError::NotEmpty) => refused(Refusal::NotEmpty),
            Err(other) => refused(Refusal::Other(format!("{other:?}"))),
        };
        // The server has answered, so at `asked` at the earliest it had the session.
        self.fence
            .send_modify(|until| *until = (*until).max(asked + self.worth));
        outcome
    }

    fn lose(&self, reason: String) -> Error {
        self.doubt
            .send_if_modified(|doubt| doubt.is_none() && doubt.replace(reason.clone()).is_none());
        Error::Unknown(reason)
    }

    /// Until when the session may be believed in.
    pub(crate) fn fence(&self) -> Instant {
        if self.doubt.borrow().is_some() {
            // Not a moment longer.
            return Instant::now();
        }
        *self.fence.borrow()
    }

    /// Waits until the session is not believed in any more, and says why.
    pub(crate) async fn doubted(&self) -> String {
        let mut doubt = self.doubt.subscribe();
        match doubt.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(reason)) => reason.clone(),
            Ok(None) | Err(_) => "the client is gone".to_owned(),
        }
    }

    /// Ends the session if the server can be reached, and the connection in any case: the client's own drop would leave both.
    pub(crate) async fn discard(&self) {
        let zookeeper = Arc::clone(&self.zookeeper);
        let closing = self.handle.spawn(async move { zookeeper.close().await });
        if let Ok(Ok(Err(error))) = tokio::time::timeout(CLOSE_PATIENCE, closing).await {
            tracing::debug!(
                ?error,
                "the ZooKeeper session was not closed; it will expire"
            );
        }
        // Requests that are still waited for are abandoned with it.
        drop(
            self.runtime
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// The crate's flags for a new node.
pub(crate) fn mode(lifetime: Lifetime) -> CreateMode {
    match lifetime {
        Lifetime::Persistent => CreateMode::Persistent,
        Lifetime::EphemeralSequential => CreateMode::EphemeralSequential,
    }
}

/// The crate's form of an access list.
pub(crate) fn wire(acl: &[Acl]) -> Vec<WireAcl> {
    acl.iter()
        .map(|line| WireAcl::new(bits(line.permissions), &*line.scheme, &*line.id))
        .collect()
}

fn bits(permissions: Permissions) -> Permission {
    [
        (permissions.read, Permission::READ),
        (permissions.write, Permission::WRITE),
        (permissions.create, Permission::CREATE),
        (permissions.delete, Permission::DELETE),
        (permissions.admin, Permission::ADMIN),
    ]
    .into_iter()
    .filter(|(granted, _)| *granted)
    .fold(Permission::NONE, |all, (_, bit)| all | bit)
}
