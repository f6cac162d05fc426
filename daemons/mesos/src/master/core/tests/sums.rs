//! Resources add up whatever happens.

use super::*;

/// Whatever happens in whatever order: nothing is given away twice, and nothing is lost.
#[test]
fn resources_always_add_up() {
    for seed in 1..=20u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % limit as u64) as usize
        };
        let mut world = World::new();
        let mut key = 100;
        world.agent(1, None, |_| {});
        world.framework(2, &info(""));
        for step in 0..400 {
            let offers: Vec<_> = world.master.offers.values().cloned().collect();
            let tasks: Vec<(FrameworkId, aurora_mesos::v1::Task)> = world
                .master
                .frameworks
                .values()
                .flat_map(|f| {
                    f.tasks
                        .values()
                        .map(|entry| (f.id.clone(), entry.task.clone()))
                })
                .collect();
            match next(9) {
                0..=2 => {
                    if let Some(offer) = offers.get(next(offers.len().max(1))) {
                        let id = format!("t{step}");
                        let mut info = if next(2) == 0 {
                            task(&id, "cpus:0.3;mem:100;ports:[31002-31002]")
                        } else {
                            with_executor(&id, "cpus:0.1;mem:50", ["x", "y"][next(2)])
                        };
                        info.agent_id = offer.agent_id.clone();
                        let framework = offer.framework_id.value.clone();
                        world.launch(&framework, &[&offer.id.value], next(3) as f64, vec![info]);
                    }
                }
                3..=4 => {
                    if let Some((framework, task)) = tasks.get(next(tasks.len().max(1))) {
                        let state = [TaskState::Running, TaskState::Finished][next(2)];
                        let uuid = Bytes::copy_from_slice(&[next(250) as u8; 16]);
                        let update = link::StatusUpdate {
                            framework_id: framework.clone(),
                            status: TaskStatus {
                                task_id: task.task_id.clone(),
                                state,
                                uuid: Some(uuid.clone()),
                                ..Default::default()
                            },
                            latest_state: state,
                        };
                        let agent = task.agent_id.clone();
                        world.master.agent_call(
                            world.now,
                            &agent,
                            link::Call::StatusUpdate(update),
                        );
                        let acknowledge = Acknowledge {
                            agent_id: agent,
                            task_id: task.task_id.clone(),
                            uuid,
                        };
                        world.master.acknowledge(world.now, framework, acknowledge);
                    }
                }
                5 => {
                    let agent = ["M-S0", "M-S1"][next(2)];
                    let executor_id = ExecutorId::from(["x", "y"][next(2)]);
                    let framework_id = FrameworkId::from(["M-0000", "M-0001"][next(2)]);
                    let exited = link::ExecutorExited {
                        framework_id,
                        executor_id,
                        status: 0,
                    };
                    world.master.agent_call(
                        world.now,
                        &agent.into(),
                        link::Call::ExecutorExited(exited),
                    );
                }
                6 => {
                    key += 1;
                    let id = ["M-0000", "M-0001"][next(2)];
                    let text = info(&format!(r#""id":{{"value":"{id}"}}"#));
                    world.framework(key, &text);
                }
                7 => {
                    key += 1;
                    let id = ["M-S0", "M-S1"][next(2)];
                    let running: Vec<_> = tasks
                        .iter()
                        .map(|(_, task)| task.clone())
                        .filter(|task| task.agent_id.value == id && next(4) > 0)
                        .collect();
                    world.agent(key, Some(id), |subscribe| subscribe.tasks = running);
                }
                _ => {
                    world.pass(SECOND * next(4) as u32);
                }
            }
            world.told();
            check_sums(&world.master, seed, step);
        }
    }
}

fn check_sums(master: &Master, seed: u64, step: usize) {
    for agent in master.agents.values() {
        let mut used = Resources::default();
        for framework in master.frameworks.values() {
            for entry in framework.tasks.values() {
                if entry.task.agent_id == agent.id && !entry.task.state.is_terminal() {
                    used.add(&Resources::of(&entry.task.resources).unallocated());
                }
            }
            for ((at, _), executor) in &framework.executors {
                if *at == agent.id {
                    used.add(&Resources::of(&executor.resources).unallocated());
                }
            }
        }
        let mut offered = Resources::default();
        for offer in master
            .offers
            .values()
            .filter(|offer| offer.agent_id == agent.id)
        {
            offered.add(&offer.resources.unallocated());
        }
        let same = |a: &Resources, b: &Resources| a.contains(b) && b.contains(a);
        let at = format!("seed {seed}, step {step}, agent {}", agent.id);
        assert!(
            same(&agent.used_sum, &used),
            "{at}: charged {}, but {used} is used",
            agent.used_sum
        );
        assert!(
            same(&agent.offered_sum, &offered),
            "{at}: {} is not {offered}",
            agent.offered_sum
        );
        assert!(
            agent.total.contains(&used.plus(&offered)),
            "{at}: {used} and {offered} are too much"
        );
    }
}
