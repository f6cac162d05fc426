//! What happens to the workbench ([`Event`]) and what it wants done ([`Effect`]).

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::feed::Line;
use aurora_api::job_key::JobPath;
use aurora_api::observer::TaskHistory;
use serde::{Deserialize, Serialize};

use crate::actions::{Action, Progress, Subject};
use crate::journal::Entry;
use crate::key::Key;
use crate::notify::How;
use crate::pages::{self, Page};
use crate::told::{Answer, Question};

/// Which output of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// How much of a file is read at once: before its end, or from a chosen place.
pub const WINDOW: u64 = 1 << 20;

/// Where reading of a file or log begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Start {
    /// [`WINDOW`] before its end; what is added is read as it comes.
    #[default]
    End,
    /// At this byte. [`WINDOW`] bytes are read; when that is up to the end, what is added is read as it comes.
    At(u64),
    /// Before the first line of this time or later, milliseconds since 1970; [`WINDOW`] bytes as above.
    Time(i64),
    /// [`WINDOW`] before the first line of this time or later, up to there.
    Before(i64),
}

/// Something of a task that is read again and again while it is on the screen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Watch {
    /// The host whose observer is asked; none: the scheduler is.
    pub host: Option<String>,
    /// The task; empty where it is not about one.
    pub task: String,
    /// What of it.
    pub what: WatchWhat,
}

impl Watch {
    /// Something that the scheduler is asked.
    pub fn ask(question: Question) -> Watch {
        Watch {
            host: None,
            task: String::new(),
            what: WatchWhat::Ask(question),
        }
    }
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WatchWhat {
    /// Processes and consumption.
    Task,
    /// Something that the scheduler is asked.
    Ask(Question),
    /// Rows of a table that is too large to be held.
    Page(pages::Query),
    /// What a task used over the last hour.
    History,
    /// A directory of the sandbox.
    Directory(String),
    /// A file of the sandbox.
    File {
        /// Its path, relative to the sandbox.
        path: String,
        /// Where to begin.
        start: Start,
    },
    /// A process run's output.
    Log {
        /// Process.
        process: String,
        /// Run, from 0.
        run: i64,
        /// Which output.
        stream: Stream,
        /// Where to begin.
        start: Start,
    },
}

/// Consumption of a task or process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Cores.
    pub cpu: f64,
    /// Bytes.
    pub ram: u64,
}

/// A process of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Its state: WAITING, RUNNING, ….
    pub state: String,
    /// Newest run, from 0; -1 before the first.
    pub run: i64,
    /// Start of that run, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Its end.
    pub stop_ms: Option<i64>,
    /// Its return code, when there is one; negative for signals.
    pub return_code: Option<i64>,
    /// What it uses while it runs.
    pub used: Option<Usage>,
    /// Its command line, when known.
    pub cmdline: String,
}

/// What an observer tells of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its state on the host.
    pub state: String,
    /// What all its processes use.
    pub used: Usage,
    /// Its processes.
    pub processes: Vec<Process>,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Permission bits as `ls -l` writes them, such as `rwxr-x---`.
    pub permissions: String,
}

/// What a watch found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Seen {
    /// A task.
    Task(TaskInfo),
    /// What the scheduler answered.
    Answer(Answer),
    /// Rows of a table.
    Page(Page),
    /// What a task used over the last hour.
    History(TaskHistory),
    /// A directory.
    Directory(Vec<FileEntry>),
    /// Bytes of a file or log, in order.
    Bytes {
        /// Where the first one stands in the file.
        offset: u64,
        /// Where the next one will stand; not always `offset` and their number, since what is not UTF-8 was replaced.
        next: u64,
        /// They themselves; empty: the file is there and has nothing (more).
        #[serde(with = "as_text")]
        bytes: Vec<u8>,
    },
    /// Reading has stopped at the end of its window; so many bytes follow in the file.
    Rest(u64),
    /// So many bytes were passed over: they came faster than they could be read, or are not kept any more.
    Missed(u64),
    /// The file became shorter: what follows comes from its new beginning.
    Truncated,
    /// It is not there (yet).
    Absent(String),
    /// It could not be read; it is tried again.
    Trouble(String),
}

/// Bytes of output in a recorded session: observers give text, in which what is not UTF-8 was replaced.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

