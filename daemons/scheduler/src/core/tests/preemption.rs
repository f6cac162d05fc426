//! Making room for those that wait, in small scripts.
//!
//! Agents have 8 cores and 8 GiB and no ports but ten; a task asks for what its line says, 1 GiB and 1 GiB besides. A line a
//! step:
//!
//! * `run NAME ROLE/TIER/PRIORITY CPUS on HOST`: a job of one task, placed there and RUNNING
//! * `job NAME ROLE/TIER/PRIORITY CPUS xCOUNT [limit|deny HOST]`: a job that waits
//! * `offer HOST CPUS [MEM]`: an offer of so many cores, and of so many MiB or all the memory; `1+2` cores are three, of which
//!   Mesos may take back two
//! * `rescind`: all offers are taken back
//! * `pass SECONDS: WHAT`: time goes by; what was preempted and what was launched
//! * `end NAME`: its task is reported KILLED
//! * `restart`: another scheduler takes over
//! * `COUNTER = NUMBER`

use super::*;
use aurora_mesos::v1::TaskState;

struct Script {
    world: World,
    /// Hosts in the order in which they were first named.
    hosts: Vec<&'static str>,
}

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn known(name: &str) -> &'static str {
    HOSTS.into_iter().find(|host| *host == name).unwrap()
}

/// Times are those of upstream's defaults, but nothing is tried more often than every ten seconds, so that scripts are short.
fn flags() -> Config {
    Config {
        preemption_delay: 180_000,
        initial_schedule_penalty: 1_000,
        max_schedule_penalty: 10_000,
        offer_order: vec![OfferOrder::Cpu],
        hold_offers_forever: true,
        ..config()
    }
}

/// Cores to keep, and cores that Mesos may take back.
fn cores(text: &str) -> (f64, f64) {
    let (firm, lent) = text.split_once('+').unwrap_or((text, "0"));
    (firm.parse().unwrap(), lent.parse().unwrap())
}

fn job_of(name: &str, standing: &str, cpus: &str, count: i32) -> JobConfiguration {
    let [role, tier, priority] = standing.split('/').collect::<Vec<_>>()[..] else {
        panic!("{standing}");
    };
    let mut job = job(name, count);
    job.key.role = role.to_owned();
    job.task_config.job = job.key.clone();
    job.task_config.tier = Some(tier.to_owned());
    job.task_config.priority = priority.parse().unwrap();
    let mut resources = job.task_config.resources;
    resources.retain(|resource| !matches!(resource, Resource::NumCpus(_)));
    // The executor takes a quarter of a core more.
    let (firm, lent) = cores(cpus);
    resources.insert(Resource::NumCpus(Double(firm + lent - 0.25)));
    job.task_config.resources = resources;
    job
}

impl Script {
    fn new() -> Script {
        let mut world = World::registered(flags());
        for role in ["www", "db"] {
            let quota = ResourceAggregate {
                resources: [
                    Resource::NumCpus(Double(1000.0)),
                    Resource::RamMb(1 << 30),
                    Resource::DiskMb(1 << 30),
                ]
                .into(),
            };
            world.answer(arguments::SetQuota {
                owner_role: Some(role.to_owned()),
                quota: Some(quota),
            });
        }
        Script {
            world,
            hosts: Vec::new(),
        }
    }

    fn task(&self, name: &str) -> store::Task {
        let view = self.world.core.store().read();
        let mut jobs = view.jobs().filter(|job| job.key.name == name);
        let job = jobs.next().unwrap_or_else(|| panic!("no job {name}"));
        view.active_tasks(job).next().unwrap().clone()
    }

