//! What the workbench knows and shows.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::observer::TaskHistory;

use crate::actions::{Change, Plan, Request};
use crate::desk::{Link as PeerLink, Peer};
use crate::event::{FileEntry, TaskInfo, Watch};
use crate::filter::Filter;
use crate::follow;
use crate::form::Form;
use crate::journal::Entry;
use crate::key::Key;
use crate::keymap::Keymap;
use crate::layout::Layout;
pub use crate::logs::pane::{Logs, Pane};
use crate::pages::{self, Paging};
use crate::past::{Looking, Past};
use crate::place::{Link, Place};
use crate::rounds::Campaign;
use crate::rules::Rules;
use crate::store::Store;
use crate::table::Sort;
use crate::theme::Warning;
use crate::told::Question;
use crate::update::{Followed, Sought};
use crate::views::Cache;

/// What does not change while the workbench runs.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The cluster, as the user names it.
    pub cluster: String,
    /// Who acts.
    pub user: String,
    /// Process id, for the journal.
    pub process: u32,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Whether it is a local cluster that this workbench may stop on request.
    pub local: bool,
    /// What may be done here, and how that is asked.
    pub rules: Rules,
    /// Other settings, by name: how things look, where files are.
    pub facts: Vec<(String, String)>,
    /// Clusters that are configured, and where their schedulers are.
    pub clusters: Vec<(String, String)>,
    /// Keys.
    pub keymap: Keymap,
    /// Faults in the configuration.
    pub warnings: Vec<Warning>,
}

/// How the cluster can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Not yet.
    #[default]
    Connecting,
    /// Lines come.
    Live,
    /// No longer; since when (our clock) and why.
    Down(i64, String),
    /// The scheduler answers and does not let us in; since when (our clock), and what it says.
    Unauthorised(i64, String),
}

/// A filter as typed and as it works.
#[derive(Clone, Debug, Default)]
pub struct FilterBox {
    /// The text of the filter that works.
    pub text: String,
    /// It.
    pub filter: Filter,
    /// What is wrong with what is being typed; the last good one goes on working.
    pub error: Option<String>,
}

/// What a view keeps besides its rows.
#[derive(Clone, Debug, Default)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// A directory, once read.
    Directory(Option<Vec<FileEntry>>),
    /// Output of processes.
    Logs(Box<Logs>),
    /// A file.
    File(Box<Pane>),
}

/// One view in the history.
#[derive(Clone, Debug)]
pub struct View {
    /// What it shows.
    pub place: Place,
    /// Its filter.
    pub filter: FilterBox,
    /// Its order; none: the view's own.
    pub sort: Option<Sort>,
    /// The selected row's identity.
    pub selected: Option<String>,
    /// Where that row was when it was last there.
    pub index: usize,
    /// The first row on the screen.
    pub top: usize,
    /// Marked rows.
    pub marks: BTreeSet<String>,
    /// The row that was marked last: a range of marks begins there.
    pub anchor: Option<String>,
    /// Whether only problems are shown.
    pub problems: bool,
    /// What else it keeps.
    pub detail: Detail,
    /// What the observer tells of the task that the view is about.
    pub task: Option<TaskInfo>,
    /// What it used over the last hour, where the observer tells.
    pub history: Option<TaskHistory>,
    /// Why that is missing.
    pub trouble: Option<String>,
    /// What is here of a table that is too large to be held.
    pub paging: Paging,
}

