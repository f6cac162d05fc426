//! What processes and sandboxes use.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurora_api::observer::{TaskHistory, TaskSample};
use aurora_thermos::disk::Restraint;
use aurora_thermos::procs;
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};

use crate::sandbox::{Place, usage as measure};

/// What one process of a task uses, its descendants included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Cores, over the time since the last sample; 0 at the first.
    pub cpu: f64,
    /// Resident bytes.
    pub rss: u64,
    /// Virtual bytes.
    pub vms: u64,
    /// User time in seconds.
    pub user: f64,
    /// System time in seconds.
    pub system: f64,
    /// Threads.
    pub threads: u64,
    /// Niceness of the first process that has one.
    pub nice: Option<i64>,
    /// State of the same process, as the kernel names it.
    pub status: Option<String>,
}

impl Usage {
    /// Adds another process's usage.
    pub fn add(&mut self, other: &Usage) {
        self.cpu += other.cpu;
        self.rss += other.rss;
        self.vms += other.vms;
        self.user += other.user;
        self.system += other.system;
        self.threads += other.threads;
        self.nice = self.nice.or(other.nice);
        self.status = self.status.take().or_else(|| other.status.clone());
    }

    /// The keys that the observer's JSON uses (aurora: `thermos/observer/http/…`, `process_sample.py`).
    pub fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "ram": self.rss,
            "user": self.user,
            "system": self.system,
            "rss": self.rss,
            "vms": self.vms,
            "nice": self.nice,
            "status": self.status.as_deref().unwrap_or("None"),
            "threads": self.threads,
        })
    }
}

struct Last {
    at: Instant,
    /// Processor seconds by process id and start time.
    seconds: HashMap<(i32, u64), f64>,
    usage: Usage,
}

/// Samples processes, remembering the last sample of each so that rates can be told.
#[derive(Default)]
pub struct Sampler {
    last: Mutex<HashMap<i32, Last>>,
}

/// Two samples closer than this would make a rate of rounding errors; the older one is given again.
const CLOSEST: Duration = Duration::from_millis(500);
/// A sample nobody asked about for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

impl Sampler {
    /// What a process and its descendants use now; zeros when it is gone. Reads `/proc`.
    pub fn sample(&self, pid: i32) -> Usage {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, sample| now - sample.at < FORGOTTEN);
        if let Some(sample) = last.get(&pid)
            && now - sample.at < CLOSEST
        {
            return sample.usage.clone();
        }
        let mut usage = Usage::default();
        let mut seconds = HashMap::new();
        for member in std::iter::once(pid).chain(procs::descendants(pid)) {
            if let Some(stat) = Stat::read(member) {
                seconds.insert((member, stat.start), stat.user + stat.system);
                usage.add(&stat.usage());
            }
        }
        if let Some(previous) = last.get(&pid) {
            // Processes not seen before have done all their work since.
            let work: f64 = seconds
                .iter()
                .map(|(key, total)| {
                    (total - previous.seconds.get(key).copied().unwrap_or(0.0)).max(0.0)
                })
                .sum();
            usage.cpu = work / (now - previous.at).as_secs_f64();
        }
        last.insert(
            pid,
            Last {
                at: now,
                seconds,
                usage: usage.clone(),
            },
        );
        usage
    }
}

/// A line of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    state: String,
    user: f64,
    system: f64,
    nice: i64,
    threads: u64,
    start: u64,
    vms: u64,
    rss: u64,
}

fn system_value(name: SysconfVar, fallback: i64) -> f64 {
    sysconf(name).ok().flatten().unwrap_or(fallback) as f64
}