/// How the event feed is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkEvent {
    /// A connection is being made.
    Connecting,
    /// The connection is gone, and is tried again.
    Lost(String),
    /// The scheduler answers and does not let us in; it is tried again.
    Refused(String),
}

/// What goes on with the examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Launch {
    /// Something to show.
    Progress(String),
    /// All were created.
    Done(String),
    /// They were not, or not all.
    Failed(String),
}

/// What is done with the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mouse {
    /// The first button is pressed.
    Click,
    /// The wheel is turned up.
    WheelUp,
    /// The wheel is turned down.
    WheelDown,
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A key.
    Key(Key),
    /// Text from the clipboard.
    Paste(String),
    /// The mouse, at a column and row.
    Mouse(Mouse, u16, u16),
    /// The terminal's size in columns and rows.
    Resize(u16, u16),
    /// Our clock in milliseconds since 1970.
    Tick(i64),
    /// A line of the feed, and our clock when it came.
    Feed(i64, Line),
    /// The feed's connection, and our clock.
    Link(i64, LinkEvent),
    /// A watch's find.
    Seen(u64, Seen),
    /// What became of a change.
    Answer(u64, Progress),
    /// The journal as it is in its file, oldest first.
    Journal(Vec<Entry>),
    /// The command that was run for a host in maintenance has ended; the error says how it failed.
    Executed {
        /// The host.
        host: String,
        /// What became of it.
        outcome: Result<String, String>,
    },
    /// What [`Effect::Claim`] led to: rounds as they are kept, or who goes on with them.
    Claimed(Result<Option<String>, String>),
    /// Something to tell.
    Notice(String),
    /// Something that went wrong here, such as a full disk.
    Fault(String),
    /// The examples.
    Launch(Launch),
    /// The command line that creates an example.
    Suggestion(String),
    /// What became of a file that was to be written, in words.
    Saved(Result<String, String>),
    /// A command line from outside (`--exec`, `--open`).
    Run(String),
}

/// What the user keeps in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keepsake {
    /// A layout: its name and text.
    Layout(String, String),
    /// All bookmarks: names and links.
    Bookmarks(BTreeMap<String, String>),
    /// Maintenance in rounds; none: it is over.
    Rounds(Option<String>),
}

/// A program of the user for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// `$PAGER`.
    Pager,
    /// `$VISUAL` or `$EDITOR`.
    Editor,
}

/// A task with a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellTarget {
    /// Its job.
    pub job: JobPath,
    /// Its instance.
    pub instance: i32,
    /// Its id.
    pub task: String,
}

/// A call that changes the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The change's number; the answer carries it.
    pub id: u64,
    /// What.
    pub action: Action,
    /// On what.
    pub subject: Subject,
    /// Why.
    pub reason: String,
}

/// Everything that the model asks of the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Follow these topics of the feed.
    Topics(BTreeSet<String>),
    /// Begin to watch.
    Start(u64, Watch),
    /// End a watch.
    Stop(u64),
    /// Change the cluster.
    Send(Call),
    /// Append to the journal.
    Record(Entry),
    /// Put on the clipboard.
    Copy(String),
    /// Keep in a file of the user.
    Keep(Keepsake),
    /// See to it that no other workbench goes on with maintenance in rounds of this cluster, until the release.
    Claim,
    /// Let other workbenches go on with it.
    Release,
    /// Write a new file; one that exists is left as it is.
    Save {
        /// Its path, as typed.
        path: String,
        /// What is in it.
        text: String,
    },
    /// Run a command on this machine, with a host's name as last argument.
    Execute {
        /// The host.
        host: String,
        /// The command line.
        command: String,
    },
    /// Tell somebody who looks elsewhere.
    Notify {
        /// How.
        how: How,
        /// What, in one line.
        text: String,
    },
    /// Give the terminal to a pager or an editor with a text until it ends.
    View {
        /// The program.
        with: Viewer,
        /// The text.
        text: String,
    },
    /// Give the terminal to a shell in a task's sandbox until it ends.
    Shell(ShellTarget),
    /// Create the example jobs.
    Launch,
    /// Find the command line that creates an example.
    Suggest,
    /// Show another cluster.
    Cluster {
        /// Its name.
        name: String,
        /// Command lines to run there.
        then: Option<String>,
    },
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back until `fg`.
    Suspend,
    /// End; and stop the local cluster first, when asked.
    Quit {
        /// Whether to stop it.
        stop_cluster: bool,
    },
}
