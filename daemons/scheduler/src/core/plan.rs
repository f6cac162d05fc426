//! What a drain would do, told before anything moves.

use std::collections::{BTreeMap, HashMap, HashSet};

use aurora_api::drain_plan::{
    DefaultPolicy, DrainPlan, DrainPlanRequest, PlannedHost, PlannedJob, PlannedPolicy,
};
use aurora_api::job_key::JobPath;
use aurora_api::model::{
    CountSlaPolicy, HostAttributes, JobKey, MaintenanceMode, PercentageSlaPolicy, ScheduleStatus,
    SlaPolicy,
};
use aurora_api::wire::Double;

use super::Core;
use super::config::Millis;
use super::filter::{Limit, Request, Unused, Vetoes, static_vetoes, values_of};
use super::maintenance::active_on;
use super::offers::HeldOffer;
use super::resources::Bag;
use super::sla::{duration, needed};
use super::store::Task;

/// How long a replacement is taken to need until it runs, where nothing is known.
const TO_RUNNING: Millis = 30_000;

impl Core {
    /// What draining hosts would do as things are now.
    pub fn drain_plan(&self, request: &DrainPlanRequest, now: Millis) -> DrainPlan {
        let now = self.now.max(now);
        let view = self.store.read();
        let drained: HashSet<&str> = request.hosts.iter().map(String::as_str).collect();
        let mut lost: BTreeMap<&JobKey, Vec<&Task>> = BTreeMap::new();
        for task in drained.iter().flat_map(|host| active_on(view, host)) {
            lost.entry(task.job()).or_default().push(task);
        }
        let default = request.default_policy.as_ref().map(policy_of);
        let mut room = Room::of(self, &drained);
        let mut jobs = Vec::new();
        for tasks in lost.values_mut() {
            tasks.sort_by_key(|task| task.instance);
            jobs.push(self.planned_job(tasks, default.as_ref(), request, &mut room, now));
        }
        let mut hosts: Vec<PlannedHost> = drained
            .iter()
            .map(|host| self.planned_host(host, &jobs))
            .collect();
        hosts.sort_by(|a, b| {
            let rank = |host: &PlannedHost| (host.held_up_by.len(), host.tasks);
            rank(a).cmp(&rank(b)).then_with(|| a.host.cmp(&b.host))
        });
        let estimates: Option<Vec<i64>> = jobs.iter().map(|job| job.estimate_secs).collect();
        DrainPlan {
            time_ms: now,
            hosts,
            jobs,
            estimate_secs: estimates.map(|all| all.into_iter().max().unwrap_or(0)),
        }
    }

    fn planned_host(&self, host: &str, jobs: &[PlannedJob]) -> PlannedHost {
        let view = self.store.read();
        let on_host: HashSet<&JobKey> = active_on(view, host).map(Task::job).collect();
        let blocked = jobs.iter().filter(|job| !job.blockers.is_empty());
        PlannedHost {
            host: host.to_owned(),
            mode: view
                .host(host)
                .map(|host| host.attributes.mode.unwrap_or(MaintenanceMode::None)),
            tasks: count(active_on(view, host).count()),
            held_up_by: blocked
                .filter(|job| on_host.contains(&job.job.0))
                .map(|job| job.job.clone())
                .collect(),
        }
    }

