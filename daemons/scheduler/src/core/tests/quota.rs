//! What updates are charged, with upstream's numbers (aurora: `QuotaManagerImplTest.java`).
//!
//! Amounts are of cores, MiB of memory and MiB of disk alike: `2` of production, `2n` of what is not. Tasks are `JOB:AMOUNT`, with
//! `@INSTANCE` other than 0. An update of the job `web` is `AMOUNT*INSTANCES > AMOUNT*INSTANCES`; either side may be missing.

use super::*;
use crate::core::quota;
use crate::core::store::{ConfigId, Pool};

fn resources(amount: i32) -> BTreeSet<Resource> {
    BTreeSet::from([
        Resource::NumCpus(Double(f64::from(amount))),
        Resource::RamMb(i64::from(amount)),
        Resource::DiskMb(i64::from(amount)),
    ])
}

fn task(name: &str, amount: &str) -> TaskConfig {
    let (amount, production) = match amount.strip_suffix('n') {
        Some(amount) => (amount, false),
        None => (amount, true),
    };
    TaskConfig {
        job: JobKey::new("www", "prod", name),
        production: Some(production),
        resources: resources(amount.parse().unwrap()),
        ..TaskConfig::default()
    }
}

fn update(text: &str) -> JobUpdate {
    let side = |text: &str| {
        let (amount, instances) = text.trim().split_once('*')?;
        let last = instances.parse::<i32>().unwrap() - 1;
        Some(InstanceTaskConfig {
            task: task("web", amount),
            instances: BTreeSet::from([Range { first: 0, last }]),
        })
    };
    let (before, after) = text.split_once('>').unwrap();
    let mut update = JobUpdate::default();
    update.summary.key.job = JobKey::new("www", "prod", "web");
    update.instructions.initial_state = side(before).into_iter().collect();
    update.instructions.desired_state = side(after);
    update
}

fn store(tasks: &str, active: &str, quota: i32) -> Store {
    let mut store = Store::default();
    let mut apply = |op: Op| drop(store.apply(&op).unwrap());
    let mut configs: Vec<TaskConfig> = Vec::new();
    for (number, text) in tasks.split_whitespace().enumerate() {
        let (name, rest) = text.split_once(':').unwrap();
        let (amount, instance) = rest.split_once('@').unwrap_or((rest, "0"));
        let config = task(name, amount);
        let known = configs.iter().position(|other| *other == config);
        let place = known.unwrap_or(configs.len());
        let id = ConfigId(place as u64 + 1);
        if known.is_none() {
            configs.push(config.clone());
            apply(Op::AddConfig {
                id,
                config: config.into(),
            });
        }
        let instance = instance.parse().unwrap();
        apply(Op::InsertTasks {
            config: id,
            instances: vec![Range {
                first: instance,
                last: instance,
            }],
            seed: number as u128,
            time: START,
        });
    }
    apply(Op::SaveQuota {
        role: "www".to_owned(),
        quota: ResourceAggregate {
            resources: resources(quota),
        },
    });
    if !active.is_empty() {
        let update = update(active);
        let key = update.summary.key.clone();
        apply(Op::SaveUpdate {
            update: update.into(),
        });
        let event = JobUpdateEvent {
            status: JobUpdateStatus::RollingForward,
            timestamp_ms: START,
            ..JobUpdateEvent::default()
        };
        apply(Op::UpdateEvent { key, event });
    }
    store
}

#[test]
fn what_updates_are_charged() {
    // Tasks, the active update, the quota, what is used of production and of the rest, what is asked for, whether it fits.
    for (tasks, active, quota, used, others, asked, fits) in [
        ("foo:2 bar:1", "1*1 > 7n*1", 5, 4, 7, "1", true),
        ("foo:2 bar:2", "1n*1 > 1*1", 5, 5, 1, "1", false),
        ("foo:2 bar:2", "2*1 > 1*1", 6, 6, 0, "1", false),
        ("foo:2 bar:2", "1*1 > 1*2", 6, 6, 0, "1", false),
        ("foo:2 bar:2", "1*2 > 1*1", 6, 6, 0, "1", false),
        // Instances that the update touches are charged as the update has them.
        ("foo:2 web:2", "2*1 >", 6, 4, 0, "1", true),
        ("foo:2 web:2", "> 2*1", 6, 4, 0, "1", true),
        ("foo:2 bar:2", "2*1 >", 6, 6, 0, "1", false),
        ("foo:2 web:2 web:2@12", "", 6, 6, 0, "2*1 > 1*1", true),
        ("foo:2 web:2", "", 6, 4, 0, "2*1 > 2*3", false),
        ("foo:2 web:2 web:2@1", "", 6, 6, 0, "2*1 > 2*1", true),
        // What is not production, or goes altogether, is not asked about.
        ("", "", 0, 0, 0, "2*1 > 2n*1", true),
        ("", "", 0, 0, 0, "2*1 >", true),
    ] {
        let store = store(tasks, active, quota);
        let view = store.read();
        let used_of = |pool| consumption(view, "www", pool).ram_mb;
        let case = format!("{tasks} / {active} / {asked}");
        let shown = (used_of(Pool::ProdShared), used_of(Pool::NonProdShared));
        assert_eq!(shown, (used, others), "{case}");
        let exceeded = match asked.contains('>') {
            true => quota::exceeded_by_update(view, &update(asked)),
            false => quota::exceeded(view, "www", &task("new", asked), 1),
        };
        assert_eq!(exceeded.is_none(), fits, "{case}");
    }
}
