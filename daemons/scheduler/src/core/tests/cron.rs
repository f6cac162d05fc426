//! Cron jobs.

use aurora_api::service::arguments::{
    CreateJob, DescheduleCronJob, ReplaceCronTemplate, ScheduleCronJob, StartCronJob,
};

use super::script::{Play, clock};
use super::*;

fn play(script: &str) {
    Play::new(config(), []).play(script);
}

#[test]
fn a_cron_job_runs_at_its_minutes_and_not_in_between() {
    play(
        "12:00:30
         cron report */5 * * * * CANCEL_NEW
         report decided 12:00 scheduled
         12:04:59
         report:
         12:05:00
         report: 0 PENDING
         report decided 12:05 launched
         report runs on a
         12:10:00
         report: 0 RUNNING@a            # the policy keeps the earlier run
         report decided 12:10 skipped
         cron_job_triggers = 2
         cron_job_collisions = 1",
    );
}

#[test]
fn a_run_replaces_the_earlier_one_once_it_is_gone() {
    play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report runs on a
         12:10:00
         report: 0 KILLING@a
         report decided 12:10 replacing
         12:10:03
         report is gone
         report:                        # looked at again after 5 to 10 seconds
         12:10:15
         report: 0 PENDING
         report decided 12:10 launched",
    );
}

#[test]
fn a_run_that_has_no_place_yet_is_replaced_at_once() {
    play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report: 0 PENDING
         12:10:00
         report: 0 PENDING
         report decided 12:10 launched
         cron_job_collisions = 1",
    );
}

#[test]
fn triggers_while_a_run_is_replaced_are_counted_and_ignored() {
    play(
        "12:00:30
         cron report * * * * * KILL_EXISTING
         12:01:00
         report runs on a
         12:02:00
         report: 0 KILLING@a
         12:03:00
         report: 0 KILLING@a
         report decided 12:03 replacing
         cron_job_concurrent_runs = 1
         start report
         cron_job_concurrent_runs = 2
         report is gone
         12:03:59
         report: 0 PENDING
         report decided 12:03 launched",
    );
}

#[test]
fn what_follows_a_killed_run_is_the_template_of_its_trigger() {
    let mut play = Play::new(config(), []);
    play.play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report runs on a
         12:10:00",
    );
    let mut larger = job("report", 3);
    larger.task_config.is_service = false;
    larger.cron_schedule = Some("0 0 * * *".to_owned());
    let answer = play.world.answer(ReplaceCronTemplate {
        config: Some(larger),
    });
    assert_eq!(answer.0, ResponseCode::Ok, "{answer:?}");
    play.play(
        "report decided 12:10 replacing
         report is gone
         12:11:30
         report: 0 PENDING",
    );
}

#[test]
fn a_job_is_started_by_hand_and_descheduled() {
    play(
        "12:00:30
         cron report 0 0 1 1 * KILL_EXISTING
         start report
         report: 0 PENDING
         report decided 12:00 scheduled  # no minute of the schedule was decided
         report runs on a
         deschedule report
         report: 0 RUNNING@a
         12:59:59",
    );
}

#[test]
fn a_run_does_not_follow_when_the_job_is_descheduled() {
    play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report runs on a
         12:10:00
         deschedule report
         report is gone
         12:20:00
         report:",
    );
}

#[test]
fn a_minute_is_decided_once_whoever_leads() {
    play(
        "12:00:30
         cron report */5 * * * * CANCEL_NEW
         12:05:00
         report decided 12:05 launched
         report runs on a
         restart
         report: 0 RUNNING@a
         report decided 12:05 launched
         12:09:59
         restart
         12:10:00
         report decided 12:10 skipped",
    );
}

