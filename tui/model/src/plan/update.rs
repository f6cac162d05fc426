//! Steering an update that goes on.

use aurora_api::job_key::JobPath;
use aurora_api::model::JobUpdateStatus;

use super::{Planned, Wish, own_cli};
use crate::actions::Action;
use crate::store::Store;

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its job.
    pub job: JobPath,
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: JobUpdateStatus,
}

/// Whether an action can be done to an update in this status (aurora:
/// `src/main/java/org/apache/aurora/scheduler/updater/JobUpdateStateMachine.java`).
fn fits(action: Action, status: JobUpdateStatus) -> bool {
    use JobUpdateStatus::*;
    let awaits_pulse = matches!(status, RollForwardAwaitingPulse | RollBackAwaitingPulse);
    let goes_on = matches!(status, RollingForward | RollingBack);
    let paused = matches!(status, RollForwardPaused | RollBackPaused);
    match action {
        Action::UpdatePause => goes_on || awaits_pulse,
        Action::UpdateResume => paused,
        Action::UpdateRollback => matches!(
            status,
            RollingForward | RollForwardPaused | RollForwardAwaitingPulse
        ),
        Action::UpdateAbort => goes_on || paused || awaits_pulse,
        Action::UpdatePulse => goes_on || awaits_pulse,
        _ => false,
    }
}

/// Whether the status is what the action leads to.
fn led_to(action: Action, status: JobUpdateStatus) -> bool {
    use JobUpdateStatus::*;
    match action {
        Action::UpdatePause => matches!(status, RollForwardPaused | RollBackPaused),
        Action::UpdateResume => !matches!(status, RollForwardPaused | RollBackPaused),
        Action::UpdateRollback => matches!(
            status,
            RollingBack | RollBackPaused | RollBackAwaitingPulse | RolledBack
        ),
        Action::UpdateAbort => status == Aborted,
        Action::UpdatePulse => !matches!(status, RollForwardAwaitingPulse | RollBackAwaitingPulse),
        _ => false,
    }
}

impl Update {
    /// The update of a job that goes on.
    pub(super) fn resolve(store: &Store, action: Action, job: &JobPath) -> Result<Update, String> {
        let name = action.name();
        let record = store
            .updates
            .values()
            .find(|update| update.job == *job && update.status.is_active())
            .ok_or_else(|| format!("cannot {name} {job}: no update of it goes on"))?;
        if !fits(action, record.status) {
            return Err(format!(
                "cannot {name} {job}: its update is {}",
                record.status
            ));
        }
        Ok(Update {
            job: job.clone(),
            id: record.id.clone(),
            status: record.status,
        })
    }
}

impl Planned for Update {
    fn wish(&self) -> Wish {
        Wish::Update(self.job.clone())
    }

    fn object(&self) -> String {
        format!("{} update {}", self.job, self.id)
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.job)
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let sentence = match action {
            Action::UpdatePause => "The update stops where it is until it is resumed.",
            Action::UpdateResume => "The update goes on.",
            Action::UpdateRollback => "Instances that were updated go back to what they were.",
            Action::UpdatePulse => {
                "The update hears that all is well, and goes on until its next pulse is due."
            }
            _ => "The update ends where it is: some instances stay new, others old.",
        };
        vec![sentence.to_owned(), format!("It is {} now.", self.status)]
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        match action {
            Action::UpdatePulse => own_cli(action, cluster, &self.job.to_string()),
            _ => {
                let words = action.name().replace('-', " ");
                format!("aurora {words} {cluster}/{}", self.job)
            }
        }
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let now = store
            .update(&self.job, &self.id)
            .map(|update| update.status);
        (now != Some(self.status)).then(|| "the update has another status now".to_owned())
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        match store.update(&self.job, &self.id) {
            Some(update) if led_to(action, update.status) => None,
            Some(update) => Some(format!("the update is {}", update.status)),
            None => Some("the update is gone".to_owned()),
        }
    }
}