    /// `tasks` are the job's tasks on the hosts; there is at least one.
    fn planned_job(
        &self,
        tasks: &[&Task],
        default: Option<&SlaPolicy>,
        request: &DrainPlanRequest,
        room: &mut Room<'_>,
        now: Millis,
    ) -> PlannedJob {
        let first = tasks[0];
        let own = first.config.task.sla_policy.as_ref();
        let policy = own.or(default);
        let is_asked = matches!(policy, Some(SlaPolicy::CoordinatorSlaPolicy(_)));
        let counts = policy.filter(|_| !is_asked && self.is_held_to_policies(first));
        let span = policy.map_or(0, duration);
        let standing =
            self.sla
                .standing_at(self.store.read(), first.job(), now.saturating_sub(span));
        let is_up = |task: &&&Task| is_running_for(task, span, now);
        let up = tasks.iter().filter(is_up).count() as i64;
        let least = counts.map(|policy| needed(policy, standing.active));
        let at_once = match (least, is_asked) {
            // Those that are not up do not count; they may go unless too few are up already.
            (Some(least), _) if standing.running < least => 0,
            (Some(least), _) => {
                (standing.running - least + tasks.len() as i64 - up).min(tasks.len() as i64)
            }
            (None, true) => 1,
            (None, false) => tasks.len() as i64,
        };
        let (fits, why) = room.take(self, tasks, now);
        let mut job = PlannedJob {
            job: JobPath(first.job().clone()),
            production: first.config.task.production == Some(true),
            lost: tasks.iter().map(|task| task.instance).collect(),
            active: clamp(standing.active),
            policy: describe(own, default, counts.is_some() || is_asked),
            running_before: clamp(standing.running),
            running_after: clamp(standing.running - up),
            running_needed: least.map(clamp),
            at_once: clamp(at_once),
            fits,
            no_room: no_room(fits, tasks.len(), &why),
            blockers: Vec::new(),
            estimate_secs: None,
        };
        self.block(&mut job, span, policy.filter(|_| is_asked));
        job.estimate_secs = self.estimate(&job, span, is_asked, request.timeout_secs);
        job
    }

    fn block(&self, job: &mut PlannedJob, span: Millis, asked: Option<&SlaPolicy>) {
        let lost = count(job.lost.len());
        if let Some(least) = job.running_needed
            && job.at_once < lost
        {
            job.blockers.push(format!(
                "{} of {} instances have been up for {}, {least} have to be: {} of the {lost} may go now",
                job.running_before,
                job.active,
                words(span),
                job.at_once,
            ));
        }
        if let Some(SlaPolicy::CoordinatorSlaPolicy(policy)) = asked {
            job.blockers.push(format!(
                "{} is asked about each of the {lost}, one at a time",
                policy.coordinator_url
            ));
        }
    }

    /// Instances go in waves: what the policy allows at once, and then as many again when their replacements have been up
    /// for long enough. Where that never comes, the drain takes until it is forced.
    fn estimate(
        &self,
        job: &PlannedJob,
        span: Millis,
        is_asked: bool,
        timeout_secs: i64,
    ) -> Option<i64> {
        if is_asked {
            return None;
        }
        let lost = count(job.lost.len());
        let poll = self.config.host_maintenance_polling_interval;
        let replaced = self
            .sla
            .report()
            .median_to_running()
            .map_or(TO_RUNNING, |median| median as Millis);
        if job.at_once >= lost {
            return Some(replaced / 1000);
        }
        if job.at_once == 0 || job.fits < lost - job.at_once {
            return Some(timeout_secs);
        }
        let waves = i64::from(lost.div_ceil(job.at_once)) - 1;
        let one = span.saturating_add(replaced).saturating_add(poll);
        let all = waves.saturating_mul(one).saturating_add(replaced) / 1000;
        Some(all.min(timeout_secs.max(0)))
    }
}

fn policy_of(policy: &DefaultPolicy) -> SlaPolicy {
    match *policy {
        DefaultPolicy::Percentage {
            percentage,
            duration_secs,
        } => SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(percentage),
            duration_secs,
        }),
        DefaultPolicy::Count {
            count,
            duration_secs,
        } => SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count,
            duration_secs,
        }),
    }
}

fn no_room(fits: u32, lost: usize, why: &Vetoes) -> Vec<String> {
    if fits >= count(lost) {
        return Vec::new();
    }
    match why.is_empty() {
        true => vec!["there are no offers".to_owned()],
        false => why.iter().map(ToString::to_string).collect(),
    }
}

fn is_running_for(task: &Task, span: Millis, now: Millis) -> bool {
    let since = task.last_event_time();
    task.status == ScheduleStatus::Running && now.saturating_sub(since) > span
}

fn describe(own: Option<&SlaPolicy>, default: Option<&SlaPolicy>, holds: bool) -> PlannedPolicy {
    let Some(policy) = own.or(default) else {
        return PlannedPolicy::None("no policy is asked for".to_owned());
    };
    let text = match policy {
        SlaPolicy::PercentageSlaPolicy(policy) => {
            format!(
                "{} % up for {}",
                policy.percentage.0,
                words(policy.duration_secs.saturating_mul(1000))
            )
        }
        SlaPolicy::CountSlaPolicy(policy) => {
            format!(
                "{} up for {}",
                policy.count,
                words(policy.duration_secs.saturating_mul(1000))
            )
        }
        SlaPolicy::CoordinatorSlaPolicy(policy) => format!("as {} says", policy.coordinator_url),
    };
    match (holds, own) {
        (false, _) => PlannedPolicy::None(format!(
            "{text}, but the job is too small or not production"
        )),
        (true, Some(_)) => PlannedPolicy::Own(text),
        (true, None) => PlannedPolicy::Default(text),
    }
}

