//! The task state machine as a table (aurora: `TaskStateMachine.java`).
//!
//! A row says which targets are legal from a state and what else happens. Everything that no row names is illegal and has no
//! effect. Effects of one transition are carried out in the order of [`Effects`]' fields.

use std::sync::OnceLock;

use aurora_api::model::ScheduleStatus::{self, *};

/// When a task that ended is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Never.
    No,
    /// Always.
    Always,
    /// When it is a service.
    Service,
    /// When it is a service, or may fail more often than it did before this time.
    FailureAllowed,
    /// Unless somebody wanted it killed at any time of its life.
    UnlessKilling,
}

/// What a transition does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Count a failure.
    pub(crate) count_failure: bool,
    /// Save the state with an event.
    pub(crate) save: bool,
    /// Insert a task in its place.
    pub(crate) replace: Replace,
    /// Go on to LOST.
    pub(crate) lose: bool,
    /// Ask Mesos to kill it.
    pub(crate) kill: bool,
    /// Forget it.
    pub(crate) delete: bool,
}

/// What an attempt to change a state comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The state changes.
    Legal(Effects),
    /// It does not; the effects happen all the same.
    Illegal(Effects),
    /// The task is in that state already.
    Noop,
}

/// A state, or being unknown to the store.
pub(crate) type State = Option<ScheduleStatus>;

/// Not in the store: as a source a task nobody knows, as a target its removal.
pub(crate) const DELETED: State = None;

const NOTHING: Effects = Effects {
    count_failure: false,
    save: false,
    replace: Replace::No,
    lose: false,
    kill: false,
    delete: false,
};
const SAVE: Effects = Effects {
    save: true,
    ..NOTHING
};
const SAVE_KILL: Effects = Effects { kill: true, ..SAVE };
const SAVE_LOSE: Effects = Effects { lose: true, ..SAVE };
const KILL: Effects = Effects {
    kill: true,
    ..NOTHING
};
const DELETE: Effects = Effects {
    delete: true,
    ..NOTHING
};
const FAILED: Effects = Effects {
    count_failure: true,
    replace: Replace::FailureAllowed,
    ..SAVE
};

const fn replace(when: Replace) -> Effects {
    Effects {
        replace: when,
        ..SAVE
    }
}

const fn replace_kill(when: Replace) -> Effects {
    Effects {
        replace: when,
        ..SAVE_KILL
    }
}

type Row = (&'static [State], &'static [State], Effects);

const LEGAL: &[Row] = &[
    (&[Some(Init)], &[Some(Pending), Some(Throttled)], SAVE),
    // Nothing runs yet: killing forgets the task, no record stays.
    (&[Some(Pending), Some(Throttled)], &[Some(Killing)], DELETE),
    (&[Some(Throttled)], &[Some(Pending)], SAVE),
    (&[Some(Pending)], &[Some(Assigned)], SAVE),
    // On its way up.
    (&[Some(Assigned)], &[Some(Starting), Some(Running)], SAVE),
    (&[Some(Starting)], &[Some(Running)], SAVE),
    (&[Some(Starting), Some(Running)], &[Some(Partitioned)], SAVE),
    // The end came by itself.
    (
        &[Some(Assigned), Some(Starting), Some(Running)],
        &[Some(Finished)],
        replace(Replace::Service),
    ),
    (
        &[
            Some(Assigned),
            Some(Starting),
            Some(Running),
            Some(Partitioned),
        ],
        &[Some(Failed)],
        FAILED,
    ),
    (
        &[Some(Assigned), Some(Starting), Some(Running)],
        &[Some(Killed)],
        replace(Replace::Always),
    ),
    (
        &[Some(Starting), Some(Running)],
        &[Some(Lost)],
        replace(Replace::Always),
    ),
    // A launch that never answered may still be on its way: kill it.
    (
        &[Some(Assigned)],
        &[Some(Lost)],
        replace_kill(Replace::Always),
    ),
    // The end is wanted.
    (
        &[Some(Assigned), Some(Starting), Some(Running)],
        &[
            Some(Restarting),
            Some(Draining),
            Some(Preempting),
            Some(Killing),
        ],
        SAVE_KILL,
    ),
    // The agent was away.
    (
        &[Some(Partitioned)],
        &[
            Some(Running),
            Some(Assigned),
            Some(Starting),
            Some(Finished),
        ],
        SAVE,
    ),
    (
        &[Some(Partitioned)],
        &[Some(Lost)],
        replace_kill(Replace::UnlessKilling),
    ),
    (
        &[Some(Partitioned)],
        &[
            Some(Killing),
            Some(Restarting),
            Some(Draining),
            Some(Preempting),
        ],
        SAVE_LOSE,
    ),
    // A kill is under way and the task is to come back elsewhere.
    (
        &[Some(Preempting), Some(Restarting), Some(Draining)],
        &[Some(Finished), Some(Failed), Some(Killed)],
        replace(Replace::Always),
    ),
    (
        &[Some(Preempting), Some(Restarting), Some(Draining)],
        &[Some(Lost)],
        replace_kill(Replace::Always),
    ),
    (
        &[Some(Preempting), Some(Restarting), Some(Draining)],
        &[Some(Killing)],
        SAVE,
    ),
    // A kill is under way and that is the end of it.
    (
        &[Some(Killing)],
        &[Some(Finished), Some(Failed), Some(Killed), Some(Lost)],
        SAVE,
    ),
    (
        &[
            Some(Preempting),
            Some(Restarting),
            Some(Draining),
            Some(Killing),
        ],
        &[Some(Partitioned)],
        SAVE_LOSE,
    ),
    // Forgotten.
    (
        &[
            Some(Killing),
            Some(Finished),
            Some(Failed),
            Some(Killed),
            Some(Lost),
        ],
        &[DELETED],
        DELETE,
    ),
];

