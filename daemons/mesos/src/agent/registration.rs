//! The connection to the master: registering, taking its events, passing it calls, and coming back after a break.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aurora_daemon::guard::Token;
use aurora_mesos::recordio::Decoder;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::shell::{Ending, Handle, Input, MASTER_QUEUE};
use crate::link;

/// The wait before a try is random, up to a second that doubles with each failure (mesos: --registration_backoff_factor).
const BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A master that says nothing for so long before it has told its own limit is gone.
const FIRST_SILENCE: Duration = Duration::from_secs(75);

/// Where the master is and how to be let in.
#[derive(Debug, Clone)]
pub(crate) struct Master {
    /// `host:port`
    pub(crate) address: String,
    pub(crate) token: Option<Token>,
}

/// Keeps the agent registered until the shell ends.
pub(crate) async fn run(master: Master, shell: Handle) {
    let mut failures = 0_u32;
    loop {
        let longest = BACKOFF
            .saturating_mul(1 << failures.min(6))
            .min(MAX_BACKOFF);
        if failures > 0 {
            let part: f64 = rand::random();
            tokio::time::sleep(longest.mul_f64(part)).await;
        }
        match session(&master, &shell).await {
            Ok(Ended::Shell) => return,
            Ok(Ended::Broken { registered, error }) => {
                tracing::warn!(
                    master = master.address,
                    error = format!("{error:#}"),
                    "not registered with the master"
                );
                failures = if registered {
                    1
                } else {
                    failures.saturating_add(1)
                };
            }
            Err(Ending) => return,
        }
        if shell.send(Input::MasterLost).await.is_err() {
            return;
        }
    }
}

enum Ended {
    Shell,
    Broken {
        registered: bool,
        error: anyhow::Error,
    },
}

async fn session(master: &Master, shell: &Handle) -> Result<Ended, Ending> {
    let mut registered = false;
    let subscription = shell.subscription().await?;
    let result: Result<Ended, anyhow::Error> = async {
        let body = serde_json::to_vec(&subscription).context("writing the registration")?;
        let mut connection = connect(&master.address).await?;
        let response = post(&mut connection, master, link::SUBSCRIBE_PATH, body).await?;
        let mut stream = open(response).await?;
        let mut decoder = Decoder::new(link::MAX_EVENT);
        let mut caller: Option<tokio::task::JoinHandle<anyhow::Error>> = None;
        let mut silence = FIRST_SILENCE;
        let error = loop {
            let frame = tokio::select! {
                frame = tokio::time::timeout(silence, stream.frame()) => frame,
                error = caller_ended(&mut caller) => break error,
            };
            let bytes = match frame {
                Err(_) => break anyhow::anyhow!("the master has been silent for {} s", silence.as_secs()),
                Ok(None) => break anyhow::anyhow!("the master closed the connection"),
                Ok(Some(Err(error))) => break anyhow::Error::new(error).context("the connection broke"),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            decoder.push(&bytes);
            while let Some(record) = decoder.next_record().context("reading the master's events")? {
                let event: link::Event = serde_json::from_slice(&record).context("reading an event of the master")?;
                if let link::Event::Registered(session) = &event {
                    let (calls, waiting) = mpsc::channel(MASTER_QUEUE);
                    let caller_task = pass_calls(master.clone(), session.clone(), waiting);
                    caller = Some(tokio::spawn(caller_task));
                    tracing::info!(master = master.address, agent = %session.agent_id, "registered");
                    registered = true;
                    silence = Duration::from_millis(session.total_ping_timeout_ms);
                    if shell.send(Input::Connected { calls }).await.is_err() {
                        return Ok(Ended::Shell);
                    }
                }
                if shell.send(Input::Master(Box::new(event))).await.is_err() {
                    return Ok(Ended::Shell);
                }
            }
        };
        if let Some(caller) = caller {
            caller.abort();
        }
        Err(error)
    }
    .await;
    Ok(result.unwrap_or_else(|error| Ended::Broken { registered, error }))
}

async fn caller_ended(
    caller: &mut Option<tokio::task::JoinHandle<anyhow::Error>>,
) -> anyhow::Error {
    match caller {
        Some(caller) => match caller.await {
            Ok(error) => error,
            Err(error) => {
                anyhow::Error::new(error).context("passing calls to the master broke off")
            }
        },
        None => std::future::pending().await,
    }
}

/// Passes calls on, one after the other. Ends with the reason why no more can be passed.
async fn pass_calls(
    master: Master,
    session: link::Registered,
    mut calls: mpsc::Receiver<link::Call>,
) -> anyhow::Error {
    let result: anyhow::Result<()> = async {
        let mut connection = connect(&master.address).await?;
        while let Some(call) = calls.recv().await {
            let request = link::Request {
                agent_id: session.agent_id.clone(),
                session: session.session.clone(),
                call,
            };
            let body = serde_json::to_vec(&request).context("writing a call to the master")?;
            if connection.is_closed() {
                connection = connect(&master.address).await?;
            }
            let response = post(&mut connection, &master, link::CALL_PATH, body).await?;
            let status = response.status();
            let text = refusal(response).await;
            if status != StatusCode::ACCEPTED {
                bail!("the master refused a call: {status} {text}");
            }
        }
        bail!("the agent gave this connection up")
    }
    .await;
    match result {
        Ok(()) => anyhow::anyhow!("no more calls"),
        Err(error) => error,
    }
}

async fn connect(address: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| {
            anyhow::anyhow!(
                "connecting to {address} took more than {} s",
                CONNECT_TIMEOUT.as_secs()
            )
        })?
        .with_context(|| format!("connecting to {address}"))?;
    stream
        .set_nodelay(true)
        .context("preparing the connection")?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .with_context(|| format!("talking to {address}"))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the master ended");
        }
    });
    Ok(sender)
}

async fn post(
    connection: &mut SendRequest<Full<Bytes>>,
    master: &Master,
    path: &str,
    body: Vec<u8>,
) -> anyhow::Result<Response<Incoming>> {
    let mut request = Request::post(path)
        .header(HOST, &master.address)
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = &master.token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .context("making a request")?;
    let answer = async {
        connection.ready().await?;
        connection.send_request(request).await
    };
    tokio::time::timeout(CALL_TIMEOUT, answer)
        .await
        .map_err(|_| {
            anyhow::anyhow!(
                "the master did not answer within {} s",
                CALL_TIMEOUT.as_secs()
            )
        })?
        .context("asking the master")
}

async fn open(response: Response<Incoming>) -> anyhow::Result<Incoming> {
    if response.status() == StatusCode::OK {
        return Ok(response.into_body());
    }
    let status = response.status();
    bail!(
        "the master refused the registration: {status} {}",
        refusal(response).await
    )
}

/// The text of an answer, as far as it is of interest.
async fn refusal(response: Response<Incoming>) -> String {
    match tokio::time::timeout(
        CALL_TIMEOUT,
        Limited::new(response.into_body(), 64 << 10).collect(),
    )
    .await
    {
        Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Ok(Err(_)) | Err(_) => String::new(),
    }
}
