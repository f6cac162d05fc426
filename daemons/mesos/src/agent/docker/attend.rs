//! The life of one Docker container, from its image to its exit code.

use std::io::{self, Write as _};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, EngineError};
use super::{Order, SANDBOX};
use crate::agent::containerizer::chain;

/// Set anew in the container, whatever the surroundings of its client say.
const OWN_VARIABLES: [&str; 3] = ["MESOS_SANDBOX", "MESOS_CONTAINER_NAME", "PWD"];

/// A container and who stands for it.
pub(crate) struct Attended {
    pub(crate) order: Order,
    /// Variables of the container, besides those of the order.
    pub(crate) environment: Vec<(String, String)>,
    /// Signals by name, to be handed on. One that comes before the container runs is its end.
    pub(crate) signals: mpsc::Receiver<&'static str>,
    /// Gets what the engine says of the container as soon as it runs.
    pub(crate) started: Option<oneshot::Sender<Value>>,
}

/// Runs a container to its end, with its outputs on this process's own, and removes it. Returns its exit code, 128 and more for
/// a signal.
pub(crate) async fn attend(attended: Attended) -> Result<i64, String> {
    let Attended {
        mut order,
        environment,
        mut signals,
        started,
    } = attended;
    order.create["Env"] = variables(&order, environment).into();
    let engine = Engine::new(&order.socket);
    tokio::select! {
        created = create(&engine, &order) => created?,
        _ = signals.recv() => return Err("it was told to end before it was started".to_owned()),
    }
    let ended = run(&engine, &order.name, signals, started).await;
    let removed = engine.remove(&order.name).await;
    let code = ended?;
    removed.map_err(failed("removing the container"))?;
    Ok(code)
}

fn variables(order: &Order, environment: Vec<(String, String)>) -> Vec<Value> {
    let mut variables = vec![
        json!(format!("MESOS_SANDBOX={SANDBOX}")),
        json!(format!("MESOS_CONTAINER_NAME={}", order.name)),
    ];
    let foreign = environment
        .into_iter()
        .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()));
    variables.extend(foreign.map(|(name, value)| json!(format!("{name}={value}"))));
    // What the job asks for wins: it comes last.
    let own = order.create["Env"].as_array();
    variables.extend(own.into_iter().flatten().cloned());
    variables
}

fn failed(doing: &'static str) -> impl FnOnce(EngineError) -> String {
    move |error| format!("{doing}: {}", chain(&error))
}

async fn create(engine: &Engine, order: &Order) -> Result<(), String> {
    let pull = async || {
        let pulled = engine.pull(&order.image).await;
        pulled.map_err(failed("getting the image"))
    };
    if order.force_pull {
        pull().await?;
    }
    let mut created = engine.create(&order.name, &order.create).await;
    if matches!(created, Err(EngineError::Refused { status: 404, .. })) {
        pull().await?;
        created = engine.create(&order.name, &order.create).await;
    }
    created.map_err(failed("creating the container"))
}

async fn run(
    engine: &Engine,
    name: &str,
    mut signals: mpsc::Receiver<&'static str>,
    started: Option<oneshot::Sender<Value>>,
) -> Result<i64, String> {
    let begun = engine.start(name).await;
    begun.map_err(failed("starting the container"))?;
    if let Some(started) = started {
        let seen = engine.inspect(name).await;
        // Who wanted to know may have given up.
        let _ = started.send(seen.map_err(failed("looking at the container"))?);
    }
    let outputs = engine.outputs(name).await;
    let copying = async {
        match outputs {
            Ok(outputs) => copy(outputs).await,
            Err(error) => Err(chain(&error)),
        }
    };
    let both = async { tokio::join!(engine.wait(name), copying) };
    tokio::pin!(both);
    loop {
        tokio::select! {
            (code, copied) = &mut both => {
                if let Err(message) = copied {
                    // Standard error is the log in the sandbox; a line that cannot be written is lost.
                    let _ = writeln!(io::stderr(), "docker: the outputs are not whole: {message}");
                }
                return code.map_err(failed("waiting for the container"));
            }
            Some(signal) = signals.recv() => match engine.signal(name, signal).await {
                // It has just ended.
                Ok(()) | Err(EngineError::Refused { status: 404 | 409, .. }) => {}
                Err(error) => return Err(failed("ending the container")(error)),
            },
        }
    }
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