impl View {
    /// A fresh view.
    pub fn new(place: Place) -> View {
        let detail = match &place {
            Place::Sandbox(..) => Detail::Directory(None),
            Place::Logs(task, process) => {
                Detail::Logs(Box::new(Logs::of_task(&task.task, process.clone())))
            }
            Place::Tails(_, _, process) => Detail::Logs(Box::new(Logs {
                process: process.clone(),
                merged: Some(Box::default()),
                ..Logs::default()
            })),
            Place::File(..) => Detail::File(Box::default()),
            // Of a text that was written as a whole, what is around a match matters.
            place if place.is_sheet() => Detail::File(Box::new(Pane {
                search: true,
                ..Pane::default()
            })),
            _ => Detail::None,
        };
        View {
            place,
            filter: FilterBox::default(),
            sort: None,
            selected: None,
            index: 0,
            top: 0,
            marks: BTreeSet::new(),
            anchor: None,
            problems: false,
            detail,
            task: None,
            history: None,
            trouble: None,
            paging: Paging::default(),
        }
    }

    /// The pane that has the keys, in views of text.
    pub fn pane_mut(&mut self) -> Option<&mut Pane> {
        match &mut self.detail {
            Detail::Logs(logs) => logs.pane_mut(),
            Detail::File(pane) => Some(pane),
            Detail::None | Detail::Directory(_) => None,
        }
    }

    /// The same to look at.
    pub fn pane(&self) -> Option<&Pane> {
        match &self.detail {
            Detail::Logs(logs) => logs.pane(),
            Detail::File(pane) => Some(pane),
            Detail::None | Detail::Directory(_) => None,
        }
    }
}

/// A line in which one types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// What was typed.
    pub text: String,
    /// Cursor, in characters.
    pub cursor: usize,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Place in the history, counted from the newest; none: a new line.
    pub recalled: Option<usize>,
}

impl Input {
    /// A line with this text, the cursor at its end.
    pub fn of(text: &str) -> Input {
        Input {
            text: text.to_owned(),
            cursor: text.chars().count(),
            ..Input::default()
        }
    }
}

/// What the keys do at this moment.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// The key map.
    #[default]
    Normal,
    /// A command is typed.
    Prompt(Input),
    /// A filter is typed; the text goes back to this one on escape.
    Filter(Input, String),
    /// A list of actions; which is selected.
    Menu(usize),
    /// A question before a change; what was typed so far.
    Confirm(Box<Plan>, Input, Option<String>),
    /// Fields that make up a command line.
    Form(Box<Form>),
    /// Whether a local cluster shall go on when the workbench ends; whether `stop` is selected.
    Leave(bool),
}

/// How news weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// News.
    Info,
    /// A change that was verified.
    Good,
    /// To look at.
    Warn,
    /// A failure.
    Bad,
}

