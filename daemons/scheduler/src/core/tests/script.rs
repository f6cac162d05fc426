//! Scripts that people can follow: a line is something that happens, or something that has to be so.
//!
//! | Line | Meaning |
//! |---|---|
//! | `12:05:30` | time passes until then |
//! | `JOB runs on HOST` | its pending instances come to run there, a second or two each |
//! | `JOB is gone` | what is being killed or drained of it has ended |
//! | `JOB: 0 RUNNING@a, 1 PENDING` | its active instances are these; `JOB:` alone: it has none |
//! | `cron JOB FIELDS… POLICY` | scheduleCronJob; also `replace`, `start JOB`, `deschedule JOB` |
//! | `JOB decided 12:05 launched` | the last minute that was decided, and how |
//! | `drain HOST`, `end HOST`, `maintain HOST` | drainHosts, endMaintenance, startMaintenance |
//! | `drain HOST keeping 95% for 60s until 3600s` | slaDrainHosts; a count without `%` |
//! | `HOST is DRAINING` | its mode |
//! | `HOST is asked` / `HOST is not asked` | whether there is a request to drain it |
//! | `asked about 3` | the open question to a coordinator is about instance 3; `asked nothing` |
//! | `answer 200 {"drain": true}` | the coordinator's answer; `answer fails` |
//! | `restart`, `restart after 10m` | the scheduler dies and another takes over from the log |
//! | `NAME = 2` | a counter |

use std::collections::BTreeMap;

use aurora_api::model;

use super::*;
use crate::core::codec::{decode_ops, encode_ops};

/// 2023-11-15, 00:00 UTC: a Wednesday.
pub(super) const MIDNIGHT: Millis = 1_700_006_400_000;

pub(super) struct Play {
    pub(super) world: World,
    config: Config,
    /// Templates by name; others are services of one instance.
    jobs: BTreeMap<String, JobConfiguration>,
}

pub(super) fn key(name: &str) -> JobKey {
    JobKey::new("www", "prod", name)
}

pub(super) fn clock(text: &str) -> Option<Millis> {
    let mut parts = text.split(':').map(|part| part.parse::<i64>());
    let (hours, minutes) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let seconds = match parts.next() {
        Some(seconds) => seconds.ok()?,
        None => 0,
    };
    Some(MIDNIGHT + ((hours * 60 + minutes) * 60 + seconds) * 1000)
}

fn span(text: &str) -> Millis {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("{text} is no span"),
    };
    number.parse::<i64>().unwrap() * unit
}

impl Play {
    pub(super) fn new(config: Config, jobs: impl IntoIterator<Item = JobConfiguration>) -> Play {
        let mut world = World::registered(config.clone());
        world.now = MIDNIGHT;
        world.allow_everything();
        world.pass(0);
        let jobs = jobs.into_iter().map(|job| (job.key.name.clone(), job));
        Play {
            world,
            config,
            jobs: jobs.collect(),
        }
    }

