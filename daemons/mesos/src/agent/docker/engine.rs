//! Calls of the Docker engine's API, HTTP over its socket.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

/// The version of the API; every engine since 2017 has it.
const VERSION: &str = "/v1.30";
/// Longest answer that is kept.
const MAX_ANSWER: usize = 4 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("cannot reach the Docker engine at {}", .0.display())]
    Unreachable(PathBuf, #[source] std::io::Error),
    #[error("the Docker engine broke off")]
    Http(#[from] hyper::Error),
    #[error("the call cannot be written")]
    Request(#[from] http::Error),
    #[error("the Docker engine answers {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the Docker engine's answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A Docker engine.
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Creates a container; its image has to be there.
    pub(super) async fn create(&self, name: &str, body: &Value) -> Result<(), EngineError> {
        let path = format!("/containers/create?name={name}");
        self.ask(Method::POST, &path, Some(body)).await.map(drop)
    }

    /// Has the engine get an image.
    pub(super) async fn pull(&self, image: &str) -> Result<(), EngineError> {
        let last = image.rsplit('/').next().unwrap_or_default();
        let tagged = last.contains([':', '@']);
        let image = encode(&if tagged {
            image.to_owned()
        } else {
            format!("{image}:latest")
        });
        let answer = self
            .ask(
                Method::POST,
                &format!("/images/create?fromImage={image}"),
                None,
            )
            .await?;
        // Progress, a line each; what went wrong is in the last one, under a status of 200.
        let lines = answer.split(|&byte| byte == b'\n');
        let error = lines
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .find_map(|line| Some(line.get("error")?.as_str()?.to_owned()));
        error.map_or(Ok(()), |message| {
            Err(EngineError::Refused {
                status: 404,
                message,
            })
        })
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{name}/start");
        self.ask(Method::POST, &path, None).await.map(drop)
    }

    /// Waits for the container's end; its exit code.
    pub(super) async fn wait(&self, name: &str) -> Result<i64, EngineError> {
        let path = format!("/containers/{name}/wait");
        let answer = read(&self.ask(Method::POST, &path, None).await?)?;
        number(&answer, "StatusCode")
    }

    /// What there is to say of a container.
    pub(super) async fn inspect(&self, name: &str) -> Result<Value, EngineError> {
        let path = format!("/containers/{name}/json");
        read(&self.ask(Method::GET, &path, None).await?)
    }

    /// Runs a command inside a running container to its end; its exit code. Its outputs are not kept.
    pub(crate) async fn execute(
        &self,
        name: &str,
        words: &[String],
        variables: &[(String, String)],
    ) -> Result<i64, EngineError> {
        let variables: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // With an output attached the answer to the start ends with the command.
        let body =
            json!({"AttachStdout": true, "AttachStderr": true, "Cmd": words, "Env": variables});
        let path = format!("/containers/{name}/exec");
        let made = read(&self.ask(Method::POST, &path, Some(&body)).await?)?;
        let id = made["Id"]
            .as_str()
            .ok_or_else(|| EngineError::Answer("it has no Id".into()))?;
        let start = json!({"Detach": false, "Tty": false});
        let path = format!("/exec/{id}/start");
        let mut outputs = self.call(Method::POST, &path, Some(&start)).await?;
        while outputs.frame().await.transpose()?.is_some() {}
        let path = format!("/exec/{id}/json");
        let seen = read(&self.ask(Method::GET, &path, None).await?)?;
        number(&seen, "ExitCode")
    }

    pub(super) async fn signal(&self, name: &str, signal: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{name}/kill?signal={signal}");
        self.ask(Method::POST, &path, None).await.map(drop)
    }

    /// Kills and removes a container, with its anonymous volumes.
    pub(super) async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{name}?force=true&v=true");
        self.ask(Method::DELETE, &path, None).await.map(drop)
    }

    /// The outputs from the beginning, as they come: frames of a head of eight bytes (the first is 1 or 2, the last four the
    /// length) and as many bytes.
    pub(super) async fn outputs(&self, name: &str) -> Result<Incoming, EngineError> {
        let path = format!("/containers/{name}/logs?follow=true&stdout=true&stderr=true");
        self.call(Method::GET, &path, None).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, EngineError> {
        let answer = self.call(method, path, body).await?;
        collect(answer).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Incoming, EngineError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| EngineError::Unreachable(self.socket.clone(), error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the body, and what goes wrong shows there.
        tokio::spawn(connection);
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{VERSION}{path}"))
            .header("host", "docker")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        // 304: started or stopped already.
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response.into_body());
        }
        let said = collect(response.into_body()).await?;
        let message = serde_json::from_slice::<Value>(&said)
            .ok()
            .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(&said).trim().to_owned());
        Err(EngineError::Refused {
            status: status.as_u16(),
            message,
        })
    }
}

async fn collect(body: Incoming) -> Result<Bytes, EngineError> {
    let collected = Limited::new(body, MAX_ANSWER).collect().await;
    Ok(collected.map_err(EngineError::Answer)?.to_bytes())
}

fn read(answer: &[u8]) -> Result<Value, EngineError> {
    serde_json::from_slice(answer).map_err(|error| EngineError::Answer(error.into()))
}

fn number(answer: &Value, name: &str) -> Result<i64, EngineError> {
    answer[name]
        .as_i64()
        .ok_or_else(|| EngineError::Answer(format!("it has no {name}").into()))
}

/// A value of a query.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
