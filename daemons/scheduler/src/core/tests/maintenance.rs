//! Maintenance of hosts.

use super::script::{MIDNIGHT, Play};
use super::*;

/// Jobs of five instances count as large here.
fn small_limits() -> Config {
    Config {
        min_required_instances_for_sla_check: 5,
        ..config()
    }
}

fn with_policy(name: &str, instances: i32, policy: SlaPolicy) -> JobConfiguration {
    let mut job = preferred(name, instances);
    job.task_config.sla_policy = Some(policy);
    job
}

fn coordinated(name: &str, instances: i32) -> JobConfiguration {
    let policy = CoordinatorSlaPolicy {
        coordinator_url: "http://coordinator/".to_owned(),
        status_key: String::new(),
    };
    with_policy(name, instances, SlaPolicy::CoordinatorSlaPolicy(policy))
}

fn play(script: &str) {
    let jobs = [preferred("five", 5), coordinated("asking", 2)];
    Play::new(small_limits(), jobs).play(script);
}

#[test]
fn a_drain_empties_a_host() {
    play(
        "12:00:00
         create web
         web runs on a
         maintain a
         a is SCHEDULED
         web: 0 RUNNING@a
         drain a
         a is DRAINING
         a is asked
         web: 0 DRAINING@a
         web is gone
         web: 0 PENDING
         a is DRAINED
         a is not asked                 # the last task to end makes the request void
         web runs on b
         web: 0 RUNNING@b
         end a
         a is NONE",
    );
}

#[test]
fn a_host_without_tasks_is_drained_at_once_and_keeps_its_request() {
    play(
        "12:00:00
         create web
         web runs on a
         drain a
         web is gone
         web runs on b
         drain a                        # again, with nothing on it
         a is DRAINED
         a is asked
         drain a keeping 95% for 60s until 3600s
         a is DRAINED                   # through DRAINING, when the poller has looked
         a is asked
         end a
         a is not asked",
    );
}

#[test]
fn a_drain_with_a_promise_takes_one_after_the_other() {
    let jobs = [preferred("five", 5)];
    let mut play = Play::new(small_limits(), jobs);
    play.play("12:00:00\n create five\n five runs on a\n 12:10:00\n drain a keeping 4 for 120s until 3600s");
    let at_host = |play: &Play, status: ScheduleStatus| {
        let tasks = play.world.core.store().read();
        tasks
            .tasks_on_host("a")
            .filter(|task| task.status == status)
            .count()
    };
    // Four have to have been up for two minutes: one goes, and the next when its replacement has been up for so long.
    assert_eq!(at_host(&play, ScheduleStatus::Draining), 1);
    play.play("five is gone\n five runs on b\n 12:12:00");
    assert_eq!(at_host(&play, ScheduleStatus::Running), 4);
    assert_eq!(at_host(&play, ScheduleStatus::Draining), 0);
    play.play("12:13:30");
    assert_eq!(at_host(&play, ScheduleStatus::Draining), 1);
}

#[test]
fn a_promise_that_cannot_be_kept_is_forced_in_the_end() {
    play(
        "12:00:00
         create five
         five runs on a
         drain a keeping 100% for 3600s until 300s
         five: 0 RUNNING@a, 1 RUNNING@a, 2 RUNNING@a, 3 RUNNING@a, 4 RUNNING@a
         12:05:00                       # nobody has been up for an hour
         five: 0 RUNNING@a, 1 RUNNING@a, 2 RUNNING@a, 3 RUNNING@a, 4 RUNNING@a
         12:06:30
         five: 0 DRAINING@a, 1 DRAINING@a, 2 DRAINING@a, 3 DRAINING@a, 4 DRAINING@a",
    );
}

#[test]
fn a_jobs_own_policy_wins_and_time_forces_it() {
    let mut play = Play::new(
        small_limits(),
        [with_policy(
            "keen",
            5,
            SlaPolicy::CountSlaPolicy(CountSlaPolicy {
                count: 4,
                duration_secs: 600,
            }),
        )],
    );
    play.play(
        "12:00:00
         create keen
         keen runs on a
         drain a                        # nobody has been up for ten minutes
         keen: 0 RUNNING@a, 1 RUNNING@a, 2 RUNNING@a, 3 RUNNING@a, 4 RUNNING@a
         a is DRAINING
         12:01:20                       # the next look; the time of a plain drain is over
         keen: 0 DRAINING@a, 1 DRAINING@a, 2 DRAINING@a, 3 DRAINING@a, 4 DRAINING@a",
    );
}