/// Something to tell, on the bottom line until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its weight.
    pub level: Level,
    /// Its text; safe for a screen.
    pub text: String,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct State {
    /// What does not change.
    pub setup: Setup,
    /// Terminal size in columns and rows.
    pub size: (u16, u16),
    /// Our clock, as last told.
    pub now_ms: i64,
    /// The cluster.
    pub store: Store,
    /// What the feed told in the past hour.
    pub past: Past,
    /// The moment that is looked at, unless it is now; `store` is of then.
    pub looking: Option<Looking>,
    /// The connection.
    pub link: LinkState,
    /// When a line last came, our clock.
    pub heard_ms: i64,
    /// Since when another scheduler leads, our clock; forgotten after a while.
    pub redirected_ms: Option<i64>,
    /// The view on the screen.
    pub view: View,
    /// Views to go back to, the last one last.
    pub back: Vec<View>,
    /// Views that `back` has left, the last one last.
    pub forward: Vec<View>,
    /// Tabs and panes; what the one with the keys shows is in `view`.
    pub layout: Layout,
    /// Layouts by name, as their files are.
    pub layouts: BTreeMap<String, String>,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// Whether another cluster is on the screen: then nothing that panes show is followed.
    pub hidden: bool,
    /// All clusters that are open, this one among them; none: it is the only one.
    pub peers: Vec<Peer>,
    /// Links by the names under which they were kept.
    pub bookmarks: BTreeMap<String, String>,
    /// The view before this one, for `previous`.
    pub previous: Option<Place>,
    /// What keys do.
    pub mode: Mode,
    /// Keys of a sequence so far.
    pub pressed: Vec<Key>,
    /// News.
    pub notice: Option<Notice>,
    /// Running watches by generation.
    pub watches: BTreeMap<u64, Watch>,
    /// Which pane wants what a watch finds; the others are for all.
    pub(crate) owners: BTreeMap<u64, u32>,
    /// Topics that were asked for.
    pub topics: BTreeSet<String>,
    /// The next generation or change number.
    pub next_id: u64,
    /// Changes, oldest first.
    pub changes: Vec<Change>,
    /// Maintenance in rounds, while it goes on or stands still.
    pub campaign: Option<Campaign>,
    /// A change whose job's tasks are not here yet.
    pub awaiting: Option<Request>,
    /// Commands about an instance whose task is not here yet.
    pub(crate) sought: Option<Sought>,
    /// The journal, oldest first.
    pub journal: Vec<Entry>,
    /// Lines typed at the prompt, oldest first.
    pub history: Vec<String>,
    /// Whether the examples are being created.
    pub launching: bool,
    /// Files that are being written.
    pub saving: usize,
    /// The command line that creates an example, for another terminal; it is looked for on an empty cluster only.
    pub create_line: Option<String>,
    /// Whether it was looked for.
    pub suggested: bool,
    /// Updates whose end is told.
    pub(crate) followed: Vec<Followed>,
    /// When a failure was last told, our clock.
    pub(crate) failure_told_ms: i64,
    /// Whether the last key was `cancel`.
    pub cancelled: bool,
    /// Counts changes of what tables are made of.
    pub(crate) revision: u64,
    /// The table on the screen.
    pub(crate) cache: Cache,
}

impl State {
    /// A workbench that knows nothing yet.
    pub fn new(setup: Setup, size: (u16, u16), now_ms: i64) -> State {
        State {
            setup,
            size,
            now_ms,
            store: Store::default(),
            past: Past::default(),
            looking: None,
            link: LinkState::Connecting,
            heard_ms: now_ms,
            redirected_ms: None,
            view: View::new(Place::Jobs),
            back: Vec::new(),
            forward: Vec::new(),
            layout: Layout::default(),
            layouts: BTreeMap::new(),
            mouse: false,
            hidden: false,
            peers: Vec::new(),
            bookmarks: BTreeMap::new(),
            previous: None,
            mode: Mode::Normal,
            pressed: Vec::new(),
            notice: None,
            watches: BTreeMap::new(),
            owners: BTreeMap::new(),
            topics: BTreeSet::new(),
            next_id: 1,
            changes: Vec::new(),
            campaign: None,
            awaiting: None,
            sought: None,
            journal: Vec::new(),
            history: Vec::new(),
            launching: false,
            saving: 0,
            create_line: None,
            suggested: false,
            followed: Vec::new(),
            failure_told_ms: i64::MIN / 2,
            cancelled: false,
            revision: 0,
            cache: Cache::default(),
        }
    }

    /// The server's clock, at the moment that is looked at.
    pub fn server_now_ms(&self) -> i64 {
        let now_ms = match &self.looking {
            Some(looking) => looking.at_ms,
            None => self.now_ms,
        };
        now_ms + self.store.clock_offset_ms
    }

    /// How long ago something happened by the server's clock. Not for cells of tables, which take
    /// [`Age::Since`](crate::table::Age::Since): tables are not computed again because time goes by.
    pub fn elapsed_ms(&self, server_ms: i64) -> i64 {
        self.server_now_ms() - server_ms
    }

    /// Whether commands wait for a task that they are about.
    pub fn is_seeking(&self) -> bool {
        self.sought.is_some()
    }

    /// Whether the mouse is to be ours at this moment: views of text leave it to the terminal.
    pub fn wants_mouse(&self) -> bool {
        self.mouse && self.view.pane().is_none()
    }