/// A task that should not run says that it does: kill it.
const ILLEGAL: &[Row] = &[(
    &[
        Some(Preempting),
        Some(Restarting),
        Some(Draining),
        Some(Killing),
        Some(Finished),
        Some(Failed),
        Some(Killed),
        Some(Lost),
        DELETED,
    ],
    &[Some(Assigned), Some(Starting), Some(Running)],
    KILL,
)];

const SIZE: usize = 20;

fn index(state: State) -> usize {
    state.map_or(SIZE - 1, |status| status as usize)
}

/// What happens when a task in state `from` is to enter state `to`.
pub(crate) fn verdict(from: State, to: State) -> Verdict {
    static TABLE: OnceLock<[[Verdict; SIZE]; SIZE]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table = [[Verdict::Illegal(NOTHING); SIZE]; SIZE];
        for (at, row) in table.iter_mut().enumerate() {
            row[at] = Verdict::Noop;
        }
        for (rows, make) in [
            (LEGAL, Verdict::Legal as fn(Effects) -> Verdict),
            (ILLEGAL, Verdict::Illegal),
        ] {
            for (sources, targets, effects) in rows {
                for source in *sources {
                    for target in *targets {
                        table[index(*source)][index(*target)] = make(*effects);
                    }
                }
            }
        }
        table
    });
    table[index(from)][index(to)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The table in another form, written from upstream's description: a line a source, `TARGET:EFFECTS`. S saves, R replaces
    /// (s services, f while failures are allowed, k unless killed before), K kills, D deletes, F counts a failure, L goes on to
    /// LOST; a target in brackets is illegal with effects. `@` is a task that is not stored.
    const EXPECTED: &str = "
        INIT         PENDING:S THROTTLED:S
        PENDING      ASSIGNED:S KILLING:D
        THROTTLED    PENDING:S KILLING:D
        ASSIGNED     STARTING:S RUNNING:S FINISHED:SRs FAILED:FSRf RESTARTING:SK DRAINING:SK PREEMPTING:SK KILLING:SK KILLED:SR LOST:SRK
        STARTING     RUNNING:S FINISHED:SRs FAILED:FSRf RESTARTING:SK DRAINING:SK PREEMPTING:SK KILLING:SK KILLED:SR LOST:SR PARTITIONED:S
        RUNNING      FINISHED:SRs FAILED:FSRf RESTARTING:SK DRAINING:SK PREEMPTING:SK KILLING:SK KILLED:SR LOST:SR PARTITIONED:S
        PARTITIONED  RUNNING:S ASSIGNED:S STARTING:S FINISHED:S FAILED:FSRf LOST:SRkK KILLING:SL RESTARTING:SL DRAINING:SL PREEMPTING:SL
        PREEMPTING   FINISHED:SR FAILED:SR KILLED:SR LOST:SRK KILLING:S PARTITIONED:SL [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        RESTARTING   FINISHED:SR FAILED:SR KILLED:SR LOST:SRK KILLING:S PARTITIONED:SL [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        DRAINING     FINISHED:SR FAILED:SR KILLED:SR LOST:SRK KILLING:S PARTITIONED:SL [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        KILLING      FINISHED:S FAILED:S KILLED:S LOST:S PARTITIONED:SL @:D [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        FINISHED     @:D [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        FAILED       @:D [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        KILLED       @:D [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        LOST         @:D [ASSIGNED]:K [STARTING]:K [RUNNING]:K
        @            [ASSIGNED]:K [STARTING]:K [RUNNING]:K
    ";

    fn name(state: State) -> &'static str {
        state.map_or("@", ScheduleStatus::name)
    }

    fn letters(effects: Effects) -> String {
        let mut text = String::new();
        if effects.count_failure {
            text.push('F');
        }
        if effects.save {
            text.push('S');
        }
        text.push_str(match effects.replace {
            Replace::No => "",
            Replace::Always => "R",
            Replace::Service => "Rs",
            Replace::FailureAllowed => "Rf",
            Replace::UnlessKilling => "Rk",
        });
        for (set, letter) in [
            (effects.lose, 'L'),
            (effects.kill, 'K'),
            (effects.delete, 'D'),
        ] {
            if set {
                text.push(letter);
            }
        }
        text
    }

    #[test]
    fn every_pair_is_as_expected() {
        let mut expected = BTreeMap::new();
        for line in EXPECTED
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let mut words = line.split_whitespace();
            let from = words.next().unwrap();
            for word in words {
                let (target, effects) = word.split_once(':').unwrap();
                let bare = target.trim_matches(|c| c == '[' || c == ']');
                let verdict = format!(
                    "{} {effects}",
                    if bare == target { "legal" } else { "illegal" }
                );
                assert!(expected.insert((from, bare), verdict).is_none(), "{line}");
            }
        }
        let states: Vec<State> = ScheduleStatus::ALL
            .iter()
            .copied()
            .map(Some)
            .chain([DELETED])
            .collect();
        assert_eq!(states.len(), 16);
        let mut seen = 0;
        for &from in &states {
            for &to in &states {
                let actual = match verdict(from, to) {
                    Verdict::Noop => "noop".to_owned(),
                    Verdict::Legal(effects) => format!("legal {}", letters(effects)),
                    Verdict::Illegal(effects) => format!("illegal {}", letters(effects)),
                };
                let wanted = match expected.get(&(name(from), name(to))) {
                    Some(verdict) => {
                        seen += 1;
                        verdict.clone()
                    }
                    None if from == to => "noop".to_owned(),
                    None => "illegal ".to_owned(),
                };
                assert_eq!(actual, wanted, "{} to {}", name(from), name(to));
            }
        }
        assert_eq!(seen, expected.len());
    }
}