#[test]
fn small_jobs_and_jobs_that_are_not_production_have_no_promise() {
    let jobs = [job("preemptible", 5), preferred("four", 4)];
    Play::new(small_limits(), jobs).play(
        "12:00:00
         create preemptible
         preemptible runs on a
         create four
         four runs on a
         drain a keeping 100% for 3600s until 3600s
         preemptible: 0 DRAINING@a, 1 DRAINING@a, 2 DRAINING@a, 3 DRAINING@a, 4 DRAINING@a
         four: 0 DRAINING@a, 1 DRAINING@a, 2 DRAINING@a, 3 DRAINING@a",
    );
}

#[test]
fn a_coordinator_is_asked_one_thing_at_a_time() {
    let mut play = Play::new(small_limits(), [coordinated("asking", 2)]);
    play.play(
        "12:00:00
         create asking
         asking runs on a
         drain a keeping 95% for 60s until 3600s
         asking: 0 RUNNING@a, 1 RUNNING@a
         sla_coordinator_attempts = 1
         sla_coordinator_lock_starvation = 1",
    );
    assert_eq!(play.world.questions.len(), 1);
    play.play(
        "answer 200 {\"drain\": false}
         asking: 0 RUNNING@a, 1 RUNNING@a
         12:01:10                       # asked again at the next look
         sla_coordinator_attempts = 2
         answer 500 busy
         sla_coordinator_user_errors = 1
         12:02:10
         answer fails
         sla_coordinator_errors = 1
         12:03:10
         answer 200 {\"other\": true}
         asking: 0 RUNNING@a, 1 RUNNING@a
         12:04:10
         answer 200 {\"drain\": true}",
    );
    let states = play.world.states("asking");
    assert!(
        states.iter().any(|state| state.ends_with("DRAINING")),
        "{states:?}"
    );
    assert!(
        states.iter().any(|state| state.ends_with("RUNNING")),
        "{states:?}"
    );
}

#[test]
fn the_question_to_a_coordinator() {
    let mut play = Play::new(small_limits(), [coordinated("asking", 1)]);
    play.play(
        "12:00:00
         create asking
         asking runs on a
         12:10:00
         drain a keeping 95% for 60s until 3600s
         asked about 0",
    );
    let question = &play.world.questions[0];
    assert_eq!(question.url, "http://coordinator/");
    let key = format!("{}/www/prod/asking/0", config().cluster_name);
    assert_eq!(question.task, key);
    let body: serde_json::Value = serde_json::from_str(&question.body).unwrap();
    assert_eq!(body["task"], key.as_str());
    assert_eq!(body["forceMaintenanceCountdownMs"], "3600000");
    let task = &body["taskConfig"];
    assert_eq!(task["assignedTask"]["slaveHost"], "a");
    assert_eq!(task["assignedTask"]["task"]["isService"], 1);
    assert_eq!(task["status"], ScheduleStatus::Running as i32);
}

#[test]
fn a_coordinator_that_never_answers_is_asked_again() {
    play(
        "12:00:00
         create asking
         asking runs on a
         drain a keeping 95% for 60s until 36000s
         sla_coordinator_attempts = 1
         12:01:10
         sla_coordinator_attempts = 1   # still waiting
         12:03:10
         sla_coordinator_errors = 1     # twice the time-out
         sla_coordinator_attempts = 2",
    );
}

#[test]
fn a_coordinators_late_consent_does_not_drain_what_nobody_drains_any_more() {
    Play::new(small_limits(), [coordinated("asking", 1)]).play(
        "12:00:00
         create asking
         asking runs on a
         drain a keeping 95% for 60s until 3600s
         end a
         answer 200 {\"drain\": true}
         asking: 0 RUNNING@a",
    );
}

#[test]
fn time_forces_what_a_coordinator_refuses() {
    Play::new(small_limits(), [coordinated("asking", 1)]).play(
        "12:00:00
         create asking
         asking runs on a
         drain a keeping 95% for 60s until 90s
         answer 200 {\"drain\": false}
         12:01:30
         answer 200 {\"drain\": false}
         asking: 0 RUNNING@a
         12:02:30
         asking: 0 DRAINING@a",
    );
}

#[test]
fn a_drain_survives_a_failover() {
    Play::new(small_limits(), [coordinated("asking", 1)]).play(
        "12:00:00
         create asking
         asking runs on a
         drain a keeping 95% for 60s until 3600s
         asked about 0
         restart
         a is DRAINING
         a is asked
         12:01:30
         asked about 0
         answer 200 {\"drain\": true}
         asking: 0 DRAINING@a
         restart
         asking is gone
         a is DRAINED",
    );
}

#[test]
fn hosts_that_no_offer_named() {
    let mut world = World::registered(config());
    let hosts = || {
        Some(Hosts {
            host_names: ["nowhere".to_owned()].into(),
        })
    };
    let (response, _) = world.call(arguments::DrainHosts { hosts: hosts() });
    assert_eq!(response.response_code, ResponseCode::Ok);
    let expected = DrainHostsResult::default();
    assert_eq!(
        response.result,
        Some(aurora_api::model::Result::DrainHostsResult(expected))
    );
    let view = world.core.store().read();
    assert!(view.maintenance_request("nowhere").is_some());
    assert!(view.host("nowhere").is_none());
    let (response, _) = world.call(arguments::DrainHosts { hosts: None });
    assert_eq!(response.response_code, ResponseCode::Error);
}

/// A drain that is to keep promises is not taken for one that keeps none.
#[test]
fn a_drain_with_promises_names_them() {
    let mut world = World::registered(config());
    let id = world.running(job("web", 1));
    let hosts = Hosts {
        host_names: ["a".to_owned()].into(),
    };
    let (code, text) = world.answer(arguments::SlaDrainHosts {
        hosts: Some(hosts),
        default_sla_policy: None,
        timeout_secs: 0,
    });
    assert_eq!(
        (code, &*text),
        (ResponseCode::Error, "defaultSlaPolicy is missing")
    );
    world.pass(120_000);
    let task = world.core.store().read().task(&id).unwrap();
    assert_eq!(task.status, ScheduleStatus::Running);
}

#[test]
fn nothing_is_placed_on_a_host_that_drains_or_is_drained_until_it_is_back() {
    let mut world = World::registered(config());
    let hosts = || {
        Some(Hosts {
            host_names: ["a".to_owned()].into(),
        })
    };
    world.offer(&host("a"));
    world.call(arguments::DrainHosts { hosts: hosts() });
    world.create(job("web", 1));
    assert_eq!(launches(&world.pass(10_000)).len(), 0);
    assert_eq!(
        reason(&world, "web").as_deref(),
        Some("Host drained for maintenance")
    );
    world.call(arguments::EndMaintenance { hosts: hosts() });
    assert_eq!(
        launches(&world.pass(10_000)).len(),
        1,
        "the offer that was held is good again"
    );
}

fn inverse_offer(start: Millis, host: Option<&str>) -> MesosEvent {
    let mut offer = v1::InverseOffer {
        id: "I1".into(),
        agent_id: Some("agent-a".into()),
        ..v1::InverseOffer::default()
    };
    offer.unavailability.start.nanoseconds = start * 1_000_000;
    offer.url = host.map(|host| {
        let mut url = v1::Url::default();
        url.address.hostname = Some(host.to_owned());
        url
    });
    MesosEvent::InverseOffers(vec![offer])
}

#[test]
fn inverse_offers_are_accepted_and_drain_when_the_time_is_near() {
    for named in [Some("a"), None] {
        let mut world = World::registered(config());
        world.running(job("web", 1));
        let accepted = MesosCall::AcceptInverseOffers {
            offer_ids: vec!["I1".into()],
        };
        // Six minutes before the machine goes.
        let far = world.now + 6 * 60_000;
        assert_eq!(
            world.mesos(inverse_offer(far, named)),
            std::slice::from_ref(&accepted)
        );
        assert_eq!(world.active("web", 0).status, ScheduleStatus::Running);
        let calls = world.mesos(inverse_offer(far - 1, named));
        assert_eq!(calls[0], accepted);
        assert_eq!(kills(&calls).len(), 1);
        let task = world.active("web", 0);
        assert_eq!(task.status, ScheduleStatus::Draining);
        assert_eq!(
            history(&task).last().unwrap(),
            "DRAINING Draining machine for maintenance."
        );
        let host = world.core.store().read().host("a").unwrap().attributes.mode;
        assert_eq!(host, Some(MaintenanceMode::None));
        assert_eq!(world.core.counters()["scheduler_inverse_offers"], 2);
    }
}

#[test]
fn tasks_that_a_draining_agent_kills_are_replaced_as_drained() {
    let mut world = World::registered(config());
    let id = world.running(job("web", 1));
    world.mesos(MesosEvent::Status(vec![v1::TaskStatus {
        task_id: (&*id).into(),
        state: v1::TaskState::Killed,
        reason: Some(v1::StatusReason::AgentDraining),
        agent_id: Some("agent-a".into()),
        ..v1::TaskStatus::default()
    }]));
    let view = world.core.store().read();
    let events: Vec<ScheduleStatus> = view
        .task(&id)
        .unwrap()
        .events
        .iter()
        .map(|event| event.status)
        .collect();
    assert_eq!(
        events[events.len() - 2..],
        [ScheduleStatus::Draining, ScheduleStatus::Killed]
    );
    assert_eq!(world.active("web", 0).status, ScheduleStatus::Pending);
}

#[test]
fn countdowns_are_shown_for_tasks_that_wait() {
    let mut play = Play::new(small_limits(), [coordinated("asking", 1)]);
    play.play(
        "12:00:00
         create asking
         asking runs on a
         12:10:00
         drain a keeping 95% for 60s until 3600s
         12:11:00",
    );
    let shown: Vec<(String, Millis)> =
        crate::core::countdowns(play.world.core.store().read(), play.world.now).collect();
    assert_eq!(
        shown,
        [(
            "maintenance_countdown_ms_www/prod/asking/0".to_owned(),
            3_540_000
        )]
    );
    assert_eq!(play.world.now, MIDNIGHT + (12 * 60 + 11) * 60_000);
}

#[test]
fn a_plan_tells_what_a_drain_would_do() {
    use aurora_api::drain_plan::{DefaultPolicy, DrainPlanRequest, PlannedPolicy};
    let mut play = Play::new(
        small_limits(),
        [preferred("five", 5), coordinated("asking", 1)],
    );
    play.play(
        "12:00:00
         create five
         five runs on a
         create asking
         asking runs on b
         12:10:00",
    );
    let request = DrainPlanRequest {
        hosts: vec!["a".to_owned(), "b".to_owned(), "nowhere".to_owned()],
        default_policy: Some(DefaultPolicy::Percentage {
            percentage: 80.0,
            duration_secs: 120,
        }),
        timeout_secs: 3_600,
    };
    let before = play.world.ops.len();
    let plan = play.world.core.drain_plan(&request, 0);
    assert_eq!(play.world.ops.len(), before);
    let hosts: Vec<(&str, Option<MaintenanceMode>, u32, usize)> = plan
        .hosts
        .iter()
        .map(|host| {
            (
                host.host.as_str(),
                host.mode,
                host.tasks,
                host.held_up_by.len(),
            )
        })
        .collect();
    let none = Some(MaintenanceMode::None);
    assert_eq!(
        hosts,
        [
            ("nowhere", None, 0, 0),
            ("b", none, 1, 1),
            ("a", none, 5, 1)
        ]
    );
    let [asking, five] = plan.jobs.as_slice() else {
        panic!("{plan:?}");
    };
    assert_eq!(five.lost, [0, 1, 2, 3, 4]);
    assert_eq!(
        (five.running_before, five.running_after, five.running_needed),
        (5, 0, Some(4))
    );
    assert_eq!((five.at_once, five.fits), (1, 0));
    assert_eq!(
        five.policy,
        PlannedPolicy::Default("80 % up for 120 s".to_owned())
    );
    assert_eq!(
        five.blockers,
        ["5 of 5 instances have been up for 120 s, 4 have to be: 1 of the 5 may go now"]
    );
    assert_eq!(five.no_room, ["there are no offers"]);
    assert_eq!(
        five.estimate_secs,
        Some(3_600),
        "it would have to be forced"
    );
    assert_eq!(
        asking.policy,
        PlannedPolicy::Own("as http://coordinator/ says".to_owned())
    );
    assert_eq!((asking.at_once, asking.estimate_secs), (1, None));
    assert_eq!(plan.estimate_secs, None);

    // Room for three elsewhere: two cores a host, and one of the hosts is full of something else.
    let mut small = host("c");
    small.cpus = 3.5;
    play.world.offer(&small);
    let request = DrainPlanRequest {
        hosts: vec!["a".to_owned()],
        default_policy: None,
        timeout_secs: 0,
    };
    let plan = play.world.core.drain_plan(&request, 0);
    let five = &plan.jobs[0];
    assert_eq!(
        (five.at_once, five.fits),
        (5, 2),
        "1.25 cores each, with the executor's share"
    );
    assert_eq!(
        five.policy,
        PlannedPolicy::None("no policy is asked for".to_owned())
    );
    assert_eq!(
        five.blockers, [""; 0],
        "without a policy all go, with or without room for their replacements"
    );
    assert_eq!(five.no_room, ["Insufficient: CPU"]);
}