#[test]
fn missed_minutes_are_recorded_and_made_up_for_a_minute() {
    play(
        "12:00:30
         cron report */5 * * * * CANCEL_NEW
         12:04:30
         restart after 20s              # nobody at 12:04:50
         12:05:00
         report decided 12:05 launched
         report runs on a
         start report
         12:09:50
         restart after 30s              # 12:10:20: late, but not too late
         report decided 12:10 skipped
         12:14:50
         restart after 90s              # 12:16:20: too late
         report decided 12:15 missed
         cron_job_missed = 1
         12:20:00
         report decided 12:20 skipped
         restart after 181m             # 15:21: from 12:25 to 15:15
         cron_job_missed = 35           # counted since the restart
         report decided 15:20 skipped
         restart after 184m             # 18:25, and 18:20 is too old
         cron_job_missed = 36
         report decided 18:25 skipped
         restart after 182m             # 21:27
         cron_job_missed = 36
         report decided 21:25 missed",
    );
}

/// Each minute is recorded, up to a hundred of a row: the newest.
#[test]
fn every_missed_minute_is_recorded() {
    for (schedule, away, expected, first) in [
        ("* * * * *", "11m", 9, "12:01"),
        ("*/5 * * * *", "11m", 1, "12:05"),
        ("* * * * *", "300m", 100, "15:19"),
        ("*/5 * * * *", "300m", 59, "12:05"),
    ] {
        let mut play = Play::new(config(), []);
        play.play(&format!(
            "12:00:00\ncron report {schedule} CANCEL_NEW\nrestart after {away}"
        ));
        let minutes: Vec<Millis> = play
            .world
            .ops
            .iter()
            .filter_map(|op| match op {
                Op::CronDecided {
                    minute,
                    outcome: CronOutcome::Missed,
                    ..
                } => Some(*minute),
                _ => None,
            })
            .collect();
        assert_eq!(minutes.len(), expected, "{schedule} {away}");
        assert_eq!(Some(minutes[0]), clock(first), "{schedule} {away}");
        assert!(minutes.is_sorted(), "{minutes:?}");
    }
}

#[test]
fn a_new_schedule_does_not_owe_its_past() {
    play(
        "12:04:50
         cron report 0 * * * * CANCEL_NEW
         12:05:20
         replace report 5 * * * * CANCEL_NEW
         restart
         report decided 12:05 scheduled
         report:
         13:05:00
         report: 0 PENDING",
    );
}

#[test]
fn a_replacement_that_waits_survives_a_failover() {
    play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report runs on a
         12:10:00
         report: 0 KILLING@a
         restart
         report: 0 KILLING@a
         report is gone
         12:10:20
         report: 0 PENDING
         report decided 12:10 launched
         restart
         report: 0 PENDING",
    );
    play(
        "12:00:30
         cron report 0 0 1 1 * KILL_EXISTING
         start report
         report runs on a
         start report
         report: 0 KILLING@a
         restart
         report is gone
         12:05:00
         report: 0 PENDING",
    );
    // Also when a minute was missed meanwhile, and whoever missed it is gone too.
    play(
        "12:00:30
         cron report */5 * * * * KILL_EXISTING
         12:05:00
         report runs on a
         12:10:00
         report: 0 KILLING@a
         restart after 9m
         cron_job_missed = 1
         restart
         report is gone
         12:19:30
         report: 0 PENDING
         report decided 12:15 launched",
    );
}

fn cron_job(schedule: &str) -> JobConfiguration {
    let mut job = preferred("nightly", 2);
    job.task_config.is_service = false;
    job.cron_schedule = Some(schedule.to_owned());
    job
}

