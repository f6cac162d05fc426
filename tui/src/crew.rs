//! The clusters of a workbench with what works for each: its connections, its look, its files.

use std::path::PathBuf;
use std::pin::Pin;

use aurora_tui_model::desk::{Desk, Of};
use aurora_tui_model::event::{Effect, Event};
use aurora_tui_model::state::State;
use aurora_tui_model::update::{configure, settle};
use futures_util::future::FutureExt;
use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use tokio::sync::mpsc;

use crate::config::{Env, Loaded, Wanted};
use crate::data::{Data, Wish};
use crate::paint::Look;

/// What comes from a cluster, with its place.
type Heard = Pin<Box<dyn Stream<Item = (usize, Event)> + Send>>;

/// Opens another cluster by its name; the error says why it cannot.
pub(crate) type Opener = Box<dyn Fn(&str) -> Result<Member, String> + Send>;

/// A cluster, and what works for it.
pub(crate) struct Member {
    pub(crate) state: State,
    pub(crate) data: Data,
    pub(crate) heard: mpsc::Receiver<Event>,
    pub(crate) look: Look,
    /// What its look and keys were asked for by, and were read from; none: they stay as they are.
    pub(crate) loaded: Option<(Wanted, Loaded)>,
    /// The state directory of a local cluster.
    pub(crate) state_dir: Option<PathBuf>,
}

/// What is left of a member when its state is on the desk.
struct Works {
    data: Data,
    look: Look,
    loaded: Option<(Wanted, Loaded)>,
    state_dir: Option<PathBuf>,
}

/// All of them.
pub(crate) struct Crew {
    desk: Desk,
    works: Vec<Works>,
    heard: SelectAll<Heard>,
    opener: Option<Opener>,
}

fn split(member: Member) -> (State, Works, mpsc::Receiver<Event>) {
    let works = Works {
        data: member.data,
        look: member.look,
        loaded: member.loaded,
        state_dir: member.state_dir,
    };
    (member.state, works, member.heard)
}

fn tagged(at: usize, heard: mpsc::Receiver<Event>) -> Heard {
    Box::pin(stream::unfold(heard, move |mut heard| async move {
        let event = heard.recv().await?;
        Some(((at, event), heard))
    }))
}

impl Crew {
    /// A workbench that begins on one cluster.
    pub(crate) fn new(first: Member) -> Crew {
        let (state, works, heard) = split(first);
        let mut crew = Crew {
            desk: Desk::new(state),
            works: vec![works],
            heard: SelectAll::new(),
            opener: None,
        };
        crew.heard.push(tagged(0, heard));
        crew
    }

    /// With a way to open others.
    pub(crate) fn opening(mut self, opener: Opener) -> Crew {
        self.opener = Some(opener);
        self
    }

    /// Opens another cluster beside the others. It is not shown yet.
    pub(crate) fn add(&mut self, member: Member) -> usize {
        let (state, works, heard) = split(member);
        let at = self.desk.add(state);
        self.works.push(works);
        self.heard.push(tagged(at, heard));
        at
    }

    /// The cluster on the screen.
    pub(crate) fn state(&self) -> &State {
        self.desk.state()
    }

    /// The same to work on.
    pub(crate) fn state_mut(&mut self) -> &mut State {
        self.desk.state_mut()
    }

    /// How it looks.
    pub(crate) fn look(&self) -> &Look {
        &self.works[self.desk.at()].look
    }

    /// The state directory of the one on the screen, when it is a local cluster.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        self.works[self.desk.at()].state_dir.clone()
    }

    /// Our clock; a recorded session has its own.
    pub(crate) fn now_ms(&self) -> i64 {
        self.works[self.desk.at()].data.now_ms()
    }

    /// Takes in an event and carries out what comes of it, as far as it can; the rest is for the terminal.
    pub(crate) fn take(&mut self, of: Of, event: Event) -> Vec<Wish> {
        let fault = match of {
            Of::Cluster(at) => self.works[at].data.heard(&event),
            Of::Outside => None,
        };
        let mut effects = self.desk.update(of, event);
        if let Some(fault) = fault {
            effects.extend(self.desk.update(of, fault));
        }
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<(usize, Effect)>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (at, effect) in effects {
            match effect {
                Effect::Cluster { name, then } => wishes.extend(self.open(&name, then)),
                effect => wishes.extend(self.works[at].data.carry_out(effect)),
            }
        }
        wishes
    }

    fn open(&mut self, name: &str, then: Option<String>) -> Vec<Wish> {
        let member = match &self.opener {
            Some(opener) => opener(name),
            None => Err(format!("the cluster `{name}` cannot be opened here")),
        };
        match member {
            Ok(member) => {
                let at = self.add(member);
                let mut effects = self.desk.update(Of::Outside, Event::Tick(self.now_ms()));
                effects.extend(self.desk.show(at, then));
                self.carry_out(effects)
            }
            Err(why) => self.take(Of::Outside, Event::Fault(why)),
        }
    }

    /// The next thing that is heard of a cluster; nothing: all is over.
    pub(crate) async fn next(&mut self) -> Option<(Of, Event)> {
        let (at, event) = self.heard.next().await?;
        Some((Of::Cluster(at), event))
    }

    /// What has been heard already.
    pub(crate) fn next_now(&mut self) -> Option<(Of, Event)> {
        self.next().now_or_never().flatten()
    }

    /// Brings the state in line with what is to be drawn.
    pub(crate) fn settle(&mut self) {
        self.desk.settle();
        settle(self.desk.state_mut());
    }

    /// Reads looks anew, as the terminal has told what it is like.
    pub(crate) fn relook(&mut self, env: &Env) {
        for works in &mut self.works {
            if let Some((wanted, _)) = &works.loaded {
                works.look = env.load(wanted).look;
            }
        }
    }

    /// Reads what has changed of the files of keys, looks and rules.
    pub(crate) fn reload(&mut self, env: &Env) {
        let states = self.desk.states_mut();
        for (works, state) in self.works.iter_mut().zip(states) {
            let Some((wanted, loaded)) = &mut works.loaded else {
                continue;
            };
            if !loaded.is_old() {
                continue;
            }
            let new = env.load(wanted);
            works.look = new.look.clone();
            configure(
                state,
                new.keymap.clone(),
                new.rules.clone(),
                new.warnings.clone(),
            );
            *loaded = new;
        }
    }
}
