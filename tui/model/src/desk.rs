//! Several clusters in one workbench: a [`State`] for each, one of them on the screen.
//!
//! A state knows one cluster alone, so what is asked for, confirmed and sent in it can go nowhere else. What they share is
//! told from one to the others here.

use crate::event::{Effect, Event, Keepsake};
use crate::screen::{self, STALE_MS};
use crate::state::{Level, LinkState, Mode, Notice, State};
use crate::store::SUMMARY;
use crate::theme::Scope;
use crate::update::update;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A person, the terminal or the clock.
    Outside,
    /// What is followed of a cluster, by its place.
    Cluster(usize),
}

/// A cluster that is open, as the others show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// How its connection is, in a word without an age.
    pub link: Link,
    /// Since when it is so, where it is not well; our clock.
    pub since_ms: Option<i64>,
    /// What is on it, once its summary is whole.
    pub counts: Option<Counts>,
    /// Changes under way from here.
    pub changes: usize,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Not there yet.
    #[default]
    Connecting,
    /// It tells.
    Live,
    /// It has been silent.
    Stale,
    /// It is gone.
    Down,
    /// It lets us not in.
    Unauthorised,
}

impl Link {
    /// In a word, and how that is to be taken.
    pub fn word(self) -> (&'static str, Scope) {
        match self {
            Link::Connecting => ("connecting", Scope::LinkStale),
            Link::Live => ("live", Scope::LinkLive),
            Link::Stale => ("stale", Scope::LinkStale),
            Link::Down => ("down", Scope::LinkDown),
            Link::Unauthorised => ("unauthorised", Scope::LinkDown),
        }
    }
}

/// What is on a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs.
    pub jobs: usize,
    /// Jobs that are not as they should be; none where the jobs are too many to be told.
    pub problems: Option<usize>,
    /// Tasks that are active, likewise.
    pub active: Option<u64>,
    /// Updates that go on.
    pub updates: usize,
    /// Hosts.
    pub hosts: usize,
    /// Hosts in maintenance, likewise.
    pub maintenance: Option<usize>,
}

fn peer(state: &State) -> Peer {
    let silent = state.now_ms - state.heard_ms;
    let (link, since_ms) = match &state.link {
        LinkState::Connecting => (Link::Connecting, None),
        LinkState::Live if silent > STALE_MS => (Link::Stale, Some(state.heard_ms)),
        LinkState::Live => (Link::Live, None),
        LinkState::Down(since, _) => (Link::Down, Some(*since)),
        LinkState::Unauthorised(since, _) => (Link::Unauthorised, Some(*since)),
    };
    let open = state.changes.iter();
    Peer {
        name: state.setup.cluster.clone(),
        link,
        since_ms,
        counts: None,
        changes: open.filter(|change| !change.progress.is_over()).count(),
    }
}

/// All clusters of a workbench.
#[derive(Debug)]
pub struct Desk {
    states: Vec<State>,
    at: usize,
    /// What was counted on each, and at which revision.
    counted: Vec<Option<(u64, Counts)>>,
}

impl Desk {
    /// A workbench on one cluster.
    pub fn new(state: State) -> Desk {
        Desk {
            states: vec![state],
            at: 0,
            counted: vec![None],
        }
    }

    /// The cluster on the screen.
    pub fn state(&self) -> &State {
        &self.states[self.at]
    }

