//! `/files/browse`, `/files/read`, `/files/download` and `/files/debug` (mesos: src/files/files.cpp).

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::core::ContainerView;
use super::files::{FileError, MAX_READ, Sandboxes, mode_text};
use super::http::{Route, Routes, bad_request};
use super::paths::Paths;
use super::shell::Ending;
use crate::jsonp::jsonp;

/// Size of one piece of a download.
const DOWNLOAD_PIECE: usize = 64 << 10;

pub(super) fn file_error(error: &FileError) -> Response {
    let status = match error {
        FileError::Missing | FileError::IsFile => StatusCode::NOT_FOUND,
        FileError::IsDirectory => StatusCode::BAD_REQUEST,
        FileError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply::text(status, error.to_string())
}

impl Routes {
    /// Runs a look at the files where it may block.
    pub(super) async fn on_files<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Sandboxes, Option<&str>) -> Result<T, FileError> + Send + 'static,
    ) -> Result<Result<T, FileError>, Ending> {
        let agent = self.shell.query(|agent| agent.id().cloned()).await?;
        let sandboxes = self.sandboxes.clone();
        let result = tokio::task::spawn_blocking(move || {
            look(&sandboxes, agent.as_ref().map(|id| id.value.as_str()))
        })
        .await;
        Ok(result.unwrap_or_else(|error| Err(FileError::Io(std::io::Error::other(error)))))
    }

    pub(super) async fn file_route(
        &self,
        route: Route,
        request: &Request,
    ) -> Result<Response, Ending> {
        if route == Route::DebugFiles {
            return self.debug_files(request).await;
        }
        let Some(path) = request.parameter("path").filter(|path| !path.is_empty()) else {
            return Ok(bad_request("Expecting 'path=value' in query.\n"));
        };
        match route {
            Route::Browse => {
                let listed = self
                    .on_files(move |files, agent| files.list(agent, &path))
                    .await?;
                Ok(match listed {
                    Ok(infos) => {
                        let shown: Value = infos
                            .iter()
                            .map(|info| {
                                let seconds = info
                                    .mtime
                                    .as_ref()
                                    .map_or(0, |time| time.nanoseconds / 1_000_000_000);
                                json!({
                                    "path": info.path,
                                    "nlink": info.nlink,
                                    "size": info.size,
                                    "mtime": seconds as f64,
                                    "mode": mode_text(info.mode.unwrap_or(0)),
                                    "uid": info.uid,
                                    "gid": info.gid,
                                })
                            })
                            .collect();
                        jsonp(request, &shown)
                    }
                    Err(error) => file_error(&error),
                })
            }
            Route::Read => self.read_route(request, path).await,
            _ => self.download_route(path).await,
        }
    }

    async fn read_route(&self, request: &Request, path: String) -> Result<Response, Ending> {
        let number = |name: &str| match request.parameter(name) {
            None => Ok(-1),
            Some(text) => text
                .parse::<i64>()
                .map_err(|error| format!("Failed to parse {name}: {error}.\n")),
        };
        let (offset, length) = match (number("offset"), number("length")) {
            (Ok(offset), Ok(length)) => (offset, length),
            (Err(text), _) | (_, Err(text)) => return Ok(bad_request(text)),
        };
        if offset < -1 {
            return Ok(bad_request(format!(
                "Negative offset provided: {offset}.\n"
            )));
        }
        if length < -1 {
            return Ok(bad_request(format!(
                "Negative length provided: {length}.\n"
            )));
        }
        let wanted = if offset == -1 {
            0
        } else {
            usize::try_from(length).unwrap_or(MAX_READ)
        };
        let start = u64::try_from(offset).unwrap_or(0);
        Ok(
            match self
                .on_files(move |files, agent| files.read(agent, &path, start, wanted))
                .await?
            {
                Ok((size, data)) => {
                    let shown = if offset == -1 { size } else { start };
                    jsonp(
                        request,
                        &json!({"offset": shown, "data": String::from_utf8_lossy(&data)}),
                    )
                }
                Err(error) => file_error(&error),
            },
        )
    }

    async fn download_route(&self, path: String) -> Result<Response, Ending> {
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .replace(['"', '\\'], "_");
        let (size, file) = match self
            .on_files(move |files, agent| files.download(agent, &path))
            .await?
        {
            Ok(opened) => opened,
            Err(error) => return Ok(file_error(&error)),
        };
        let (pieces, body) = mpsc::channel::<Bytes>(4);
        tokio::spawn(async move {
            // As long as the file was when it was asked for; a log that grows would never end.
            let mut rest = tokio::fs::File::from_std(file).take(size);
            loop {
                let mut piece = BytesMut::with_capacity(DOWNLOAD_PIECE);
                // A thread works only while it reads: a client that does not take what it asked for holds up nobody.
                match rest.read_buf(&mut piece).await {
                    Ok(0) => return,
                    Ok(_) => {
                        if pieces.send(piece.freeze()).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a download broke off");
                        return;
                    }
                }
            }
        });
        let mut response = reply::stream(StatusCode::OK, "application/octet-stream", body);
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            response.headers_mut().insert(CONTENT_DISPOSITION, value);
        }
        Ok(response)
    }

    async fn debug_files(&self, request: &Request) -> Result<Response, Ending> {
        let paths = self.paths.clone();
        let map = self
            .shell
            .query(move |agent| {
                let id = agent.id().map(|id| id.value.as_str());
                let entry = |view: ContainerView| {
                    let virtual_path = Paths::virtual_sandbox(
                        view.run.framework.as_ref(),
                        view.run.executor.as_ref(),
                    );
                    (
                        virtual_path,
                        json!(Self::sandbox_path(&paths, id, &view.run)),
                    )
                };
                agent
                    .containers()
                    .into_iter()
                    .map(entry)
                    .collect::<serde_json::Map<String, Value>>()
            })
            .await?;
        Ok(jsonp(request, &map))
    }
}