#[test]
fn what_is_refused() {
    let mut world = World::new(config());
    let quota = ResourceAggregate {
        resources: [
            Resource::NumCpus(Double(5.0)),
            Resource::RamMb(5120),
            Resource::DiskMb(5120),
        ]
        .into(),
    };
    let answer = world.answer(arguments::SetQuota {
        owner_role: Some("www".to_owned()),
        quota: Some(quota),
    });
    assert_eq!(answer.0, ResponseCode::Ok);
    let mut refused = |call: Call, expected: &str| {
        let (code, text) = world.answer(call);
        assert_eq!(
            (code, text.as_str()),
            (ResponseCode::InvalidRequest, expected)
        );
    };
    let schedule = |job: JobConfiguration| {
        ScheduleCronJob {
            description: Some(job),
        }
        .into()
    };
    let key = || Some(JobKey::new("www", "prod", "nightly"));
    let mut none = cron_job("");
    none.cron_schedule = None;
    refused(schedule(none), "Job www/prod/nightly has no cron schedule");
    refused(schedule(cron_job("")), "Job has an empty cron schedule.");
    refused(
        schedule(cron_job("0 25 * * *")),
        "Invalid cron schedule: 0 25 * * * (hour: `25` is not within 0-23)",
    );
    refused(
        schedule(cron_job("0 0 31 2 *")),
        "Invalid cron schedule: 0 0 31 2 * (it never comes round)",
    );
    let mut overlapping = cron_job("* * * * *");
    overlapping.cron_collision_policy = Some(CronCollisionPolicy::RunOverlap);
    refused(
        schedule(overlapping),
        "The RUN_OVERLAP collision policy has been removed (AURORA-38).",
    );
    let mut service = cron_job("* * * * *");
    service.task_config.is_service = true;
    refused(
        schedule(service),
        "A service task may not be run on a cron schedule: www/prod/nightly",
    );
    let mut large = cron_job("* * * * *");
    large.instance_count = 6;
    refused(
        schedule(large),
        "Insufficient resource quota: CPU quota exceeded by 1.00 core(s); RAM quota exceeded by 1024.00 MB; disk quota exceeded by 1024.00 MB",
    );
    refused(
        ReplaceCronTemplate {
            config: Some(cron_job("* * * * *")),
        }
        .into(),
        "No cron job found for www/prod/nightly.",
    );
    refused(
        StartCronJob { job: key() }.into(),
        "Failed to start cron job - No cron job found for www/prod/nightly.",
    );
    let answer = world.answer(DescheduleCronJob { job: key() });
    let expected = "Job www/prod/nightly is not scheduled with cron".to_owned();
    assert_eq!(answer, (ResponseCode::Ok, expected));

    assert_eq!(
        world
            .answer(ScheduleCronJob {
                description: Some(cron_job("0 0 * * *"))
            })
            .0,
        ResponseCode::Ok
    );
    let refusal = world.answer(CreateJob {
        description: Some(preferred("nightly", 1)),
    });
    assert_eq!(
        refusal,
        (
            ResponseCode::InvalidRequest,
            "Job www/prod/nightly already exists".to_owned()
        )
    );
    let refusal = world.answer(arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: key().unwrap(),
            instance_id: 0,
        }),
        count: 1,
    });
    assert_eq!(refusal.1, "Instances may not be added to cron jobs.");
}

/// Two instances of a core each, on a quota of five cores: the template counts whether it runs or not, once.
#[test]
fn a_cron_job_is_charged_for_its_template_or_for_what_runs() {
    let mut world = World::new(config());
    let used = |world: &World| {
        let view = world.core.store().read();
        crate::core::consumption(view, "www", store::Pool::ProdShared).cpus()
    };
    let mut quota = ResourceAggregate::default();
    quota.resources.extend([
        Resource::NumCpus(Double(5.0)),
        Resource::RamMb(9000),
        Resource::DiskMb(9000),
    ]);
    world.answer(arguments::SetQuota {
        owner_role: Some("www".to_owned()),
        quota: Some(quota),
    });
    let key = || Some(JobKey::new("www", "prod", "nightly"));
    assert_eq!(
        world
            .answer(ScheduleCronJob {
                description: Some(cron_job("0 0 * * *"))
            })
            .0,
        ResponseCode::Ok
    );
    assert_eq!(used(&world), 2.0);
    assert_eq!(
        world.answer(StartCronJob { job: key() }).0,
        ResponseCode::Ok
    );
    assert_eq!(used(&world), 2.0);
    let mut smaller = cron_job("0 0 * * *");
    smaller.instance_count = 1;
    assert_eq!(
        world
            .answer(ReplaceCronTemplate {
                config: Some(smaller)
            })
            .0,
        ResponseCode::Ok
    );
    assert_eq!(used(&world), 2.0, "what runs is more than the template");
    assert_eq!(
        create(&mut world, preferred("other", 3)).0,
        ResponseCode::Ok
    );
    assert_eq!(
        create(&mut world, preferred("another", 1)).0,
        ResponseCode::InvalidRequest
    );
}
