//! The data layer: carries out what the model asks for, and reports as events.

use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::pin::Pin;
use std::sync::Arc;

use aurora_tui_model::event::{Call, Effect, Event, Keepsake, ShellTarget, Watch};
use aurora_tui_model::notify::How;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::keeper::{Claim, Keeper};
use crate::recorder::Recorder;
use crate::shell::{self, Program};
use crate::tape::Tape;

/// Where events go. It is bounded: a reader that falls behind slows the sources, never the memory.
pub(crate) type Events = mpsc::Sender<Event>;

/// How many events wait at most.
pub(crate) const BUFFER: usize = 4096;

/// Something that runs until it is done or stopped.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A cluster as the workbench needs it. Tests have one without a network.
pub(crate) trait Source: Send + Sync {
    /// Our clock, in milliseconds since 1970.
    fn now_ms(&self) -> i64 {
        now_ms()
    }
    /// Follows the event feed for ever.
    fn follow(&self, topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job;
    /// Watches something on a host until stopped.
    fn watch(&self, generation: u64, watch: Watch, events: Events) -> Job;
    /// Makes a change and reports its answer.
    fn send(&self, call: Call, events: Events) -> Job;
    /// Creates the example jobs.
    fn launch(&self, events: Events) -> Job;
    /// The program that gives a shell in a task's sandbox; the error says why there is none.
    fn shell(&self, task: &ShellTarget) -> Result<Program, String> {
        Err(format!("there is no sandbox of {} here", task.task))
    }
    /// Finds the command line that creates an example.
    fn suggest(&self, events: Events) -> Job;
}

/// What is left for the terminal to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Copy(String),
    Redraw,
    Suspend,
    Shell(Program),
    Notify(How, String),
    Quit { stop_cluster: bool },
}

/// Running jobs of one workbench. Dropping it stops all of them but changes that were sent.
pub(crate) struct Data {
    source: Arc<dyn Source>,
    events: Events,
    recorder: Recorder,
    keeper: Keeper,
    /// While maintenance in rounds is ours.
    claim: Option<Claim>,
    topics: watch::Sender<BTreeSet<String>>,
    feed: Option<JoinHandle<()>>,
    watches: HashMap<u64, JoinHandle<()>>,
    tape: Option<Tape>,
}

impl Data {
    /// Must be made inside a tokio runtime.
    pub(crate) fn new(source: Arc<dyn Source>, recorder: Recorder, events: Events) -> Data {
        Data {
            source,
            events,
            recorder,
            keeper: Keeper::default(),
            claim: None,
            topics: watch::Sender::new(BTreeSet::new()),
            feed: None,
            watches: HashMap::new(),
            tape: None,
        }
    }

    /// With files for what the user keeps.
    pub(crate) fn keeping(mut self, keeper: Keeper) -> Data {
        self.keeper = keeper;
        self
    }

    /// Records what is heard from now on.
    pub(crate) fn recording(mut self, tape: Option<Tape>) -> Data {
        self.tape = tape;
        self
    }

    /// Our clock; a recorded session has its own.
    pub(crate) fn now_ms(&self) -> i64 {
        self.source.now_ms()
    }

    /// Records an event, when a session is recorded. Gives back why that ended, once.
    pub(crate) fn heard(&mut self, event: &Event) -> Option<Event> {
        let now_ms = self.source.now_ms();
        let tape = self.tape.as_mut()?;
        tape.event(now_ms, event);
        tape.fault().map(Event::Fault)
    }