    /// Plays a script.
    pub(super) fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                self.line(line);
            }
        }
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            [time] if clock(time).is_some() => {
                let span = clock(time).unwrap() - self.world.now;
                assert!(span >= 0, "{line}: that was before");
                self.world.pass(span);
            }
            [job, ref rest @ ..] if job.ends_with(':') => {
                let shown = self.active(job.trim_end_matches(':')).join(", ");
                assert_eq!(shown, rest.join(" "), "at `{line}`");
            }
            ["create", job] => {
                let job = self.template(job);
                self.world.create(job);
            }
            ["cron", job, ref schedule @ .., policy] => {
                let description = Some(self.cron(job, &schedule.join(" "), policy));
                self.ok(line, arguments::ScheduleCronJob { description });
            }
            ["replace", job, ref schedule @ .., policy] => {
                let config = Some(self.cron(job, &schedule.join(" "), policy));
                self.ok(line, arguments::ReplaceCronTemplate { config });
            }
            ["start", job] => self.ok(
                line,
                arguments::StartCronJob {
                    job: Some(key(job)),
                },
            ),
            ["deschedule", job] => self.ok(
                line,
                arguments::DescheduleCronJob {
                    job: Some(key(job)),
                },
            ),
            [job, "decided", minute, outcome] => {
                let last = self
                    .world
                    .core
                    .store()
                    .read()
                    .cron(&key(job))
                    .unwrap()
                    .last
                    .unwrap();
                let shown = (last.minute, format!("{:?}", last.outcome).to_lowercase());
                assert_eq!(
                    shown,
                    (clock(minute).unwrap(), outcome.to_owned()),
                    "at `{line}`"
                );
            }
            [job, "runs", "on", host] => self.run(job, host),
            [job, "is", "gone"] => self.end(job),
            ["maintain", host] => self.ok(line, arguments::StartMaintenance { hosts: hosts(host) }),
            ["end", host] => self.ok(line, arguments::EndMaintenance { hosts: hosts(host) }),
            ["drain", host] => self.ok(line, arguments::DrainHosts { hosts: hosts(host) }),
            [
                "drain",
                host,
                "keeping",
                promise,
                "for",
                duration,
                "until",
                timeout,
            ] => {
                let call = arguments::SlaDrainHosts {
                    hosts: hosts(host),
                    default_sla_policy: Some(policy(promise, span(duration) / 1000)),
                    timeout_secs: span(timeout) / 1000,
                };
                self.ok(line, call);
                self.world.pass(0);
            }
            [host, "is", "asked"] => assert!(self.request(host), "at `{line}`"),
            [host, "is", "not", "asked"] => assert!(!self.request(host), "at `{line}`"),
            [host, "is", mode] => {
                let call = arguments::MaintenanceStatus { hosts: hosts(host) };
                let Some(model::Result::MaintenanceStatusResult(result)) =
                    self.world.call(call).0.result
                else {
                    panic!("at `{line}`");
                };
                let shown: Vec<String> = result
                    .statuses
                    .iter()
                    .map(|status| status.mode.unwrap().to_string())
                    .collect();
                assert_eq!(shown, [mode], "at `{line}`");
            }
            ["asked", "nothing"] => assert_eq!(self.world.questions, [], "at `{line}`"),
            ["asked", "about", instance] => {
                let tasks: Vec<&str> = self
                    .world
                    .questions
                    .iter()
                    .map(|question| question.task.as_str())
                    .collect();
                let shown = tasks.iter().map(|task| task.rsplit('/').next().unwrap());
                assert_eq!(shown.collect::<Vec<_>>(), [instance], "at `{line}`");
            }
            ["answer", "fails"] => self.answer(CoordinatorAnswer::Failed("refused".to_owned())),
            ["answer", status, ref body @ ..] => self.answer(CoordinatorAnswer::Said {
                status: status.parse().unwrap(),
                body: body.join(" ").into(),
            }),
            ["restart"] => self.restart(0),
            ["restart", "after", away] => self.restart(span(away)),
            [counter, "=", number] => {
                let value = self
                    .world
                    .core
                    .counters()
                    .get(counter)
                    .copied()
                    .unwrap_or(0);
                assert_eq!(value.to_string(), number, "at `{line}`");
            }
            _ => panic!("`{line}` is not understood"),
        }
    }

    fn template(&self, name: &str) -> JobConfiguration {
        self.jobs.get(name).cloned().unwrap_or_else(|| job(name, 1))
    }

    fn cron(&self, name: &str, schedule: &str, policy: &str) -> JobConfiguration {
        let mut job = self.template(name);
        job.task_config.is_service = false;
        job.cron_schedule = Some(schedule.to_owned());
        job.cron_collision_policy = match policy {
            "KILL_EXISTING" => Some(CronCollisionPolicy::KillExisting),
            "CANCEL_NEW" => Some(CronCollisionPolicy::CancelNew),
            _ => panic!("{policy} is no policy"),
        };
        job
    }

    fn ok(&mut self, line: &str, call: impl Into<Call>) {
        let (response, _) = self.world.call(call);
        assert_eq!(
            response.response_code,
            ResponseCode::Ok,
            "at `{line}`: {response:?}"
        );
    }

    fn tasks(&self, name: &str) -> Vec<store::Task> {
        let view = self.world.core.store().read();
        let job = view.job(&key(name));
        job.into_iter()
            .flat_map(|job| view.active_tasks(job))
            .cloned()
            .collect()
    }

    fn active(&self, name: &str) -> Vec<String> {
        let shown = self.tasks(name).into_iter().map(|task| match &task.host() {
            Some(host) => format!("{} {}@{host}", task.instance, task.status),
            None => format!("{} {}", task.instance, task.status),
        });
        shown.collect()
    }

    fn request(&self, host: &str) -> bool {
        self.world
            .core
            .store()
            .read()
            .maintenance_request(host)
            .is_some()
    }

    fn run(&mut self, name: &str, on: &str) {
        let pending = self
            .tasks(name)
            .into_iter()
            .filter(|task| task.status == ScheduleStatus::Pending);
        for task in pending.collect::<Vec<_>>() {
            let machine = Host {
                name: Box::leak(on.to_owned().into_boxed_str()),
                ..host("a")
            };
            self.world.offer(&machine);
            self.world.pass(1_000);
            self.world.status(&task.id(), v1::TaskState::Starting);
            self.world.status(&task.id(), v1::TaskState::Running);
        }
    }

    fn end(&mut self, name: &str) {
        use ScheduleStatus::{Draining, Killing};
        let ending = self
            .tasks(name)
            .into_iter()
            .filter(|task| matches!(task.status, Draining | Killing));
        for task in ending.collect::<Vec<_>>() {
            self.world.status(&task.id(), v1::TaskState::Killed);
        }
    }

    fn answer(&mut self, answer: CoordinatorAnswer) {
        let question = self.world.questions.remove(0);
        self.world.step(Input::Coordinator {
            id: question.id,
            answer,
        });
    }

    fn restart(&mut self, away: Millis) {
        let mut store = Store::default();
        for op in decode_ops(&encode_ops(&self.world.ops)).unwrap() {
            store.apply(&op).unwrap();
        }
        self.world.now += away;
        self.world.questions.clear();
        let (core, step) = Core::recover(self.config.clone(), store, self.world.now);
        self.world.core = core;
        self.world.ops.extend(step.ops);
        self.world.mesos(MesosEvent::Registered {
            framework_id: "F1".to_owned(),
            master: "m".to_owned(),
        });
        self.world.pass(0);
    }
}

fn hosts(name: &str) -> Option<Hosts> {
    Some(Hosts {
        host_names: [name.to_owned()].into(),
    })
}

fn policy(promise: &str, duration_secs: i64) -> SlaPolicy {
    match promise.strip_suffix('%') {
        Some(percentage) => SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(percentage.parse().unwrap()),
            duration_secs,
        }),
        None => SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count: promise.parse().unwrap(),
            duration_secs,
        }),
    }
}
