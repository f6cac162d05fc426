//! Changing the cluster: resolve → plan → confirm → send → verify → journal.

use serde::{Deserialize, Serialize};

use crate::place::Place;

pub use crate::plan::{
    Backup, Cron, Ended, Forced, HostTarget, Hosts, Instances, JobOfFile, Plan, PlannedRounds,
    Quota, Reconciliation, Request, Subject, Target, Update, Wish,
};

/// What kind of object an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instances of a job.
    Instances,
    /// A cron job.
    Cron,
    /// A job's update that goes on.
    Update,
    /// Hosts.
    Hosts,
    /// Hosts, group by group.
    Rounds,
    /// A role.
    Role,
    /// One task.
    Task,
    /// Ended tasks of a job.
    Ended,
    /// A job of a job file.
    File,
    /// A cron job of a job file.
    CronFile,
    /// The whole cluster.
    Cluster,
    /// Backups of the scheduler's state.
    Backup,
}

macro_rules! actions {
    ($($variant:ident $name:literal $letter:literal $kind:ident $doc:literal;)*) => {
        /// What is done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action {
            $(#[doc = $doc] $variant,)*
        }

        impl Action {
            /// Every action with its letter in the list of actions.
            pub const ALL: &'static [(Action, char)] = &[$((Action::$variant, $letter),)*];

            /// Its command.
            pub fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }

            /// What it is done to.
            pub fn kind(self) -> Kind {
                match self { $(Action::$variant => Kind::$kind,)* }
            }

            /// The action of a command.
            pub fn named(name: &str) -> Option<Action> {
                match name { $($name => Some(Action::$variant),)* _ => None }
            }
        }
    };
}

actions! {
    Kill "kill" 'K' Instances "Instances end for good.";
    Restart "restart" 'R' Instances "Instances end and are started again.";
    CronStart "cron-start" 'S' Cron "A cron job is launched now.";
    CronDeschedule "cron-deschedule" 'D' Cron "A cron job loses its schedule.";
    CronSchedule "cron-schedule" 'H' CronFile "A cron job becomes what a job file says.";
    JobCreate "job-create" 'N' File "A job of a job file is created.";
    UpdateStart "update-start" 'U' File "A job becomes what a job file says, step by step.";
    UpdatePause "update-pause" 'P' Update "An update stops until it is resumed.";
    UpdateResume "update-resume" 'C' Update "A paused update goes on.";
    UpdateRollback "update-rollback" 'B' Update "An update is turned around.";
    UpdateAbort "update-abort" 'A' Update "An update ends where it is.";
    UpdatePulse "update-pulse" 'L' Update "An update that waits for a pulse gets one.";
    HostMaintenance "host-maintenance" 'M' Hosts "Hosts get new tasks only where nothing else is free.";
    HostDrain "host-drain" 'D' Hosts "Tasks leave the hosts, and no new ones come.";
    HostActivate "host-activate" 'V' Hosts "Hosts take tasks again.";
    HostRounds "host-rounds" 'G' Rounds "Hosts are drained group by group.";
    QuotaSet "quota-set" 'Q' Role "A role gets another quota.";
    TaskForce "task-force" 'F' Task "A task is taken for something else.";
    Prune "prune" 'X' Ended "Ended tasks of a job are forgotten.";
    ReconcileExplicit "reconcile-explicit" 'E' Cluster "Mesos is asked for each task.";
    BackupPerform "backup-perform" 'B' Backup "The scheduler's state is written into a backup.";
    BackupStage "backup-stage" 'S' Backup "A backup is loaded, to be looked at.";
    BackupDelete "backup-delete" 'X' Backup "Tasks of a job leave the staged backup.";
    BackupUnload "backup-unload" 'U' Backup "The staged backup is dropped.";
    BackupCommit "backup-commit" 'C' Backup "The scheduler's state becomes the staged backup.";
    ReconcileImplicit "reconcile-implicit" 'I' Cluster "Mesos is asked for all tasks that it has.";
}

impl Action {
    /// How long it may take until it is reported as not (yet) verified, in milliseconds.
    pub fn verify_ms(self) -> i64 {
        match self {
            // Tasks may take minutes to end one after the other.
            Action::HostDrain => 30 * 60_000,
            _ => 60_000,
        }
    }
}

/// What has to be typed for a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The key `y`.
    Yes,
    /// This text and enter.
    Type(String),
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// On its way.
    Sent,
    /// The scheduler took it; what follows is read from the cluster.
    Accepted,
    /// Read back and seen.
    Confirmed,
    /// Accepted, but after [`Action::verify_ms`] not everything has happened.
    NotYet(String),
    /// The scheduler said no.
    Refused(String),
    /// The scheduler said yes and had nothing to do.
    NoEffect(String),
    /// No answer came: it may have happened or not.
    Unknown(String),
}

impl Progress {
    /// The word for it, as in the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Progress::Sent => "sent",
            Progress::Accepted => "accepted",
            Progress::Confirmed => "confirmed",
            Progress::NotYet(_) => "not yet",
            Progress::Refused(_) => "refused",
            Progress::NoEffect(_) => "no effect",
            Progress::Unknown(_) => "unknown",
        }
    }

    /// What else there is to say.
    pub fn detail(&self) -> &str {
        match self {
            Progress::Sent | Progress::Accepted | Progress::Confirmed => "",
            Progress::NotYet(text)
            | Progress::Refused(text)
            | Progress::NoEffect(text)
            | Progress::Unknown(text) => text,
        }
    }

    /// Whether nothing more is awaited.
    pub fn is_over(&self) -> bool {
        !matches!(self, Progress::Sent | Progress::Accepted)
    }
}

/// A change that somebody said yes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number in this workbench.
    pub id: u64,
    /// What was asked.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    /// When it was sent, by our clock.
    pub sent_ms: i64,
    /// What was on the screen then.
    pub from: Place,
}

impl Change {
    /// One sentence on it.
    pub fn describe(&self) -> String {
        let what = format!("{} {}", self.plan.action.name(), self.plan.whole_object());
        match self.progress.detail() {
            "" => format!("{what}: {}", self.progress.word()),
            detail => format!("{what}: {}: {detail}", self.progress.word()),
        }
    }
}
