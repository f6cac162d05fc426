//! Hearing of changed directories from the kernel, so that nothing has to be looked at that has not changed.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// What a watched directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The agent's own directories, above the runs.
    Tree,
    /// The directory of this run, and those in it.
    Run(PathBuf),
}

/// What has changed since the last question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Runs may have come or gone.
    pub(crate) tree: bool,
    /// These runs have changed.
    pub(crate) runs: BTreeSet<PathBuf>,
    /// Anything may have changed: the kernel had more to tell than it keeps.
    pub(crate) everything: bool,
}

/// Watches on directories. Where the kernel refuses one, [`Watches::is_complete`] says so, and looking must not rest on news.
pub(crate) struct Watches {
    inotify: Option<Inotify>,
    subjects: HashMap<WatchDescriptor, Subject>,
    by_run: HashMap<PathBuf, Vec<WatchDescriptor>>,
    refused: bool,
}

impl Watches {
    pub(crate) fn new() -> Watches {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        if let Err(error) = &inotify {
            tracing::warn!(%error, "no inotify; every request looks at all tasks");
        }
        Watches {
            refused: inotify.is_err(),
            inotify: inotify.ok(),
            subjects: HashMap::new(),
            by_run: HashMap::new(),
        }
    }

    /// Whether every directory that was to be watched is.
    pub(crate) fn is_complete(&self) -> bool {
        !self.refused
    }

    pub(crate) fn count(&self) -> usize {
        self.subjects.len()
    }

    /// Watches a directory from now on, *before* it is read. One that is not there is passed over: its parent is watched.
    pub(crate) fn add(&mut self, directory: &Path, subject: &Subject) {
        let Some(inotify) = &self.inotify else {
            return;
        };
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR
            | AddWatchFlags::IN_DONT_FOLLOW;
        match inotify.add_watch(directory, flags) {
            Ok(descriptor) => {
                let known = self.subjects.insert(descriptor, subject.clone());
                if let (None, Subject::Run(run)) = (known, subject) {
                    self.by_run.entry(run.clone()).or_default().push(descriptor);
                }
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(directory = %directory.display(), %error,
                        "cannot watch a directory (see fs.inotify.max_user_watches); every request looks at all tasks");
                }
            }
        }
    }

    /// Watches the directories of a run no more.
    pub(crate) fn forget(&mut self, run: &Path) {
        for descriptor in self.by_run.remove(run).unwrap_or_default() {
            self.subjects.remove(&descriptor);
            if let Some(inotify) = &self.inotify
                && let Err(error) = inotify.rm_watch(descriptor)
                && error != Errno::EINVAL
            {
                // EINVAL: the directory is gone, and its watch with it.
                tracing::debug!(run = %run.display(), %error, "cannot remove a watch");
            }
        }
    }

    /// What has happened since the last call.
    pub(crate) fn news(&mut self) -> News {
        let mut news = News::default();
        let Some(inotify) = &self.inotify else {
            return news;
        };
        loop {
            let events = match inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return news,
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    tracing::warn!(%error, "cannot hear of changes");
                    news.everything = true;
                    return news;
                }
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    news.everything = true;
                    continue;
                }
                match self.subjects.get(&event.wd) {
                    Some(Subject::Tree) => news.tree = true,
                    Some(Subject::Run(run)) => {
                        news.runs.insert(run.clone());
                    }
                    None => {}
                }
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.subjects.remove(&event.wd);
                }
            }
        }
    }
}
