//! What users ask for, and what they may therefore expect.

use super::*;

const JOBS: [&str; 5] = ["plain", "spread", "racks", "batch", "urgent"];

/// The instances that each job should have, by what was answered OK.
#[derive(Default)]
pub(super) struct Users {
    pub(super) wanted: BTreeMap<String, BTreeSet<i32>>,
}

fn key(name: &str) -> JobKey {
    JobKey::new("www", "prod", name)
}

fn description(name: &str, instances: i32) -> JobConfiguration {
    let mut job = job(name, instances);
    match name {
        // Where the places are that a limit leaves, others may have to go.
        "spread" => {
            job.task_config.priority = 1;
            job.task_config.constraints.insert(limit("host", 1))
        }
        "plain" => {
            job.task_config.partition_policy = Some(PartitionPolicy {
                reschedule: true,
                delay_secs: Some(60),
            });
            true
        }
        "racks" => {
            job.task_config.priority = 2;
            job.task_config.constraints.insert(limit("rack", 2))
        }
        // Half of an agent each, which others often have.
        "urgent" => {
            job.task_config.tier = Some("preferred".to_owned());
            let resources = &mut job.task_config.resources;
            resources.retain(|resource| !matches!(resource, Resource::NumCpus(_)));
            resources.insert(Resource::NumCpus(Double(6.0)))
        }
        "batch" => {
            job.task_config.is_service = false;
            job.task_config.max_task_failures = 3;
            true
        }
        _ => true,
    };
    job
}

/// The most that one host, and one rack, may have of a job.
pub(super) fn limits(name: &str) -> (usize, usize) {
    match name {
        "spread" => (1, usize::MAX),
        "racks" => (usize::MAX, 2),
        _ => (usize::MAX, usize::MAX),
    }
}

impl Users {
    /// What the jobs are allowed to use.
    pub(super) fn quota() -> Call {
        let resources = [
            Resource::NumCpus(Double(1000.0)),
            Resource::RamMb(1 << 30),
            Resource::DiskMb(1 << 30),
        ];
        arguments::SetQuota {
            owner_role: Some("www".to_owned()),
            quota: Some(ResourceAggregate {
                resources: resources.into(),
            }),
        }
        .into()
    }

    pub(super) fn think_of_something(&self, random: &mut Random) -> Call {
        let name = JOBS[random.below(JOBS.len() as i64) as usize];
        let instances = self.wanted.get(name).cloned().unwrap_or_default();
        let one = instances
            .iter()
            .nth(random.below(instances.len() as i64) as usize)
            .copied();
        let Some(one) = one else {
            let count = 1 + random.below(4) as i32;
            return arguments::CreateJob {
                description: Some(description(name, count)),
            }
            .into();
        };
        match random.below(6) {
            0 => arguments::KillTasks {
                job: Some(key(name)),
                ..arguments::KillTasks::default()
            }
            .into(),
            1 => arguments::KillTasks {
                job: Some(key(name)),
                instances: Some([one].into()),
                message: None,
            }
            .into(),
            // Six instances fit under the limits, and all of the jobs into the cluster.
            2 if instances.len() < 5 => arguments::AddInstances {
                key: Some(InstanceKey {
                    job_key: key(name),
                    instance_id: one,
                }),
                count: 1,
            }
            .into(),
            _ => arguments::RestartShards {
                job: Some(key(name)),
                shard_ids: [one].into(),
            }
            .into(),
        }
    }

    pub(super) fn heard(&mut self, call: &Call, response: &Response, core: &Core) {
        if response.response_code != ResponseCode::Ok {
            return;
        }
        match call {
            Call::CreateJob(call) => {
                let job = call.description.as_ref().unwrap();
                self.wanted
                    .insert(job.key.name.clone(), (0..job.instance_count).collect());
            }
            Call::KillTasks(call) => {
                let wanted = self
                    .wanted
                    .entry(call.job.as_ref().unwrap().name.clone())
                    .or_default();
                match &call.instances {
                    None => wanted.clear(),
                    Some(instances) => wanted.retain(|instance| !instances.contains(instance)),
                }
            }
            // What is updated is looked after elsewhere.
            Call::StartJobUpdate(call) => {
                let request = call.request.as_ref().unwrap();
                self.wanted.remove(&request.task_config.job.name);
            }
            // The new one follows the greatest that is active, which may be one that is being killed.
            Call::AddInstances(call) => {
                let job = &call.key.as_ref().unwrap().job_key;
                let view = core.store().read();
                let newest = view
                    .active_tasks(view.job(job).unwrap())
                    .map(|task| task.instance)
                    .max();
                self.wanted
                    .entry(job.name.clone())
                    .or_default()
                    .extend(newest);
            }
            _ => {}
        }
    }
}
