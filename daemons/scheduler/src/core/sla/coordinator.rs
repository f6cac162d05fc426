//! Asking a job's coordinator before an instance is taken down (aurora: `SlaManager.askCoordinatorThenAct`).
//!
//! A coordinator is asked one thing at a time, and what it agreed to is done before it is asked the next, so that it need not
//! add up what is under way. The questions leave as effects and the answers come back as inputs; whoever asked asks again
//! later when the answer was no, or never came.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::CoordinatorSlaPolicy;
use aurora_api::simple::to_simple_protocol;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::Permission;
use crate::core::config::Millis;
use crate::core::store::{Task, TaskId};
use crate::core::timers::Timer;
use crate::core::{Core, Effect};

/// The key of an answer for policies that name none.
const DEFAULT_KEY: &str = "drain";

/// What is to be done with a task once its coordinator agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its host is drained.
    Drain {
        /// How long until that is forced, milliseconds.
        left: Millis,
    },
    /// An update replaces or removes it.
    Update {
        /// The updater's generation.
        generation: u64,
    },
}

/// A question: `POST URL?task=TASK` with the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorCall {
    /// Names the answer.
    pub id: u64,
    /// The coordinator, as the policy names it.
    pub url: String,
    /// The instance: `CLUSTER/ROLE/ENV/NAME/INSTANCE`.
    pub task: String,
    /// JSON.
    pub body: String,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorAnswer {
    /// The coordinator answered.
    Said {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Bytes,
    },
    /// It could not be asked, or did not answer in time.
    Failed(String),
}

#[derive(Debug)]
struct Question {
    url: String,
    status_key: String,
    task: TaskId,
    key: String,
    purpose: Purpose,
}

/// The questions that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Coordinators {
    asked: BTreeMap<u64, Question>,
    busy: BTreeSet<String>,
    last: u64,
}

impl Core {
    pub(super) fn ask_coordinator(
        &mut self,
        id: &TaskId,
        policy: &CoordinatorSlaPolicy,
        purpose: Purpose,
    ) -> Permission {
        let Some(task) = self.store.read().task(id) else {
            return Permission::Denied;
        };
        let (task, id) = (task.clone(), id.clone());
        let key = format!(
            "{}/{}/{}",
            self.config.cluster_name,
            task.job(),
            task.instance
        );
        let url = policy.coordinator_url.clone();
        let is_full =
            self.coordinators.asked.len() >= self.config.max_parallel_coordinated_maintenance;
        if is_full || !self.coordinators.busy.insert(url.clone()) {
            self.count_for_task("sla_coordinator_lock_starvation", &key);
            return Permission::Denied;
        }
        self.bump("sla_coordinator_attempts");
        self.coordinators.last += 1;
        let number = self.coordinators.last;
        self.out
            .effects
            .push(Effect::AskCoordinator(CoordinatorCall {
                id: number,
                url: url.clone(),
                task: key.clone(),
                body: body(&task, &key, &purpose),
            }));
        // The answer comes within the time-out; this is for the case that it does not.
        let limit = self.config.sla_coordinator_timeout.saturating_mul(2);
        self.timers.set(
            self.now.saturating_add(limit.max(1)),
            Timer::Coordinator(number),
        );
        let question = Question {
            url,
            status_key: match policy.status_key.as_str() {
                "" => DEFAULT_KEY.to_owned(),
                key => key.to_owned(),
            },
            task: id,
            key,
            purpose,
        };
        self.coordinators.asked.insert(number, question);
        Permission::Asked
    }

    /// An answer came. The coordinator is free for the next question only when this step, and with it what it agreed to, is
    /// done.
    pub(crate) fn coordinator_answered(&mut self, id: u64, answer: CoordinatorAnswer) {
        // One that comes after its time is not listened to: the coordinator may have been asked something else since.
        let Some(question) = self.coordinators.asked.remove(&id) else {
            return;
        };
        self.coordinators.busy.remove(&question.url);
        match answer {
            CoordinatorAnswer::Failed(cause) => {
                tracing::warn!(
                    url = question.url,
                    task = question.key,
                    cause,
                    "a coordinator did not answer"
                );
                self.count_for_task("sla_coordinator_errors", &question.key);
            }
            CoordinatorAnswer::Said { status: 200, body } => {
                match agrees(&body, &question.status_key) {
                    Some(agreed) => {
                        self.bump("sla_coordinator_success");
                        if agreed {
                            self.permitted(&question.task, question.purpose);
                        }
                    }
                    None => {
                        tracing::warn!(
                            url = question.url,
                            task = question.key,
                            "a coordinator's answer is not an object of booleans"
                        );
                        self.count_for_task("sla_coordinator_errors", &question.key);
                    }
                }
            }
            CoordinatorAnswer::Said { status, .. } => {
                tracing::warn!(
                    url = question.url,
                    task = question.key,
                    status,
                    "a coordinator refused to answer"
                );
                self.count_for_task("sla_coordinator_user_errors", &question.key);
            }
        }
    }

