//! Having Mesos tell what it knows of our tasks.

use super::{Planned, Wish};
use crate::actions::Action;
use crate::store::Store;
use crate::told::{Answer, Question};

/// A reconciliation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciliation {
    /// How many there had been; nothing where the scheduler does not tell.
    pub runs: Option<f64>,
    /// Active tasks of the cluster; nothing where its jobs are told in pages alone.
    pub tasks: Option<u64>,
}

/// How many reconciliations of this kind there have been.
fn runs(action: Action, store: &Store) -> Option<f64> {
    let name = match action {
        Action::ReconcileImplicit => "reconciliation_implicit_runs",
        _ => "reconciliation_explicit_runs",
    };
    match store.answers.get(&Question::Vars) {
        // A count that is not told yet is zero.
        Some(Answer::Vars(vars)) => Some(vars.get(name).copied().unwrap_or(0.0)),
        _ => None,
    }
}

impl Reconciliation {
    pub(super) fn resolve(store: &Store, action: Action) -> Reconciliation {
        Reconciliation {
            runs: runs(action, store),
            tasks: (!store.is_paged("jobs"))
                .then(|| store.jobs.values().map(|job| u64::from(job.active)).sum()),
        }
    }
}

impl Planned for Reconciliation {
    fn wish(&self) -> Wish {
        Wish::Reconcile
    }

    fn object(&self) -> String {
        "all tasks".to_owned()
    }

    fn label(&self) -> &'static str {
        "object"
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let tasks = self.tasks.map_or_else(
            || "each active task".to_owned(),
            |tasks| format!("each of the {tasks} active task(s)"),
        );
        let mut out = vec![match action {
            Action::ReconcileImplicit => {
                "Mesos is asked for the state of every task that it has of this scheduler."
                    .to_owned()
            }
            _ => format!("Mesos is asked for {tasks}, in batches."),
        }];
        out.push("Tasks that Mesos does not know are taken for lost and started again.".to_owned());
        out
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let kind = match action {
            Action::ReconcileImplicit => "implicit",
            _ => "explicit",
        };
        format!("aurora_admin reconcile_tasks --type={kind} {cluster}")
    }

    fn drift(&self, _store: &Store) -> Option<String> {
        None
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        match (self.runs, runs(action, store)) {
            (Some(before), Some(now)) if now > before => None,
            (None, _) | (_, None) => Some("the scheduler does not tell its counts".to_owned()),
            _ => Some("it has not begun".to_owned()),
        }
    }
}
