//! The calls that go to the master, and which of them wait for one.

use tokio::sync::mpsc;

use super::shell::MASTER_QUEUE;
use crate::link::Call;

/// See the module.
pub(super) enum Outgoing {
    /// Nobody is there: ends of executors wait, status updates are sent again anyway, and registering tells the rest.
    Nowhere(Vec<Call>),
    /// The state was read for registering: what happens after that has to be told once the stream stands.
    Kept(Vec<Call>),
    /// To the master.
    Open(mpsc::Sender<Call>),
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing::Nowhere(Vec::new())
    }
}

impl Outgoing {
    /// Sends a call, keeps it, or drops it if it is told in another way.
    pub(super) fn send(&mut self, call: Call) {
        let kept = match self {
            Outgoing::Nowhere(kept) if is_end_of_executor(&call) => kept,
            // Heads are sent again on registering.
            Outgoing::Kept(kept) if !matches!(call, Call::StatusUpdate(_)) => kept,
            Outgoing::Nowhere(_) | Outgoing::Kept(_) => return,
            Outgoing::Open(calls) => {
                if calls.try_send(call).is_err() {
                    tracing::warn!("the master does not take calls; registering again");
                    *self = Outgoing::default();
                }
                return;
            }
        };
        if kept.len() < MASTER_QUEUE {
            kept.push(call);
        }
    }

    /// The connection is over.
    pub(super) fn lost(&mut self) {
        let mut kept = self.take_kept();
        kept.retain(is_end_of_executor);
        *self = Outgoing::Nowhere(kept);
    }

    /// The state is read for registering.
    pub(super) fn registering(&mut self) {
        *self = Outgoing::Kept(self.take_kept());
    }

    /// The agent is registered.
    pub(super) fn connected(&mut self, calls: mpsc::Sender<Call>) {
        let kept = self.take_kept();
        *self = Outgoing::Open(calls);
        kept.into_iter().for_each(|call| self.send(call));
    }

    fn take_kept(&mut self) -> Vec<Call> {
        match self {
            Outgoing::Nowhere(kept) | Outgoing::Kept(kept) => std::mem::take(kept),
            Outgoing::Open(_) => Vec::new(),
        }
    }
}

fn is_end_of_executor(call: &Call) -> bool {
    matches!(call, Call::ExecutorExited(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ExecutorExited;

    fn end(executor: &str) -> Call {
        Call::ExecutorExited(ExecutorExited {
            framework_id: "f".into(),
            executor_id: executor.into(),
            status: -1,
        })
    }

    /// Whether the master was lost before, while or after the agent registered.
    #[test]
    fn ends_of_executors_wait_for_a_master() {
        let (calls, mut told) = mpsc::channel(8);
        let mut outgoing = Outgoing::default();
        outgoing.send(end("before"));
        outgoing.send(Call::Pong);
        outgoing.registering();
        outgoing.send(end("while"));
        outgoing.send(Call::Pong);
        outgoing.lost();
        outgoing.send(end("after"));
        outgoing.registering();
        outgoing.connected(calls);
        outgoing.send(Call::Pong);
        drop(outgoing);
        let told = std::iter::from_fn(|| told.try_recv().ok());
        let told: Vec<String> = told
            .map(|call| match call {
                Call::ExecutorExited(exited) => exited.executor_id.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["before", "while", "after", "Pong"]);
    }
}