    pub(crate) fn coordinator_silent(&mut self, id: u64) {
        let silence = CoordinatorAnswer::Failed("no answer in time".to_owned());
        self.coordinator_answered(id, silence);
    }

    /// Does with a task what its coordinator agreed to.
    fn permitted(&mut self, task: &TaskId, purpose: Purpose) {
        match purpose {
            Purpose::Drain { .. } => self.drain_permitted(task),
            Purpose::Update { generation } => self.update_permitted(task, generation),
        }
    }

    fn count_for_task(&mut self, counter: &'static str, key: &str) {
        self.bump(counter);
        self.bump(format!("{counter}_{key}"));
    }
}

fn body(task: &Task, key: &str, purpose: &Purpose) -> String {
    let mut body = Map::new();
    body.insert(
        "taskConfig".to_owned(),
        to_simple_protocol(&task.to_thrift()),
    );
    body.insert("task".to_owned(), Value::from(key));
    match purpose {
        Purpose::Drain { left } => {
            body.insert(
                "forceMaintenanceCountdownMs".to_owned(),
                Value::from(left.to_string()),
            );
        }
        Purpose::Update { .. } => {}
    }
    Value::Object(body).to_string()
}

/// Whether an answer agrees; a key that is not in it does not. `None` when it is not an object of booleans.
///
/// Gson reads `True` and `"true"` as `true`, and coordinators in Python print the one. (aurora:
/// `src/test/sh/org/apache/aurora/e2e/sla_coordinator.py`)
fn agrees(body: &[u8], key: &str) -> Option<bool> {
    let answer: BTreeMap<String, Value> =
        serde_json::from_slice(&words_in_lower_case(body)).ok()?;
    let booleans = answer.into_iter().map(|(name, value)| match value {
        Value::Bool(agreed) => Some((name, agreed)),
        Value::String(text) => Some((name, text.eq_ignore_ascii_case("true"))),
        _ => None,
    });
    let booleans: BTreeMap<String, bool> = booleans.collect::<Option<_>>()?;
    Some(booleans.get(key).copied().unwrap_or(false))
}

/// The text with all that is not quoted in lower case.
fn words_in_lower_case(text: &[u8]) -> Vec<u8> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let bytes = text.iter().map(|byte| match (is_quoted, byte) {
        (true, _) if is_escaped => {
            is_escaped = false;
            *byte
        }
        (true, b'\\') => {
            is_escaped = true;
            *byte
        }
        (_, b'"') => {
            is_quoted = !is_quoted;
            *byte
        }
        (true, _) => *byte,
        (false, _) => byte.to_ascii_lowercase(),
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::agrees;

    #[test]
    fn answers() {
        for (body, key, expected) in [
            (r#"{"drain": true}"#, "drain", Some(true)),
            (r#"{"drain": false}"#, "drain", Some(false)),
            (r#"{"drain": true, "ok": false}"#, "ok", Some(false)),
            (r#"{}"#, "drain", Some(false)),
            (r#"{"drain":True}"#, "drain", Some(true)),
            (r#"{"drain":False}"#, "drain", Some(false)),
            (r#"{"drain": "TRUE", "No \"": fALSE}"#, "drain", Some(true)),
            (r#"{"No \"": TRUE}"#, "No \"", Some(true)),
            (r#"{"Drain": true}"#, "drain", Some(false)),
            (r#"{"drain": 1}"#, "drain", None),
            (r#"[true]"#, "drain", None),
            ("", "drain", None),
        ] {
            assert_eq!(agrees(body.as_bytes(), key), expected, "{body} {key}");
        }
    }
}