    /// What happened in some calls, in words, in the order of names.
    fn told(&self, calls: &[MesosCall]) -> String {
        let view = self.world.core.store().read();
        let name = |id: &str| view.task(id).unwrap().job().name.clone();
        let mut told = Vec::new();
        for call in calls {
            match call {
                MesosCall::Kill { task_id, .. } => {
                    let task = view.task(&task_id.value).unwrap();
                    assert_eq!(task.status, ScheduleStatus::Preempting);
                    told.push(format!("-{}", name(&task_id.value)));
                }
                MesosCall::Launch { task, .. } => {
                    let task = task.info();
                    let host = view.task(&task.task_id.value).unwrap().host();
                    told.push(format!("+{}@{}", name(&task.task_id.value), host.unwrap()));
                }
                _ => {}
            }
        }
        told.sort();
        told.join(" ")
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["run", name, standing, cpus, "on", host] => {
                self.world.create(job_of(name, standing, cpus, 1));
                self.offer(host, cpus, 8192.0);
                self.world.pass(20_000);
                let task = self.task(name);
                self.world.status(&task.id(), TaskState::Running);
                assert_eq!(task.host(), Some(host), "{line}");
            }
            ["job", name, standing, cpus, count, ref rest @ ..] => {
                let count = count.trim_start_matches('x').parse().unwrap();
                let mut job = job_of(name, standing, cpus, count);
                let constraints = &mut job.task_config.constraints;
                match rest {
                    [] => {}
                    ["limit"] => drop(constraints.insert(limit("host", 1))),
                    ["deny", host] => drop(constraints.insert(value("host", true, &[host]))),
                    _ => panic!("{line}"),
                }
                self.world.create(job);
            }
            ["offer", host, cpus] => self.offer(host, cpus, 8192.0),
            ["offer", host, cpus, mem] => self.offer(host, cpus, mem.parse().unwrap()),
            ["rescind"] => {
                let ids: Vec<_> = self
                    .world
                    .core
                    .held_offers()
                    .map(|offer| offer.id.clone())
                    .collect();
                for id in ids {
                    self.world.mesos(MesosEvent::Rescinded(id));
                }
            }
            ["end", name] => {
                let task = self.task(name);
                self.world.status(&task.id(), TaskState::Killed);
            }
            ["restart"] => self.restart(),
            ["pass", _, ..] => {
                let (seconds, expected) = line.trim_start_matches("pass ").split_once(':').unwrap();
                let calls = self.world.pass(seconds.parse::<Millis>().unwrap() * 1000);
                assert_eq!(self.told(&calls), expected.trim(), "{line}");
            }
            [counter, "=", number] => {
                let core = &self.world.core;
                let gauges: BTreeMap<String, u64> = core.gauges().into_iter().collect();
                let value = core.counters().get(counter).or_else(|| gauges.get(counter));
                assert_eq!(
                    value.copied().unwrap_or(0),
                    number.parse::<u64>().unwrap(),
                    "{line}"
                );
            }
            _ => panic!("{line}"),
        }
    }

    fn offer(&mut self, name: &str, cpus: &str, mem: f64) {
        let name = known(name);
        if !self.hosts.contains(&name) {
            self.hosts.push(name);
        }
        let (cpus, lent) = cores(cpus);
        let mut offer = self.world.make_offer(&Host {
            cpus,
            mem,
            ..host(name)
        });
        if lent > 0.0 {
            offer.resources.push(v1::Resource {
                revocable: Some(v1::RevocableInfo {}),
                ..scalar("cpus", lent)
            });
        }
        self.world.mesos(MesosEvent::Offers(vec![offer]));
    }

    fn restart(&mut self) {
        let snapshot = store::encode_snapshot(self.world.core.store().read());
        let store = store::decode_snapshot(&snapshot).unwrap();
        let (core, _) = Core::recover(flags(), store, self.world.now);
        self.world.core = core;
        self.world.mesos(MesosEvent::Registered {
            framework_id: "F1".to_owned(),
            master: "m".to_owned(),
        });
    }
}

fn script(lines: &str) {
    let mut script = Script::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        script.line(line);
    }
}

/// Waiting, search, preemption, reservation, and the place that was made.
#[test]
fn room_is_made_for_those_that_waited() {
    script(
        "run small www/preemptible/0 4 on a
         job big www/preferred/0 4 x1
         pass 170:
         pass 70: -small
         preemptor_tasks_preempted_non_prod = 1
         preemptor_tasks_preempted_www/prod/small = 1
         preemptor_task_preemptor_www/prod/big = 1
         preemptor_slot_validation_successful = 1
         preemptor_slot_search_successful_for_prod = 1
         preemption_slot_search_attempts_for_www/prod/big = 1
         preemption_slot_cache_size = 0
         reservation_cache_size = 1
         end small
         offer a 4
         pass 20: +big@a
         reservation_cache_size = 0",
    );
}

