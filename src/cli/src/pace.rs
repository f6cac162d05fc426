//! How often to look while waiting, and for how long.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses that grow from `first` to `last`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    /// When to stop looking; `None` for never.
    pub(crate) give_up: Option<Duration>,
}

impl Pace {
    pub(crate) fn start(self) -> Wait {
        Wait {
            pace: self,
            began: Instant::now(),
            pause: self.first,
        }
    }

    /// The same without an end.
    pub(crate) fn endless(self) -> Pace {
        Pace {
            give_up: None,
            ..self
        }
    }
}

/// The paces of a program's waits. Upstream asks for instances after 2 s, 4 s and so on up to 150 s, for updates and hosts
/// every 5 s; asking sooner at first costs the scheduler a few queries and saves people most of the wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paces {
    /// Of waits for instances that are killed: upstream's 2 + 4 + … + 128 s at most.
    pub(crate) kills: Pace,
    /// Of waits for updates.
    pub(crate) updates: Pace,
    /// Of waits for drained hosts.
    pub(crate) drains: Pace,
}

impl Default for Paces {
    fn default() -> Paces {
        let pace = |first, last, give_up| Pace {
            first: Duration::from_millis(first),
            last: Duration::from_secs(last),
            give_up: Some(Duration::from_secs(give_up)),
        };
        Paces {
            kills: pace(100, 10, 254),
            updates: pace(250, 5, 0).endless(),
            drains: pace(250, 5, 300),
        }
    }
}

/// A wait that is going on.
pub(crate) struct Wait {
    pace: Pace,
    began: Instant,
    pause: Duration,
}

impl Wait {
    /// Sleeps until the next look. False, at once, when that would be after the end.
    pub(crate) async fn go_on(&mut self) -> bool {
        let end = self.pace.give_up.map(|give_up| self.began + give_up);
        if end.is_some_and(|end| Instant::now() + self.pause > end) {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = self.pause.mul_f64(1.5).min(self.pace.last);
        true
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
