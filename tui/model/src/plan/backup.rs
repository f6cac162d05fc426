//! Backups of the scheduler's state, and the way back to one.

use std::collections::BTreeSet;

use super::{Planned, Wish, own_cli};
use crate::actions::Action;
use crate::store::Store;
use crate::told::{Answer, Backups, Question};

/// What is done with backups.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// The backup that is staged, or the job whose tasks leave the staged one.
    pub name: Option<String>,
    /// What there was.
    known: Backups,
}

fn known(store: &Store) -> Result<&Backups, String> {
    match store.answers.get(&Question::Backups) {
        Some(Answer::Backups(known)) => Ok(known),
        Some(Answer::None(why)) => Err(why.clone()),
        _ => Err("the scheduler does not tell its backups".to_owned()),
    }
}

/// What has to be there for an action.
fn against(action: Action, name: Option<&str>, known: &Backups) -> Option<String> {
    let staged = known.staged.as_ref();
    match (action, staged, name) {
        (Action::BackupPerform, ..) => None,
        (Action::BackupStage, Some(_), _) => {
            Some("another backup is staged; `backup-unload` drops it".to_owned())
        }
        (Action::BackupStage, None, None) => Some("which backup? write its name".to_owned()),
        (Action::BackupStage, None, Some(name)) if !known.names.contains(name) => {
            Some(format!("there is no backup `{name}`"))
        }
        (Action::BackupStage, None, Some(_)) => None,
        (_, None, _) => Some("no backup is staged; `backup-stage` loads one".to_owned()),
        (Action::BackupDelete, Some(_), None) => {
            Some("the tasks of which job? write ROLE/ENVIRONMENT/NAME".to_owned())
        }
        (Action::BackupDelete, Some(staged), Some(job)) if !staged.contains_key(job) => {
            Some(format!("the staged backup has no tasks of {job}"))
        }
        _ => None,
    }
}

impl Backup {
    pub(super) fn resolve(
        store: &Store,
        action: Action,
        name: Option<&str>,
    ) -> Result<Backup, String> {
        let known = known(store)?;
        match against(action, name, known) {
            Some(why) => Err(why),
            None => Ok(Backup {
                name: name.map(str::to_owned),
                known: known.clone(),
            }),
        }
    }

    /// Tasks of the staged backup; of the job that is named, where one is.
    pub fn tasks(&self) -> BTreeSet<String> {
        let staged = self.known.staged.iter().flatten();
        let jobs = staged.filter(|(job, _)| self.name.as_ref().is_none_or(|name| name == *job));
        jobs.flat_map(|(_, tasks)| tasks.iter().cloned()).collect()
    }
}

impl Planned for Backup {
    fn wish(&self) -> Wish {
        Wish::Backup(self.name.clone())
    }

    fn object(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => "the scheduler's state".to_owned(),
        }
    }

    fn label(&self) -> &'static str {
        "object"
    }

    fn always_typed(&self, action: Action) -> Option<String> {
        (action == Action::BackupCommit).then(|| self.tasks().len().to_string())
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let tasks = self.tasks().len();
        let jobs = self.known.staged.as_ref().map_or(0, |staged| staged.len());
        let sentences: &[String] = match action {
            Action::BackupPerform => {
                &["The scheduler writes its whole state into a backup.".into()]
            }
            Action::BackupStage => &[
                "The backup is loaded beside the state, to be looked at and changed.".into(),
                "The state stays as it is until it is committed.".into(),
            ],
            Action::BackupDelete => &[
                format!("{tasks} task(s) leave the staged backup."),
                "Tasks that run are not touched.".into(),
            ],
            Action::BackupUnload => &[
                format!("The staged backup of {tasks} task(s) is dropped."),
                "The state stays as it is.".into(),
            ],
            _ => &[
                format!(
                    "The whole state becomes that of the staged backup: {tasks} task(s) of {jobs} job(s)."
                ),
                "What happened since that backup is forgotten, and the scheduler starts anew."
                    .into(),
                "Tasks that run and are not in it are ended; those in it that do not run are lost."
                    .into(),
            ],
        };
        sentences.to_vec()
    }

    fn details(&self) -> Vec<String> {
        let staged = self.known.staged.iter().flatten();
        let jobs = staged.filter(|(job, _)| self.name.as_ref().is_none_or(|name| name == *job));
        jobs.map(|(job, tasks)| format!("{job}: {} task(s)", tasks.len()))
            .collect()
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        match action {
            Action::BackupPerform => format!("aurora_admin scheduler_backup_now {cluster}"),
            Action::BackupStage => {
                format!("aurora_admin scheduler_stage_recovery {cluster} {name}")
            }
            Action::BackupUnload => format!("aurora_admin scheduler_unload_recovery {cluster}"),
            Action::BackupCommit => format!("aurora_admin scheduler_commit_recovery {cluster}"),
            // There a task has to be named by its id.
            _ => own_cli(action, cluster, name),
        }
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let now = known(store).ok()?;
        (now.staged != self.known.staged).then(|| "what is staged has changed".to_owned())
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        let now = match known(store) {
            Ok(now) => now,
            Err(why) => return Some(why),
        };
        match (action, &now.staged) {
            (Action::BackupPerform, _) => now.names.is_subset(&self.known.names).then(|| {
                "no other backup is listed; one of the same minute takes another's place".to_owned()
            }),
            (Action::BackupStage, None) => Some("it is not staged".to_owned()),
            (Action::BackupDelete, Some(staged)) => {
                let job = self.name.as_ref().filter(|job| staged.contains_key(*job));
                job.map(|job| format!("the staged backup still has tasks of {job}"))
            }
            (Action::BackupUnload | Action::BackupCommit, Some(_)) => {
                Some("a backup is still staged".to_owned())
            }
            _ => None,
        }
    }
}
