//! One of each op, by the version of the log's form that brought it.

use std::sync::Arc;

use super::*;
use crate::core::store::ConfigId;

/// One of each op that version 1 had, with every optional part.
pub(super) fn samples_of_version_1() -> Vec<Op> {
    let mut full = job("hello", 2).task_config;
    full.tier = Some("preferred".to_owned());
    full.production = Some(true);
    full.constraints.insert(limit("host", 1));
    full.resources
        .insert(Resource::NamedPort("http".to_owned()));
    let task: store::TaskId = store::task_id(&full.job, 0, 7);
    let time = START;
    vec![
        Op::SaveScheduler {
            host: "s".to_owned(),
        },
        Op::SaveFrameworkId {
            id: "F1".to_owned(),
        },
        Op::AddConfig {
            id: ConfigId(0),
            config: Arc::new(full),
        },
        Op::InsertTasks {
            config: ConfigId(0),
            instances: vec![Range { first: 0, last: 1 }, Range { first: 5, last: 5 }],
            seed: 7,
            time,
        },
        Op::SaveHost {
            attributes: HostAttributes {
                host: "a".to_owned(),
                attributes: BTreeSet::from([Attribute {
                    name: "rack".to_owned(),
                    values: BTreeSet::from(["r1".to_owned()]),
                }]),
                mode: Some(MaintenanceMode::None),
                slave_id: Some("agent-a".to_owned()),
            }
            .into(),
        },
        Op::Assign {
            task: Arc::clone(&task),
            agent: "agent-a".into(),
            host: "a".into(),
            ports: vec![("http".to_owned(), 31000)],
            time: time + 1,
        },
        Op::SaveStatus {
            task: Arc::clone(&task),
            status: ScheduleStatus::Running,
            message: None,
            time: time + 2,
        },
        Op::CountFailure {
            task: Arc::clone(&task),
        },
        Op::SaveStatus {
            task: Arc::clone(&task),
            status: ScheduleStatus::Failed,
            message: Some("died".to_owned()),
            time: time + 3,
        },
        Op::InsertReplacement {
            ancestor: task,
            seed: u128::MAX - 1,
            status: ScheduleStatus::Throttled,
            message: "Rescheduled, penalized for 30000 ms for flapping".to_owned(),
            time: time + 3,
        },
        Op::RemoveTasks {
            tasks: vec![store::task_id(&JobKey::new("www", "prod", "hello"), 5, 7)],
        },
        Op::SaveQuota {
            role: "www".to_owned(),
            quota: ResourceAggregate {
                resources: BTreeSet::from([Resource::NumCpus(Double(1.5))]),
            },
        },
    ]
}

/// One of each op that version 2 had, with every optional part.
pub(super) fn samples_of_version_2() -> Vec<Op> {
    let cron = JobKey::new("www", "prod", "nightly");
    let update = JobUpdateKey {
        job: JobKey::new("www", "prod", "hello"),
        id: "u1".to_owned(),
    };
    let gone = JobUpdateKey {
        id: "u0".to_owned(),
        ..update.clone()
    };
    let asked = |key: &JobUpdateKey| Op::SaveUpdate {
        update: Arc::new(JobUpdate {
            summary: JobUpdateSummary {
                user: Some("alice".to_owned()),
                state: None,
                key: key.clone(),
                metadata: BTreeSet::from([Metadata {
                    key: "ticket".to_owned(),
                    value: "7".to_owned(),
                }]),
            },
            instructions: JobUpdateInstructions {
                initial_state: BTreeSet::from([InstanceTaskConfig {
                    task: job("hello", 1).task_config,
                    instances: BTreeSet::from([Range { first: 0, last: 1 }]),
                }]),
                desired_state: None,
                settings: JobUpdateSettings {
                    update_group_size: 1,
                    ..JobUpdateSettings::default()
                },
            },
        }),
    };
    let request = |host: &str| HostMaintenanceRequest {
        host: host.to_owned(),
        default_sla_policy: Some(SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(95.0),
            duration_secs: 1800,
        })),
        timeout_secs: 60,
        created_timestamp_ms: START,
    };
    let mut template = job("nightly", 2);
    template.cron_schedule = Some("0 3 * * *".to_owned());
    let mut other = template.clone();
    other.key.name = "weekly".to_owned();
    let mut ops = samples_of_version_1();
    ops.extend([
        Op::SaveCron {
            job: Arc::new(template),
        },
        Op::SaveCron {
            job: Arc::new(other.clone()),
        },
        Op::CronDecided {
            key: cron,
            minute: START,
            outcome: CronOutcome::Missed,
        },
        Op::RemoveCron { key: other.key },
        asked(&gone),
        asked(&update),
        Op::UpdateEvent {
            key: update.clone(),
            event: JobUpdateEvent {
                status: JobUpdateStatus::RollingForward,
                timestamp_ms: START + 4,
                user: Some("alice".to_owned()),
                message: Some("go".to_owned()),
            },
        },
        Op::instance_event(
            update,
            JobInstanceUpdateEvent {
                instance_id: 1,
                timestamp_ms: START + 5,
                action: JobUpdateAction::InstanceUpdating,
                message: None,
            },
        ),
        Op::RemoveUpdates { keys: vec![gone] },
        Op::SaveMaintenance {
            request: request("a"),
        },
        Op::SaveMaintenance {
            request: request("b"),
        },
        Op::RemoveMaintenance {
            host: "b".to_owned(),
        },
        Op::Audit {
            record: Arc::new(AuditRecord {
                time: START + 6,
                user: "alice".to_owned(),
                method: "killTasks".to_owned(),
                target: "www/prod/hello".to_owned(),
                detail: "instances 0-1".to_owned(),
            }),
        },
    ]);
    ops
}

/// One of each op, with every optional part.
pub(super) fn samples() -> Vec<Op> {
    let job = JobKey::new("www", "prod", "hello");
    // Instance 1 is of version 1's sample.
    let old = store::task_id(&job, 1, 7);
    let act = |instance, action, message: Option<&str>| InstanceAct {
        instance,
        action,
        message: message.map(str::to_owned),
    };
    let mut ops = samples_of_version_2();
    ops.extend([
        Op::UpdateInstances {
            key: JobUpdateKey {
                job: job.clone(),
                id: "u1".to_owned(),
            },
            acts: vec![
                act(0, JobUpdateAction::InstanceUpdated, None),
                act(1, JobUpdateAction::InstanceUpdating, Some("why")),
            ],
            kills: vec![Arc::clone(&old)],
            message: Some("Killed for job update u1".to_owned()),
            time: START + 7,
        },
        Op::Supersede {
            task: old,
            status: ScheduleStatus::Killed,
            message: Some("gone".to_owned()),
            config: ConfigId(0),
            seed: 9,
            time: START + 8,
        },
    ]);
    ops
}