    /// Carries out what it can; the rest is for the terminal.
    pub(crate) fn carry_out(&mut self, effect: Effect) -> Option<Wish> {
        match effect {
            Effect::Topics(topics) => {
                self.topics.send_replace(topics);
                if self.feed.is_none() {
                    let job = self
                        .source
                        .follow(self.topics.subscribe(), self.events.clone());
                    self.feed = Some(tokio::spawn(job));
                }
            }
            Effect::Start(generation, watch) => {
                let now_ms = self.now_ms();
                if let Some(tape) = &mut self.tape {
                    tape.start(now_ms, generation, &watch);
                }
                let job = self.source.watch(generation, watch, self.events.clone());
                self.watches.insert(generation, tokio::spawn(job));
            }
            Effect::Stop(generation) => {
                if let Some(running) = self.watches.remove(&generation) {
                    running.abort();
                }
            }
            // Never stopped: a change that was sent has to have its answer awaited.
            Effect::Send(call) => drop(tokio::spawn(self.source.send(call, self.events.clone()))),
            Effect::Launch => drop(tokio::spawn(self.source.launch(self.events.clone()))),
            Effect::Suggest => drop(tokio::spawn(self.source.suggest(self.events.clone()))),
            Effect::Record(entry) => {
                if let Err(error) = self.recorder.append(&entry) {
                    let events = self.events.clone();
                    let text = format!("the journal cannot be written: {error}");
                    // In a task of its own, because the channel may be full and this must not wait.
                    tokio::spawn(async move { report(&events, Event::Fault(text)).await });
                }
            }
            Effect::Save { path, text } => {
                let events = self.events.clone();
                // On a thread of its own: a disk may be slow.
                tokio::task::spawn_blocking(move || {
                    let outcome = match save(&path, &text) {
                        Ok(()) => Ok(format!("saved {} bytes in {path}", text.len())),
                        Err(error) => Err(format!("cannot save {path}: {error}")),
                    };
                    // Nobody listens any more when the workbench has ended.
                    drop(events.blocking_send(Event::Saved(outcome)));
                });
            }
            // In order, and before what comes next: what was begun must not be begun again.
            Effect::Keep(what @ Keepsake::Rounds(_)) => {
                if let Err(error) = self.keeper.keep(&what) {
                    let events = self.events.clone();
                    let text = format!("the rounds cannot be kept: {error}");
                    tokio::spawn(async move { report(&events, Event::Fault(text)).await });
                }
            }
            Effect::Notify {
                how: How::Command(command),
                text,
            } => {
                let events = self.events.clone();
                tokio::spawn(async move {
                    if let Err(why) = shell::execute(&command, &text).await {
                        let fault = format!("`{command}` could not tell it: {why}");
                        report(&events, Event::Fault(fault)).await;
                    }
                });
            }
            Effect::Notify { how, text } => return Some(Wish::Notify(how, text)),
            Effect::Claim => {
                let claimed = self.claim();
                let events = self.events.clone();
                tokio::spawn(async move { report(&events, Event::Claimed(claimed)).await });
            }
            Effect::Release => self.claim = None,
            Effect::Execute { host, command } => {
                let events = self.events.clone();
                tokio::spawn(async move {
                    let outcome = shell::execute(&command, &host).await;
                    report(&events, Event::Executed { host, outcome }).await
                });
            }
            Effect::View { with, text } => return Some(Wish::Shell(Program::viewing(with, text))),
            Effect::Shell(target) => match self.source.shell(&target) {
                Ok(program) => return Some(Wish::Shell(program)),
                Err(fault) => {
                    let events = self.events.clone();
                    tokio::spawn(async move { report(&events, Event::Fault(fault)).await });
                }
            },
            Effect::Keep(what) => {
                let (keeper, events) = (self.keeper.clone(), self.events.clone());
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = keeper.keep(&what) {
                        let text = format!("this cannot be kept: {error}");
                        // Nobody listens any more when the workbench has ended.
                        drop(events.blocking_send(Event::Fault(text)));
                    }
                });
            }
            // The crew turns to it.
            Effect::Cluster { .. } => {}
            Effect::Copy(text) => return Some(Wish::Copy(text)),
            Effect::Redraw => return Some(Wish::Redraw),
            Effect::Suspend => return Some(Wish::Suspend),
            Effect::Quit { stop_cluster } => return Some(Wish::Quit { stop_cluster }),
        }
        None
    }
}

impl Data {
    /// Who goes on with maintenance in rounds; none: nobody does.
    pub(crate) fn rounds_owner(&self) -> Option<String> {
        self.keeper.claim().err()
    }

    /// Claims maintenance in rounds; what is kept of it is read after that, as another workbench may have gone on with it.
    fn claim(&mut self) -> Result<Option<String>, String> {
        if self.claim.is_none() {
            self.claim = Some(self.keeper.claim()?);
        }
        let rounds = self.keeper.rounds();
        rounds.map_err(|error| format!("they cannot be read: {error}"))
    }
}

/// Writes a new file, readable for its owner alone: output may hold secrets.
fn save(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

impl Drop for Data {
    fn drop(&mut self) {
        for running in self.watches.values().chain(&self.feed) {
            running.abort();
        }
    }
}

/// Reports an event. False when nobody listens any more.
pub(crate) async fn report(events: &Events, event: Event) -> bool {
    events.send(event).await.is_ok()
}

/// Our clock in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
