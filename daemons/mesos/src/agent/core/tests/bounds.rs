//! Numbers without end, and lists with one.

use super::*;

/// mesos: a limit of infinity is no limit, whatever the others ask for.
#[test]
fn a_limit_of_infinity_is_none() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    let mut boundless = custom_task("t2");
    let infinite = |name: &str| {
        let value = f64::INFINITY;
        (name.to_owned(), Scalar { value })
    };
    boundless.limits = [infinite("cpus"), infinite("mem")].into();
    world.run(boundless);
    let limits = |world: &World| {
        let framework = world.agent.frameworks.values().next().unwrap();
        let executor = framework.executors.values().next().unwrap();
        executor.limits(&world.agent.settings)
    };
    let both = limits(&world);
    assert_eq!(
        (both.cpus, both.memory >> 20),
        (2.5, 250),
        "what is asked for"
    );
    assert_eq!(both.cpus_limit, Some(f64::INFINITY));
    assert_eq!(both.memory_limit, Some(u64::MAX));
    world.subscribe(7);
    world.update(status("t2", TaskState::Finished, 1));
    let left = limits(&world);
    assert_eq!((left.cpus_limit, left.memory_limit), (None, None));
}

/// mesos: `revocable_cpu_low_priority`.
#[test]
fn revocable_processors_weigh_little() {
    let mut world = World::new();
    let mut task = custom_task("t1");
    let cpus = task.resources.iter_mut().find(|r| r.name == "cpus");
    cpus.unwrap().revocable = Some(RevocableInfo {});
    world.run(task);
    let framework = world.agent.frameworks.values().next().unwrap();
    let executor = framework.executors.values().next().unwrap();
    let limits = executor.limits(&world.agent.settings);
    let all = executor.scalar("cpus");
    assert_eq!(limits.cpus * 1024.0, all * 10.0);
    assert_eq!(limits.memory >> 20, executor.scalar("mem") as u64);
}

#[test]
fn what_is_over_is_shown_up_to_a_bound() {
    let mut world = World::new();
    // Tasks of one executor, which lives on by a task of its own.
    world.run(custom_task("stays"));
    world.subscribe(7);
    for number in 0..=MAX_COMPLETED_TASKS {
        let id = format!("t{number}");
        world.run(custom_task(&id));
        world.update(status(&id, TaskState::Finished, 1));
        world.ack(&id, &[1; 16]);
    }
    let completed = world.agent.get_tasks().completed_tasks;
    assert_eq!(completed.len(), 200);
    assert!(!completed.iter().any(|task| task.task_id.value == "t0"));

    // Executors of one framework, which lives on by the executor above.
    for number in 0..=MAX_COMPLETED_EXECUTORS {
        let mut task = custom_task(&format!("e{number}"));
        task.executor.as_mut().unwrap().executor_id = format!("E{number}").into();
        world.run(task);
        let framework = world.agent.frameworks.values().next().unwrap();
        let executor = &framework.executors[&format!("E{number}").into()];
        let container = executor.container.clone();
        let ended = Ended {
            status: Some(0),
            termination: None,
        };
        let effects = world.agent.container_ended(world.now(), &container, ended);
        let updates = effects.iter().find_map(|effect| match effect {
            Effect::Send(call) => match &**call {
                link::Call::StatusUpdate(update) => update.status.uuid.clone(),
                _ => None,
            },
            _ => None,
        });
        world.done(effects);
        world.ack(&format!("e{number}"), &updates.unwrap());
    }
    assert_eq!(world.agent.get_executors().completed_executors.len(), 150);

    // Frameworks.
    for number in 0..=MAX_COMPLETED_FRAMEWORKS {
        let mut world_framework = framework(true, false);
        world_framework.id = Some(format!("F{number}").into());
        world.framework = world_framework;
        world.run(custom_task("t"));
        let id = format!("F{number}").into();
        let container = world.agent.frameworks[&id]
            .executors
            .values()
            .next()
            .unwrap();
        let container = container.container.clone();
        world.master(link::Event::ShutdownFramework(link::ShutdownFramework {
            framework_id: id,
        }));
        let ended = Ended {
            status: Some(0),
            termination: None,
        };
        let effects = world.agent.container_ended(world.now(), &container, ended);
        world.done(effects);
    }
    assert_eq!(world.agent.get_frameworks().completed_frameworks.len(), 50);
}

/// mesos: HEARTBEAT is answered without a look at who sends it.
#[test]
fn a_heartbeat_is_taken_from_everybody() {
    let mut world = World::new();
    let beat = base_call(v1::CallType::Heartbeat);
    assert_eq!(world.call(1, beat.clone()).unwrap(), [""; 0]);
    world.run(custom_task("t1"));
    world.subscribe(7);
    assert_eq!(world.call(7, beat).unwrap(), [""; 0]);
}
