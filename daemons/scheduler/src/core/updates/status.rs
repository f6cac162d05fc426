//! The statuses of an update, and what leads from one to another (aurora: `JobUpdateStateMachine.java`).

use aurora_api::model::JobUpdateStatus::{self, *};

/// Where an update is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the new configuration.
    Forward,
    /// To what was before.
    Back,
}

impl Direction {
    /// Of an active status.
    pub(super) const fn of(status: JobUpdateStatus) -> Option<Direction> {
        match status {
            RollingForward | RollForwardPaused | RollForwardAwaitingPulse => {
                Some(Direction::Forward)
            }
            RollingBack | RollBackPaused | RollBackAwaitingPulse => Some(Direction::Back),
            RolledForward | RolledBack | Aborted | Error | Failed => None,
        }
    }

    /// Of a status in which instances are changed.
    pub(super) const fn rolling_in(status: JobUpdateStatus) -> Option<Direction> {
        match status {
            RollingForward => Some(Direction::Forward),
            RollingBack => Some(Direction::Back),
            _ => None,
        }
    }

    pub(super) const fn rolling(self) -> JobUpdateStatus {
        match self {
            Direction::Forward => RollingForward,
            Direction::Back => RollingBack,
        }
    }

    pub(super) const fn paused(self) -> JobUpdateStatus {
        match self {
            Direction::Forward => RollForwardPaused,
            Direction::Back => RollBackPaused,
        }
    }

    pub(super) const fn awaiting_pulse(self) -> JobUpdateStatus {
        match self {
            Direction::Forward => RollForwardAwaitingPulse,
            Direction::Back => RollBackAwaitingPulse,
        }
    }

    pub(super) const fn done(self) -> JobUpdateStatus {
        match self {
            Direction::Forward => RolledForward,
            Direction::Back => RolledBack,
        }
    }
}

/// Every status that may follow one.
pub(super) const fn successors(status: JobUpdateStatus) -> &'static [JobUpdateStatus] {
    match status {
        RollingForward => &[
            RollingBack,
            RollForwardPaused,
            RollForwardAwaitingPulse,
            RolledForward,
            Aborted,
            Failed,
            Error,
        ],
        RollingBack => &[
            RollBackPaused,
            RollBackAwaitingPulse,
            RolledBack,
            Aborted,
            Error,
            Failed,
        ],
        RollForwardPaused => &[
            RollingBack,
            RollingForward,
            RollForwardAwaitingPulse,
            Aborted,
            Error,
        ],
        RollBackPaused => &[RollingBack, RollBackAwaitingPulse, Aborted, Error],
        RollForwardAwaitingPulse => &[
            RollingBack,
            RollingForward,
            RollForwardPaused,
            Aborted,
            Error,
        ],
        RollBackAwaitingPulse => &[RollingBack, RollBackPaused, Aborted, Error],
        RolledForward | RolledBack | Aborted | Error | Failed => &[],
    }
}

/// What a user may ask of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Pause,
    /// With whether the update waits for a pulse that is overdue.
    Resume {
        blocked: bool,
    },
    Abort,
    Rollback,
}

/// The status that a command leads to, which may be the one there is. `Err`: one that it may not lead to.
pub(super) fn after(
    command: Command,
    status: JobUpdateStatus,
) -> Result<JobUpdateStatus, JobUpdateStatus> {
    let direction = Direction::of(status);
    let heading = direction.unwrap_or(Direction::Forward);
    let is_rolling = Direction::rolling_in(status).is_some();
    let (to, is_possible) = match command {
        Command::Pause => (heading.paused(), true),
        Command::Resume { blocked: true } => (heading.awaiting_pulse(), !is_rolling),
        Command::Resume { blocked: false } => {
            (heading.rolling(), status != heading.awaiting_pulse())
        }
        Command::Abort => (Aborted, true),
        Command::Rollback => (RollingBack, true),
    };
    // Asking for what there is already is no fault: whoever did not hear the answer asks again.
    if to == status || (direction.is_some() && is_possible) {
        Ok(to)
    } else {
        Err(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, and what pause, resume without and with an overdue pulse, abort and rollback make of it; `!` is a refusal.
    #[test]
    fn commands() {
        let table = "\
            ROLLING_FORWARD             ROLL_FORWARD_PAUSED ROLLING_FORWARD ! ABORTED ROLLING_BACK\n\
            ROLLING_BACK                ROLL_BACK_PAUSED    ROLLING_BACK    ! ABORTED ROLLING_BACK\n\
            ROLL_FORWARD_PAUSED         ROLL_FORWARD_PAUSED ROLLING_FORWARD ROLL_FORWARD_AWAITING_PULSE ABORTED ROLLING_BACK\n\
            ROLL_BACK_PAUSED            ROLL_BACK_PAUSED    ROLLING_BACK    ROLL_BACK_AWAITING_PULSE    ABORTED ROLLING_BACK\n\
            ROLL_FORWARD_AWAITING_PULSE ROLL_FORWARD_PAUSED ! ROLL_FORWARD_AWAITING_PULSE ABORTED ROLLING_BACK\n\
            ROLL_BACK_AWAITING_PULSE    ROLL_BACK_PAUSED    ! ROLL_BACK_AWAITING_PULSE    ABORTED ROLLING_BACK\n\
            ROLLED_FORWARD ! ! ! ! !\n\
            ROLLED_BACK ! ! ! ! !\n\
            ABORTED ! ! ! ABORTED !\n\
            ERROR ! ! ! ! !\n\
            FAILED ! ! ! ! !";
        let commands = [
            Command::Pause,
            Command::Resume { blocked: false },
            Command::Resume { blocked: true },
            Command::Abort,
            Command::Rollback,
        ];
        assert_eq!(table.lines().count(), JobUpdateStatus::ALL.len());
        for line in table.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let status = JobUpdateStatus::ALL
                .iter()
                .find(|status| status.name() == words[0])
                .unwrap();
            let shown = commands.map(|command| match after(command, *status) {
                Ok(to) => to.name(),
                Err(_) => "!",
            });
            assert_eq!(shown, words[1..], "{line}");
            for to in commands
                .into_iter()
                .filter_map(|command| after(command, *status).ok())
            {
                assert!(
                    to == *status || successors(*status).contains(&to),
                    "{line}: {to}"
                );
            }
        }
    }

    #[test]
    fn the_end_is_the_end() {
        for status in JobUpdateStatus::ALL {
            assert_eq!(
                successors(*status).is_empty(),
                !status.is_active(),
                "{status}"
            );
            assert_eq!(
                Direction::of(*status).is_some(),
                status.is_active(),
                "{status}"
            );
        }
    }
}
