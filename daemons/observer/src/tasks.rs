//! Tasks and runs as JSON (aurora: `src/main/python/apache/thermos/observer/task_observer.py`).

use aurora_api::thermos::{ProcessState, ProcessStatus};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_thermos::paths::Stage;
use aurora_thermos::state::is_run_over;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::registry::Task;
use crate::routes::{NO_TASK, Observer, ok};
use crate::sample::Usage;

/// Rows of a list unless the request says otherwise.
const DEFAULT_ROWS: usize = 20;

/// A part of the tasks of one kind.
pub(crate) struct Selection {
    /// As the request names the kind.
    pub(crate) which: String,
    /// The tasks of this part.
    pub(crate) tasks: Vec<Task>,
    /// Where the part begins.
    pub(crate) begin: usize,
    /// How many were asked for.
    pub(crate) rows: usize,
    /// How many there are of this kind.
    pub(crate) count: usize,
}

impl Observer {
    /// `[WHICH[/OFFSET[/NUM]]]`; the error says what is wrong with it.
    pub(crate) fn select(&self, rest: &[&str]) -> Result<Selection, &'static str> {
        let which = rest.first().copied().unwrap_or("all");
        let stage = match which {
            "all" => None,
            "active" => Some(Stage::Active),
            "finished" => Some(Stage::Finished),
            _ => return Err("Tasks are all, active or finished.\n"),
        };
        let number = |at: usize| {
            rest.get(at)
                .map_or(Some(0), |text| text.parse::<i64>().ok())
        };
        let (Some(offset), Some(rows), ..=3) = (number(1), number(2), rest.len()) else {
            return Err("Offset and number are whole numbers.\n");
        };
        let tasks: Vec<Task> = self
            .tasks()
            .into_iter()
            .filter(|task| stage.is_none_or(|stage| task.stage == stage))
            .collect();
        let count = tasks.len();
        let begin = list_offset(offset, count);
        let rows = match usize::try_from(rows) {
            Ok(rows @ 1..) => rows,
            _ => DEFAULT_ROWS,
        };
        Ok(Selection {
            which: which.to_owned(),
            tasks: tasks.into_iter().skip(begin).take(rows).collect(),
            begin,
            rows,
            count,
        })
    }

    /// `/j/task_ids[/WHICH[/OFFSET[/NUM]]]`.
    pub(crate) fn list(&self, rest: &[&str]) -> Response {
        match self.select(rest) {
            Err(reason) => reply::text(StatusCode::NOT_FOUND, reason),
            Ok(selection) => {
                let shown: Vec<Value> = selection
                    .tasks
                    .iter()
                    .filter_map(|task| self.row(task))
                    .collect();
                ok(&json!({
                    "tasks": shown,
                    "type": selection.which,
                    "offset": selection.begin,
                    "num": selection.rows,
                    "task_count": selection.count,
                }))
            }
        }
    }

    pub(crate) fn count(&self) -> Response {
        let tasks = self.tasks();
        let active = tasks
            .iter()
            .filter(|task| task.stage == Stage::Active)
            .count();
        ok(&json!({"active": active, "finished": tasks.len() - active, "all": tasks.len()}))
    }

    pub(crate) fn row(&self, task: &Task) -> Option<Value> {
        let header = task.header()?;
        let definition = task.definition.as_deref()?;
        let mut row = json!({
            "task_id": task.id,
            "name": definition.get("name"),
            "role": header.user,
            "launch_timestamp": seconds(task.state.launched_ms()),
            "state": task.task_state().name(),
            "state_timestamp": seconds(task.state.state_since_ms()),
            "ports": header.ports.clone().unwrap_or_default(),
            "disk": self.disk(task),
        });
        merge(&mut row, self.usage(task).to_json());
        Some(row)
    }

    pub(crate) fn disk(&self, task: &Task) -> u64 {
        match (task.stage, task.sandbox()) {
            (Stage::Active, Some(sandbox)) => self.disks.used(sandbox),
            _ => 0,
        }
    }

    /// What the running processes of a task use together.
    pub(crate) fn usage(&self, task: &Task) -> Usage {
        let mut usage = Usage::default();
        if task.stage == Stage::Active {
            for run in task.state.processes.values().filter_map(|runs| runs.last()) {
                if let Some(pid) = task.process(run) {
                    usage.add(&self.sampler.sample(pid));
                }
            }
        }
        usage
    }

    pub(crate) fn task_json(&self, id: &str) -> Response {
        match self.task(id) {
            Some(task) => {
                let described = self.describe(&task);
                ok(&json!({ id: described }))
            }
            None => reply::text(StatusCode::NOT_FOUND, NO_TASK),
        }
    }

    pub(crate) fn describe(&self, task: &Task) -> Value {
        let mut buckets: Map<String, Value> = ["waiting", "running", "success", "failed", "killed"]
            .into_iter()
            .map(|bucket| (bucket.to_owned(), json!([])))
            .collect();
        for (name, runs) in &task.state.processes {
            let bucket = match runs.last().map(|run| task.run_state(run)) {
                Some(ProcessState::Forked | ProcessState::Running) => "running",
                Some(ProcessState::Success) => "success",
                Some(ProcessState::Failed) => "failed",
                Some(ProcessState::Killed) => "killed",
                Some(ProcessState::Waiting | ProcessState::Lost) | None => "waiting",
            };
            if let Some(Value::Array(names)) = buckets.get_mut(bucket) {
                names.push(json!(name));
            }
        }
        let mut consumption = self.usage(task).to_json();
        merge(&mut consumption, json!({"disk": self.disk(task)}));
        let header = task.header();
        json!({
            "task_id": task.id,
            "name": task.definition.as_deref().and_then(|task| task.get("name")),
            "user": header.and_then(|header| header.user.clone()),
            "launch_timestamp": seconds(task.state.launched_ms()),
            "state": task.task_state().name(),
            "state_timestamp": seconds(task.state.state_since_ms()),
            "ports": header.and_then(|header| header.ports.clone()).unwrap_or_default(),
            "resource_consumption": consumption,
            "processes": buckets,
            "task": task.definition.as_deref(),
        })
    }

    /// `?task_id=a,b`: a map by id of what `tell` says of each known task, and of `unknown` for the others unless it is null.
    pub(crate) fn by_ids(
        &self,
        request: &Request,
        unknown: &Value,
        tell: impl Fn(&Observer, &Task) -> Value,
    ) -> Response {
        let ids = request.parameter("task_id").unwrap_or_default();
        let told = ids.split(',').filter(|id| !id.is_empty()).map(|id| {
            let task = self.task(id);
            let said = task.map_or_else(|| unknown.clone(), |task| tell(self, &task));
            (id.to_owned(), said)
        });
        let answer: Map<String, Value> = told.filter(|(_, said)| !said.is_null()).collect();
        ok(&Value::Object(answer))
    }

    pub(crate) fn latest_runs(&self, task: &Task) -> Value {
        task.state
            .processes
            .iter()
            .filter_map(|(name, runs)| {
                let last = runs.last()?;
                Some((name.clone(), self.run(task, name, runs.len() - 1, last)))
            })
            .collect::<Map<_, _>>()
            .into()
    }

    /// `/j/process/ID/PROCESS[/RUN]`; negative runs count from the end.
    pub(crate) fn process(&self, id: &str, process: &str, rest: &[&str]) -> Response {
        let run = match rest {
            [] => Some(-1),
            [run] => run.parse::<i64>().ok(),
            _ => None,
        };
        let found = self.task(id).and_then(|task| {
            let runs = task.state.processes.get(process)?;
            let count = i64::try_from(runs.len()).ok()?;
            let run = run?;
            let index = if run < 0 { count + run } else { run };
            let index = usize::try_from(index).ok()?;
            Some(self.run(&task, process, index, runs.get(index)?))
        });
        ok(&found.unwrap_or_else(|| json!({})))
    }

    fn run(&self, task: &Task, name: &str, index: usize, status: &ProcessStatus) -> Value {
        let mut run = Map::new();
        run.insert("process_name".to_owned(), json!(name));
        run.insert("process_run".to_owned(), json!(index));
        let state = task.run_state(status);
        run.insert("state".to_owned(), json!(state.name()));
        if let Some(start) = status.start_time {
            run.insert("start_time".to_owned(), json!(start.0));
        }
        if is_run_over(state) {
            if let Some(stop) = status.stop_time {
                run.insert("stop_time".to_owned(), json!(stop.0));
            }
            if let Some(code) = status.return_code.filter(|code| *code != 0) {
                run.insert("return_code".to_owned(), json!(code));
            }
        }
        if state == ProcessState::Running {
            // A number that is somebody else's by now uses nothing.
            let used = task.process(status).map(|pid| self.sampler.sample(pid));
            run.insert("used".to_owned(), used.unwrap_or_default().to_json());
        }
        Value::Object(run)
    }
}

pub(crate) fn seconds(ms: Option<i64>) -> i64 {
    ms.unwrap_or(0) / 1000
}

pub(crate) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Where a list begins: a negative offset is taken modulo the count when in range, otherwise it is 0.
fn list_offset(offset: i64, count: usize) -> usize {
    let count_signed = i64::try_from(count).unwrap_or(i64::MAX);
    let from = if (-count_signed..0).contains(&offset) {
        offset + count_signed
    } else {
        offset
    };
    usize::try_from(from).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::list_offset;

    #[test]
    fn offsets_of_lists() {
        for (offset, count, begin) in [
            (0, 5, 0),
            (3, 5, 3),
            (9, 5, 9),
            (-1, 5, 4),
            (-5, 5, 0),
            (-6, 5, 0),
            (-1, 0, 0),
        ] {
            assert_eq!(list_offset(offset, count), begin, "{offset} of {count}");
        }
    }
}