    /// Says that something changed of which tables are made. Time, the selection and marks are not among it.
    pub(crate) fn touch(&mut self) {
        self.revision += 1;
    }

    /// The address of the view on the screen.
    pub fn link_here(&self) -> Link {
        Link {
            at_ms: self.looking.as_ref().map(|_| self.server_now_ms()),
            ..self.link_of(&self.view)
        }
    }

    /// The address of a view, now.
    pub(crate) fn link_of(&self, view: &View) -> Link {
        Link {
            cluster: self.setup.cluster.clone(),
            place: view.place.clone(),
            filter: view.filter.text.clone(),
            sort: view.sort.as_ref().map_or_else(String::new, Sort::show),
            at_ms: None,
            layout: String::new(),
        }
    }

    /// What the view on the screen still waits for; nothing: it is complete.
    pub fn waiting_for(&self) -> Option<String> {
        if self.looking.is_some() {
            return None;
        }
        if !self.store.is_whole(crate::store::SUMMARY) {
            return Some("the cluster's summary".to_owned());
        }
        if let Some(request) = &self.awaiting {
            return Some(match request.wish.job() {
                Some(job) => format!("the tasks of {job}"),
                None => "what the change is about".to_owned(),
            });
        }
        if let Some(sought) = &self.sought {
            return Some(format!("the tasks of {}", sought.job));
        }
        let topics = follow::topics(self);
        let is_open = |topic: &String| !self.store.is_whole(topic) && !self.store.is_denied(topic);
        if self.is_told() && topics.iter().any(is_open) {
            return Some(match (&self.view.place, self.view.place.job()) {
                (_, Some(job)) => format!("the tasks of {job}"),
                (Place::Host(host), None) => format!("the tasks of {host}"),
                (place, None) => format!("the {} of the cluster", place.view()),
            });
        }
        let is_awaited = |peer: &&Peer| match peer.link {
            PeerLink::Connecting => true,
            PeerLink::Live => peer.counts.is_none(),
            PeerLink::Stale | PeerLink::Down | PeerLink::Unauthorised => false,
        };
        if self.view.place == Place::Clusters
            && let Some(peer) = self.peers.iter().find(is_awaited)
        {
            return Some(format!("the summary of {}", peer.name));
        }
        if self.view.trouble.is_some() {
            return None;
        }
        if pages::is_loading(self) {
            return Some(format!("these rows of the {}", self.view.place.view()));
        }
        if self.is_told()
            && let Some(question) = self.unanswered().next()
        {
            return Some(question.describe().to_owned());
        }
        let has_host = |task: &str| {
            let task = self.store.tasks.get(task);
            task.is_some_and(|task| task.host.is_some())
        };
        let on_host = match (self.view.place.task(), &self.view.detail) {
            (Some(task), _) => has_host(&task.task),
            (None, Detail::Logs(logs)) => logs.tails.iter().any(|tail| has_host(&tail.task)),
            (None, _) => false,
        };
        if !on_host {
            return None;
        }
        let ready = match &self.view.detail {
            Detail::Directory(entries) => entries.is_some(),
            Detail::File(pane) => pane.read || pane.trouble.is_some(),
            Detail::Logs(logs) => logs.tails.iter().all(|tail| tail.is_ready()),
            Detail::None => !matches!(self.view.place, Place::Task(_)) || self.view.task.is_some(),
        };
        (!ready).then(|| "the host's observer".to_owned())
    }

    /// What the view asks and has no answer to yet.
    fn unanswered(&self) -> impl Iterator<Item = Question> {
        let questions = self.view.place.questions().into_iter();
        questions.filter(|question| self.store.answers.get(question).is_none())
    }

    /// Whether this scheduler's feed tells what the view shows, as far as is known.
    pub(crate) fn is_told(&self) -> bool {
        let least = self.view.place.since_version();
        self.store.version.is_none_or(|version| version >= least)
    }
}