fn words(span: Millis) -> String {
    format!("{} s", span / 1000)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn clamp(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// What is free on the hosts that stay, while replacements are put there one after the other.
struct Room<'a> {
    offers: Vec<Free<'a>>,
    drained: &'a HashSet<&'a str>,
}

struct Free<'a> {
    held: &'a HeldOffer,
    firm: Bag,
    revocable: Bag,
}

impl<'a> Room<'a> {
    fn of(core: &'a Core, drained: &'a HashSet<&'a str>) -> Room<'a> {
        let offers = core
            .offers
            .newer_than(0)
            .filter(|held| !drained.contains(held.host.attributes.host.as_str()));
        let offers = offers.map(|held| Free {
            held,
            firm: held.class.firm,
            revocable: held.class.revocable,
        });
        Room {
            offers: offers.collect(),
            drained,
        }
    }

    /// Puts as many replacements as find room, and says what spoke against the nearest offer for the next.
    fn take(&mut self, core: &Core, tasks: &[&Task], now: Millis) -> (u32, Vetoes) {
        let (mut fits, mut nearest) = (0, Vetoes::new());
        let mut limits = Limits::of(core, tasks[0], self.drained);
        let mut place = 0;
        for task in tasks {
            let request = Request::new(&core.config, core.store.names(), &task.config);
            // Room only shrinks: what had none for a task has none for the next of the same job.
            let found = self.offers[place..].iter_mut().position(|free| {
                let has = if request.revocable {
                    &mut free.revocable
                } else {
                    &mut free.firm
                };
                let unused = Unused {
                    host: &free.held.host,
                    has,
                    unavailable_from: free.held.class.unavailable_from,
                };
                let vetoes = static_vetoes(&core.config, &unused, &request, now);
                let suits = vetoes.is_empty() && limits.allow(&request, free.held);
                if !vetoes.is_empty() {
                    nearest = vetoes;
                }
                suits
            });
            let Some(found) = found else {
                break;
            };
            place += found;
            let free = &mut self.offers[place];
            free.firm = free.firm.minus(&request.need);
            free.revocable = free.revocable.minus(&request.need);
            limits.put(&request, free.held);
            fits += 1;
        }
        (fits, nearest)
    }
}

/// How many of a job's instances there are at each value of the attributes that limit it, without those that are lost.
struct Limits(HashMap<(String, String), i64>);

impl Limits {
    fn of(core: &Core, task: &Task, drained: &HashSet<&str>) -> Limits {
        let view = core.store.read();
        let request = Request::new(&core.config, core.store.names(), &task.config);
        let mut limits = Limits(HashMap::new());
        let tasks = view
            .job(task.job())
            .into_iter()
            .flat_map(|job| view.active_tasks(job));
        let hosts = tasks
            .filter_map(|task| task.host())
            .filter(|host| !drained.contains(host));
        for host in hosts.filter_map(|host| view.host(host)) {
            limits.add(&request, &host.attributes);
        }
        limits
    }

    fn add(&mut self, request: &Request<'_>, host: &HostAttributes) {
        for Limit { name, .. } in &request.limits {
            for value in values_of(host, name) {
                *self
                    .0
                    .entry(((*name).to_owned(), value.to_owned()))
                    .or_default() += 1;
            }
        }
    }

    fn put(&mut self, request: &Request<'_>, held: &HeldOffer) {
        self.add(request, &held.host.attributes);
    }

    fn allow(&self, request: &Request<'_>, held: &HeldOffer) -> bool {
        request.limits.iter().all(|Limit { name, limit, .. }| {
            values_of(&held.host.attributes, name).all(|value| {
                let there = self.0.get(&((*name).to_owned(), value.to_owned()));
                there.copied().unwrap_or(0) < i64::from(*limit)
            })
        })
    }
}