#[test]
fn who_may_make_whom_go() {
    for (waiting, running, goes) in [
        // Preemptible ones go for those that are not, whatever role and priority.
        ("www/preferred/0", "db/preemptible/9", true),
        ("www/preemptible/9", "www/preferred/0", false),
        // Among equals: the same role, and strictly less priority.
        ("www/preferred/1", "www/preferred/0", true),
        ("www/preferred/1", "www/preferred/1", false),
        ("www/preferred/1", "db/preferred/0", false),
        ("www/preemptible/1", "www/preemptible/0", true),
        ("www/preemptible/1", "db/preemptible/0", false),
    ] {
        script(&format!(
            "run victim {running} 4 on a
             job needy {waiting} 4 x1
             pass 300:{}",
            if goes { " -victim" } else { "" }
        ));
    }
}

/// The largest first, as many as it takes; what the offer has besides counts; free resources alone make no slot.
#[test]
fn the_largest_go_first() {
    script(
        "run one www/preemptible/0 1 on a
         run two www/preemptible/0 2 on a
         run three www/preemptible/0 3 on a
         job needy www/preferred/0 4 x1
         pass 300: -three -two",
    );
    script(
        "run one www/preemptible/0 1 on a
         run two www/preemptible/0 2 on a
         offer a 2
         job needy www/preferred/0 4 x1
         pass 300: -two",
    );
    // Not enough even with all of them.
    script(
        "run one www/preemptible/0 1 on a
         run two www/preemptible/0 2 on a
         job needy www/preferred/0 4 x1
         pass 300:
         preemptor_unmatched_tasks = 2",
    );
    // Nobody there who could go.
    script(
        "offer a 2
         job needy www/preferred/0 4 x1
         pass 300:
         preemptor_slot_search_attempts_for_prod = 0",
    );
}

/// What Mesos may take back is no room for those that need it for good: neither an offer's cores nor those of a task that goes.
/// That task's memory is. (aurora: `PreemptionVictimFilterTest.java`)
#[test]
fn what_is_lent_makes_no_room() {
    for (running, offer, goes) in [
        ("www/preemptible/0 1", "0+4", false),
        ("www/preemptible/0 1", "1", true),
        ("www/revocable/0 0+1", "1", false),
        ("www/revocable/0 0+1", "2 1000", true),
    ] {
        script(&format!(
            "run victim {running} on a
             offer a {offer}
             job needy db/preferred/0 2 x1
             pass 300:{}",
            if goes { " -victim" } else { "" }
        ));
    }
}

#[test]
fn constraints_hold_for_room_too() {
    script(
        "run one www/preemptible/0 4 on a
         job needy www/preferred/0 4 x1 deny a
         pass 300:
         run two www/preemptible/0 4 on b
         pass 300: -two",
    );
    // A limit: the second instance does not go where the first is.
    script(
        "run one www/preemptible/0 2 on a
         run two www/preemptible/0 2 on a
         job needy www/preferred/0 2 x2 limit
         pass 300: -one
         end one
         offer a 2
         pass 20: +needy@a
         pass 200:",
    );
}

/// An agent is kept for the group that room was made for, for three minutes.
#[test]
fn room_is_kept_for_a_while() {
    script(
        "run small www/preemptible/0 4 on a
         job big www/preferred/0 4 x1
         pass 300: -small
         end small
         rescind
         job other www/preferred/0 2 x1
         rescind
         offer a 3
         pass 30:
         rescind
         pass 30:
         offer a 3
         pass 200: +other@a
         reservation_cache_expiration_removals = 1",
    );
}

