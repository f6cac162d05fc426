//! `aurora-mesos-agent docker-run`: stands for a Docker container as long as that lives.

use std::io::{self, Write as _};
use std::process::ExitCode;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::engine::{Engine, EngineError};
use super::{Order, SANDBOX};
use crate::agent::containerizer::chain;

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "docker-run";
/// Set anew in the container: they are of the agent's own surroundings.
const OWN_VARIABLES: [&str; 2] = ["MESOS_SANDBOX", "PWD"];

/// Runs a container to its end. The order is the argument after the subcommand.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => Err(format!("starting: {error}")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            // Standard error is the log in the sandbox; a line that cannot be written is lost.
            let _ = writeln!(io::stderr(), "docker: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<u8, String> {
    let text = std::env::args().nth(2).ok_or("there is no order")?;
    let mut order: Order =
        serde_json::from_str(&text).map_err(|error| format!("reading the order: {error}"))?;
    let variables = std::env::vars().filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()));
    let mut environment = vec![json!(format!("MESOS_SANDBOX={SANDBOX}"))];
    environment.extend(variables.map(|(name, value)| json!(format!("{name}={value}"))));
    // What the job asks for wins: it comes last.
    if let Some(own) = order.create["Env"].as_array() {
        environment.extend(own.iter().cloned());
    }
    order.create["Env"] = environment.into();

    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let engine = Engine::new(&order.socket);
    let failed =
        |doing: &'static str| move |error: EngineError| format!("{doing}: {}", chain(&error));
    let mut created = engine.create(&order.name, &order.create).await;
    if matches!(created, Err(EngineError::Refused { status: 404, .. })) {
        engine
            .pull(&order.image)
            .await
            .map_err(failed("getting the image"))?;
        created = engine.create(&order.name, &order.create).await;
    }
    created.map_err(failed("creating the container"))?;
    let ended = async {
        engine
            .start(&order.name)
            .await
            .map_err(failed("starting the container"))?;
        let outputs = engine.outputs(&order.name).await;
        let copying = async {
            match outputs {
                Ok(outputs) => copy(outputs).await,
                Err(error) => Err(chain(&error)),
            }
        };
        let waiting = engine.wait(&order.name);
        let both = async { tokio::join!(waiting, copying) };
        tokio::pin!(both);
        loop {
            tokio::select! {
                (code, copied) = &mut both => {
                    if let Err(message) = copied {
                        // As above.
                        let _ = writeln!(io::stderr(), "docker: the outputs are not whole: {message}");
                    }
                    return code.map_err(failed("waiting for the container"));
                }
                _ = terminate.recv() => {
                    let sent = engine.signal(&order.name, "SIGTERM").await;
                    sent.map_err(failed("ending the container"))?;
                }
            }
        }
    };
    let ended = ended.await;
    let removed = engine.remove(&order.name).await;
    let code = ended?;
    removed.map_err(failed("removing the container"))?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Copies frames to standard output and error.
async fn copy(mut outputs: Incoming) -> Result<(), String> {
    let mut frames = Frames::default();
    while let Some(part) = outputs.frame().await {
        let part = part.map_err(|error| error.to_string())?;
        if let Ok(data) = part.into_data() {
            let write = |stream, bytes: &[u8]| match stream {
                2 => io::stderr().write_all(bytes),
                _ => io::stdout().write_all(bytes),
            };
            frames
                .feed(&data, write)
                .map_err(|error| error.to_string())?;
        }
    }
    io::stdout().flush().map_err(|error| error.to_string())
}

/// Takes frames apart however they were cut; keeps no more than a head.
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    left: usize,
}

impl Frames {
    fn feed(
        &mut self,
        mut bytes: &[u8],
        mut write: impl FnMut(u8, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let wanted = (8 - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..wanted]);
                bytes = &bytes[wanted..];
                if let [_, _, _, _, a, b, c, d] = self.head[..] {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    if self.left == 0 {
                        self.head.clear();
                    }
                }
                continue;
            }
            let part = self.left.min(bytes.len());
            write(self.head.first().copied().unwrap_or(1), &bytes[..part])?;
            bytes = &bytes[part..];
            self.left -= part;
            if self.left == 0 {
                self.head.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_apart_however_they_are_cut() {
        let mut stream = Vec::new();
        for (kind, text) in [(1_u8, "one"), (2, "two"), (1, ""), (1, "three")] {
            stream.extend([kind, 0, 0, 0]);
            stream.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            stream.extend(text.as_bytes());
        }
        for step in [1, 2, 3, 7, 8, 9, 11, 100] {
            let (mut out, mut err) = (String::new(), String::new());
            let mut frames = Frames::default();
            for piece in stream.chunks(step) {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                frames
                    .feed(piece, |stream, bytes| {
                        if stream == 2 { &mut err } else { &mut out }.push_str(&text(bytes));
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!((out.as_str(), err.as_str()), ("onethree", "two"), "{step}");
        }
    }
}