impl Stat {
    fn read(pid: i32) -> Option<Stat> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(
            &line,
            system_value(SysconfVar::CLK_TCK, 100),
            system_value(SysconfVar::PAGE_SIZE, 4096),
        )
    }

    /// See proc(5): the name in parentheses may hold anything, so fields are counted from the last parenthesis.
    fn parse(line: &str, ticks: f64, page: f64) -> Option<Stat> {
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        Some(Stat {
            state: (*fields.first()?).to_owned(),
            user: number(14)? as f64 / ticks,
            system: number(15)? as f64 / ticks,
            nice: number(19)?,
            threads: u64::try_from(number(20)?).ok()?,
            start: u64::try_from(number(22)?).ok()?,
            vms: u64::try_from(number(23)?).ok()?,
            rss: (number(24)? as f64 * page) as u64,
        })
    }

    fn usage(&self) -> Usage {
        let status = match self.state.as_str() {
            "R" => "running",
            "S" => "sleeping",
            "D" => "disk-sleep",
            "T" => "stopped",
            "t" => "tracing-stop",
            "Z" => "zombie",
            "I" => "idle",
            _ => "dead",
        };
        Usage {
            cpu: 0.0,
            rss: self.rss,
            vms: self.vms,
            user: self.user,
            system: self.system,
            threads: self.threads,
            nice: Some(self.nice),
            status: Some(status.to_owned()),
        }
    }
}

/// Sizes of sandboxes, measured one after the other, at most once an interval, only where the file system has changed, and never
/// while a request waits.
pub struct Disks {
    interval: Duration,
    known: Arc<Mutex<HashMap<Key, Size>>>,
    /// Held by who measures.
    measuring: Arc<tokio::sync::Mutex<()>>,
}

/// A run and the sandbox in it.
type Key = (PathBuf, PathBuf);

struct Size {
    bytes: u64,
    asked: Instant,
    /// When to measure again; `None` while it is being done.
    due: Option<Instant>,
    restraint: Restraint,
}

impl Disks {
    /// Sizes that are at most about `interval` old.
    pub fn new(interval: Duration) -> Disks {
        Disks {
            interval,
            known: Arc::default(),
            measuring: Arc::default(),
        }
    }

    /// Bytes used by regular files in a sandbox as of the last measurement; 0 before the first one has ended.
    pub fn used(&self, sandbox: Place<'_>) -> u64 {
        let now = Instant::now();
        let key = (sandbox.run.to_owned(), sandbox.directory.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, size| now - size.asked < FORGOTTEN);
        let size = known.entry(key.clone()).or_insert_with(|| Size {
            bytes: 0,
            asked: now,
            due: Some(now),
            restraint: Restraint::default(),
        });
        size.asked = now;
        if size.due.is_some_and(|due| due <= now) {
            size.due = None;
            let (known, measuring) = (self.known.clone(), self.measuring.clone());
            let (interval, restraint) = (self.interval, size.restraint);
            tokio::spawn(async move {
                let _alone = measuring.lock().await;
                let measured = tokio::task::spawn_blocking(move || {
                    look(&known, key, interval, restraint);
                });
                if let Err(error) = measured.await {
                    tracing::error!(%error, "cannot measure a sandbox");
                }
            });
        }
        size.bytes
    }
}

/// Measures a sandbox and notes its size.
fn look(known: &Mutex<HashMap<Key, Size>>, key: Key, interval: Duration, mut restraint: Restraint) {
    let begun = Instant::now();
    let bytes = restraint.must_look(&key.1).then(|| {
        measure(Place {
            run: &key.0,
            directory: &key.1,
        })
    });
    let now = Instant::now();
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(size) = known.get_mut(&key) {
        size.bytes = bytes.unwrap_or(size.bytes);
        size.due = Some(now + Restraint::wait(interval, now - begun));
        size.restraint = restraint;
    }
}

/// What tasks used over the last hour.
pub struct Histories {
    interval: Duration,
    kept: Mutex<HashMap<String, VecDeque<TaskSample>>>,
}

/// How far back a history goes.
const HISTORY: Duration = Duration::from_secs(3600);

impl Histories {
    /// Histories of one sample an interval.
    pub fn new(interval: Duration) -> Histories {
        Histories {
            interval: interval.max(Duration::from_secs(1)),
            kept: Mutex::default(),
        }
    }