/// What was found is looked at again before anybody goes.
#[test]
fn slots_are_looked_at_again() {
    let mut script = Script::new();
    for line in [
        "run small www/preemptible/0 4 on a",
        "job big www/preferred/0 4 x1",
        "pass 170:",
    ] {
        script.line(line);
    }
    // Up to the moment at which room is found, and no further.
    while script.world.core.preemption.slots.len() == 0 {
        let calls = script.world.pass(100);
        assert_eq!(script.told(&calls), "");
    }
    for line in [
        "end small",
        "pass 30:",
        "preemptor_slot_validation_failed = 1",
        "preemptor_slot_validation_failed_for_www/prod/big = 1",
        "reservation_cache_size = 0",
    ] {
        script.line(line);
    }
}

/// Slots and reservations do not outlive the process; the search begins again.
#[test]
fn a_successor_searches_anew() {
    script(
        "run small www/preemptible/0 4 on a
         job big www/preferred/0 4 x1
         pass 300: -small
         restart
         reservation_cache_size = 0
         end small
         run new www/preemptible/0 3 on a
         pass 400:",
    );
}

/// A group for which there is no room is not asked about the same agents again.
#[test]
fn hopeless_groups_cost_nothing_until_something_changes() {
    let mut script = Script::new();
    for line in [
        "run one www/preemptible/0 1 on a",
        "run two www/preemptible/0 1 on b",
        "job needy www/preferred/0 4 x1",
        "pass 300:",
    ] {
        script.line(line);
    }
    let probes = |script: &Script| {
        let counters = script.world.core.counters();
        counters["preemptor_slot_search_failed_for_prod"]
    };
    assert_eq!(probes(&script), 2);
    script.line("pass 600:");
    assert_eq!(probes(&script), 2);
    // An offer adds to what would be free on one of them: three cores and the one of the victim's are enough.
    script.line("offer b 3");
    script.line("pass 120: -two");
    assert_eq!(probes(&script), 2);
}

#[test]
fn preemption_can_be_switched_off() {
    let mut script = Script::new();
    script.world = World::registered(Config {
        enable_preemptor: false,
        ..flags()
    });
    for line in [
        "run small www/preemptible/0 4 on a",
        "job big www/preemptible/1 4 x1",
        "pass 900:",
        "preemptor_task_processor_runs = 0",
    ] {
        script.line(line);
    }
}

/// While an instance is being updated its agent is kept for it, and it goes nowhere else.
#[test]
fn an_updated_instance_stays_where_it_was() {
    let mut world = World::registered(Config {
        enable_update_affinity: true,
        hold_offers_forever: true,
        ..config()
    });
    let key = JobKey::new("www", "prod", "hello");
    let agent: std::sync::Arc<str> = "agent-a".into();
    world.core.now = world.now;
    world.core.reserve_agent(&key, 0, &agent);
    world.create(job("hello", 2));
    world.create(job("other", 1));
    world.offer(&host("b"));
    let calls = world.pass(1_000);
    assert_eq!(launches(&calls).len(), 1);
    assert_eq!(world.states("hello")[0], "0 PENDING");
    // Nobody else gets the agent.
    world.offer(&Host {
        cpus: 2.0,
        ..host("a")
    });
    world.pass(5_000);
    assert_eq!(world.active("hello", 0).host(), Some("a"));
    assert_eq!(world.core.reserved_agent(&key, 0), None);
    // The time for which an agent is kept is over: the next best offer is taken.
    world.core.reserve_agent(&key, 0, &agent);
    let id = world.active("hello", 0).id();
    world.status(&id, TaskState::Running);
    world.status(&id, TaskState::Finished);
    let ids: Vec<_> = world
        .core
        .held_offers()
        .map(|offer| offer.id.clone())
        .collect();
    for id in ids {
        world.mesos(MesosEvent::Rescinded(id));
    }
    world.offer(&host("c"));
    world.offer(&host("d"));
    world.pass(170_000);
    assert_eq!(world.core.offers_held(), 1);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Pending);
    world.pass(90_000);
    assert!(world.active("hello", 0).host().is_some());
    assert_eq!(world.core.offers_held(), 0);
    // Off by default.
    let mut world = World::registered(config());
    world.core.reserve_agent(&key, 0, &agent);
    assert_eq!(world.core.reserved_agent(&key, 0), None);
}