    /// The same to work on.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.states[self.at]
    }

    /// The place of the cluster on the screen.
    pub fn at(&self) -> usize {
        self.at
    }

    /// All of them, in the order in which they were opened.
    pub fn states_mut(&mut self) -> impl Iterator<Item = &mut State> {
        self.states.iter_mut()
    }

    /// Opens another cluster beside the others; its place. It is not shown yet.
    pub fn add(&mut self, mut state: State) -> usize {
        let here = self.state();
        state.size = here.size;
        state.mouse = here.mouse;
        state.journal = here.journal.clone();
        state.hidden = true;
        self.states.push(state);
        self.counted.push(None);
        self.settle();
        self.states.len() - 1
    }

    /// Takes in an event, and says what is to be done for which cluster.
    pub fn update(&mut self, of: Of, event: Event) -> Vec<(usize, Effect)> {
        match (of, &event) {
            (Of::Outside, Event::Tick(_) | Event::Resize(..) | Event::Journal(_)) => {
                let all = 0..self.states.len();
                all.flat_map(|at| self.one(at, event.clone())).collect()
            }
            (Of::Outside, _) => self.one(self.at, event),
            (Of::Cluster(at), _) if at < self.states.len() => self.one(at, event),
            (Of::Cluster(_), _) => Vec::new(),
        }
    }

    fn one(&mut self, at: usize, event: Event) -> Vec<(usize, Effect)> {
        let asked = self.is_asking(at);
        let effects = update(&mut self.states[at], event);
        if at != self.at {
            self.tell_of(at, !asked && self.is_asking(at));
        }
        let mut out = Vec::new();
        for effect in effects {
            self.share(at, &effect);
            match effect {
                Effect::Cluster { name, then } => out.extend(self.turn_to(at, name, then)),
                effect => out.push((at, effect)),
            }
        }
        out
    }

    fn is_asking(&self, at: usize) -> bool {
        matches!(self.states[at].mode, Mode::Confirm(..))
    }

    /// What comes up on a cluster that is not on the screen is told on the one that is.
    fn tell_of(&mut self, at: usize, asks: bool) {
        let state = &mut self.states[at];
        let name = state.setup.cluster.clone();
        let weighty = state
            .notice
            .take()
            .filter(|notice| notice.level != Level::Info);
        let asks = asks.then(|| Notice {
            level: Level::Warn,
            text: "a question waits for its answer".to_owned(),
        });
        if let Some(notice) = weighty.or(asks) {
            self.states[self.at].notice = Some(Notice {
                text: format!("{name}: {}", notice.text),
                ..notice
            });
        }
    }

    /// What is kept for all clusters is known to all.
    fn share(&mut self, from: usize, effect: &Effect) {
        let states = self.states.iter_mut().enumerate();
        for (_, state) in states.filter(|(at, _)| *at != from) {
            match effect {
                Effect::Record(entry) => state.journal.push(entry.clone()),
                Effect::Keep(Keepsake::Bookmarks(links)) => state.bookmarks.clone_from(links),
                Effect::Keep(Keepsake::Layout(name, text)) => {
                    state.layouts.insert(name.clone(), text.clone());
                }
                _ => continue,
            }
            state.touch();
        }
    }

    /// Shows a cluster that is open, and runs what is to be run there. One that is not is left to be opened.
    fn turn_to(&mut self, from: usize, name: String, then: Option<String>) -> Vec<(usize, Effect)> {
        let mut states = self.states.iter();
        match states.position(|state| state.setup.cluster == name) {
            Some(at) => self.show(at, then),
            None => vec![(from, Effect::Cluster { name, then })],
        }
    }

    /// Shows a cluster by its place, and runs what is to be run there.
    pub fn show(&mut self, at: usize, then: Option<String>) -> Vec<(usize, Effect)> {
        let left = std::mem::replace(&mut self.at, at);
        let (now_ms, size, mouse) = (
            self.states[left].now_ms,
            self.states[left].size,
            self.states[left].mouse,
        );
        let mut out = Vec::new();
        if left != at {
            self.states[left].hidden = true;
            self.states[left].notice = None;
            let state = &mut self.states[at];
            (state.hidden, state.size, state.mouse) = (false, size, mouse);
            // What is no longer shown is no longer followed, and the other way around.
            out.extend(self.one(left, Event::Tick(now_ms)));
            out.extend(self.one(at, Event::Tick(now_ms)));
            self.settle();
        }
        if let Some(line) = then {
            out.extend(self.one(at, Event::Run(line)));
        }
        out
    }

    /// Tells the cluster on the screen of the others. Call it before drawing.
    pub fn settle(&mut self) {
        let counts = screen::shows_clusters(self.state());
        if self.states.len() < 2 && !counts {
            return;
        }
        let peers = (0..self.states.len()).map(|at| Peer {
            counts: counts.then(|| self.counts(at)).flatten(),
            ..peer(&self.states[at])
        });
        let peers: Vec<Peer> = peers.collect();
        let state = self.state_mut();
        if state.peers != peers {
            state.peers = peers;
            state.touch();
        }
    }

    /// Counted anew only when something on the cluster has changed.
    fn counts(&mut self, at: usize) -> Option<Counts> {
        let state = &self.states[at];
        if !state.store.is_whole(SUMMARY) {
            return None;
        }
        let known = self.counted[at].filter(|(revision, _)| *revision == state.revision);
        let (_, counts) = known.unwrap_or_else(|| (state.revision, count(state)));
        // The states' own news of each other change their revision, and nothing that is counted.
        self.counted[at] = Some((state.revision, counts));
        Some(counts)
    }
}

fn count(state: &State) -> Counts {
    let jobs = || state.store.jobs.values();
    let hosts = || state.store.hosts.values();
    let size = |table| {
        let size = state.store.size(table).filter(|size| !size.told);
        size.and_then(|size| usize::try_from(size.rows).ok())
    };
    let (many_jobs, many_hosts) = (size("jobs"), size("hosts"));
    let updating = state
        .store
        .counts
        .as_ref()
        .map_or(0, |counts| counts.updating);
    let all_jobs = || many_jobs.is_none();
    Counts {
        jobs: many_jobs.unwrap_or_else(|| jobs().count()),
        problems: all_jobs().then(|| jobs().filter(|job| crate::views::is_problem(job)).count()),
        active: all_jobs().then(|| jobs().map(|job| u64::from(job.active)).sum()),
        updates: match many_jobs {
            Some(_) => usize::try_from(updating).unwrap_or(usize::MAX),
            None => jobs().filter(|job| job.update.is_some()).count(),
        },
        hosts: many_hosts.unwrap_or_else(|| hosts().count()),
        maintenance: many_hosts.is_none().then(|| {
            hosts()
                .filter(|host| host.mode != aurora_api::model::MaintenanceMode::None)
                .count()
        }),
    }
}