    /// Time between two samples.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Adds a sample of each task that runs; those that are not among them are forgotten.
    pub fn add(&self, samples: Vec<(String, TaskSample)>) {
        let most = (HISTORY.as_secs() / self.interval.as_secs()).max(1) as usize;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *kept);
        for (id, sample) in samples {
            let mut history = before.remove(&id).unwrap_or_default();
            if history.len() >= most {
                history.pop_front();
            }
            history.push_back(sample);
            kept.insert(id, history);
        }
    }

    /// The history of a task.
    pub fn of(&self, id: &str) -> TaskHistory {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        TaskHistory {
            interval_secs: self.interval.as_secs(),
            samples: kept
                .get(id)
                .map(|history| history.iter().copied().collect())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_hostile_name() {
        // Fields as proc(5) numbers them: 14 utime=250, 15 stime=50, 19 nice=5, 20 threads=3, 22 start=777, 23 vsize, 24 rss=2.
        let line = "42 (a) R (b) S 1 42 42 0 -1 0 0 0 0 0 250 50 0 0 25 5 3 0 777 8192 2 0";
        let stat = Stat::parse(line, 100.0, 4096.0).unwrap();
        assert_eq!(
            stat,
            Stat {
                state: "S".into(),
                user: 2.5,
                system: 0.5,
                nice: 5,
                threads: 3,
                start: 777,
                vms: 8192,
                rss: 8192,
            }
        );
        assert_eq!(stat.usage().status.as_deref(), Some("sleeping"));
        assert_eq!(Stat::parse("42 (x", 100.0, 4096.0), None);
    }

    #[test]
    fn this_process_uses_memory_and_a_dead_one_nothing() {
        let sampler = Sampler::default();
        let usage = sampler.sample(std::process::id().cast_signed());
        assert!(usage.rss > 0 && usage.threads > 0, "{usage:?}");
        assert_eq!(sampler.sample(i32::MAX), Usage::default());
    }

    #[test]
    fn a_history_is_an_hour_of_what_runs() {
        let histories = Histories::new(Duration::from_secs(1800));
        let sample = |at_ms| TaskSample {
            at_ms,
            cpu: 0.5,
            ram: 1,
            disk: 2,
        };
        for at in 1..=3 {
            histories.add(vec![("a".to_owned(), sample(at))]);
        }
        assert_eq!(
            histories.of("a"),
            TaskHistory {
                interval_secs: 1800,
                samples: vec![sample(2), sample(3)],
            }
        );
        histories.add(vec![("b".to_owned(), sample(4))]);
        assert_eq!(histories.of("a").samples, vec![], "it has ended");
    }

    #[test]
    fn a_rate_is_the_work_since_the_last_sample() {
        let sampler = Sampler::default();
        let pid = std::process::id().cast_signed();
        assert_eq!(sampler.sample(pid).cpu, 0.0, "the first");
        let begun = Instant::now();
        while begun.elapsed() < CLOSEST + Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        let cpu = sampler.sample(pid).cpu;
        assert!(
            (0.1..8.0).contains(&cpu),
            "a busy thread uses a core: {cpu}"
        );
        assert_eq!(sampler.sample(pid).cpu, cpu, "given again");
    }

    #[test]
    fn a_tree_starts_at_its_process() {
        // The shell stands for a coordinator, which is not to be counted.
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & wait"])
            .spawn()
            .unwrap();
        let pid = shell.id().cast_signed();
        let deadline = Instant::now() + Duration::from_secs(10);
        while procs::children(pid).is_empty() {
            assert!(Instant::now() < deadline, "no child");
            procs::pause(Duration::from_millis(5));
        }
        let child = procs::children(pid)[0];
        let sampler = Sampler::default();
        assert_eq!(sampler.sample(pid).threads, 2, "with its child");
        assert_eq!(sampler.sample(child).threads, 1, "without its parent");
        for pid in [pid, child] {
            procs::signal(pid, nix::sys::signal::Signal::SIGKILL);
        }
        shell.wait().unwrap();
    }

    #[test]
    fn nice_and_status_of_a_sum_are_those_of_its_first_process() {
        let one = |nice, status: &str| Usage {
            nice: Some(nice),
            status: Some(status.to_owned()),
            threads: 1,
            ..Usage::default()
        };
        let mut sum = Usage::default();
        for part in [Usage::default(), one(5, "sleeping"), one(0, "running")] {
            sum.add(&part);
        }
        assert_eq!(
            sum,
            Usage {
                threads: 2,
                ..one(5, "sleeping")
            }
        );
    }
}
