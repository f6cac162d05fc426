//! Single rules that belong nowhere else.

use super::script::{Play, key};
use super::*;

#[test]
fn hosts_are_saved_when_they_changed() {
    let mut world = World::registered(config());
    let saved = |world: &World| {
        let is_host = |op: &&Op| matches!(op, Op::SaveHost { .. });
        world.ops.iter().filter(is_host).count()
    };
    let mut other = host("a");
    other.attributes.push(("rack", "r1"));
    for (offered, expected) in [
        (host("a"), 1),
        (host("a"), 1),
        (other.clone(), 2),
        (other, 2),
        (host("b"), 3),
    ] {
        world.offer(&offered);
        assert_eq!(saved(&world), expected, "{:?}", offered.attributes);
    }
}

#[test]
fn no_more_tasks_are_pruned_than_asked_for() {
    let mut world = World::registered(config());
    for name in ["a", "b", "c"] {
        let mut job = job(name, 1);
        job.task_config.is_service = false;
        let id = world.running(job);
        world.status(&id, v1::TaskState::Failed);
    }
    let left = |world: &World| world.core.store().read().task_count();
    for (limit, expected) in [(Some(2), 1), (None, 0)] {
        let query = TaskQuery {
            limit,
            ..TaskQuery::default()
        };
        let answer = world.answer(arguments::PruneTasks { query: Some(query) });
        assert_eq!(answer.0, ResponseCode::Ok);
        assert_eq!(left(&world), expected, "{limit:?}");
    }
}

/// The constraint on dedicated hosts, and what is said of it.
#[test]
fn dedicated_constraints() {
    let own = "Only ads may use hosts dedicated for that role.";
    for (negated, dedicated, refusal) in [
        (false, "www/db", None),
        (false, "*/db", None),
        (true, "*/db", None),
        (true, "www/db", None),
        (true, "ads/db", Some(own)),
        (false, "ads/db", Some(own)),
    ] {
        let mut world = World::registered(config());
        world.allow_everything();
        let mut job = job("web", 1);
        let constraint = value("dedicated", negated, &[dedicated]);
        job.task_config.constraints.insert(constraint);
        let (code, text) = create(&mut world, job);
        let shown = (code != ResponseCode::Ok).then_some(text.as_str());
        assert_eq!(shown, refusal, "{negated} {dedicated}");
    }
}

/// What a task's history says of who took it down.
#[test]
fn who_took_a_task_down_is_told() {
    let told = |script: &str, name: &str| -> Vec<String> {
        let mut play = Play::new(config(), []);
        play.play(script);
        let view = play.world.core.store().read();
        let tasks = view.job(&key(name)).into_iter();
        let tasks = tasks.flat_map(|job| view.tasks_of_job(job));
        tasks.flat_map(history).collect()
    };
    let cron =
        "12:00:30\ncron report */5 * * * * KILL_EXISTING\n12:05:00\nreport runs on a\n12:10:00";
    let drain = "12:00:00\ncreate web\nweb runs on a\ndrain a";
    for (script, name, expected) in [
        (cron, "report", "KILLING Killed by cronScheduler"),
        (drain, "web", "DRAINING Draining machine for maintenance."),
    ] {
        let told = told(script, name);
        assert!(told.iter().any(|event| event == expected), "{told:?}");
    }
}

/// How often and how long tasks are throttled, and groups wait for their next turn.
#[test]
fn waits_are_summed_up() {
    let mut world = World::registered(config());
    let value = |world: &World, name: &str| world.core.counters().get(name).copied();
    for name in [
        "task_throttle_events",
        "task_throttle_ms_total",
        "scheduled_task_penalty_events",
        "scheduled_task_penalty_ms_total",
    ] {
        assert_eq!(value(&world, name), Some(0), "{name}");
    }
    world.create(job("web", 1));
    // The second end after a short life is one too many.
    for _ in 0..2 {
        world.offer(&host("a"));
        world.pass(2_000);
        let id = world.active("web", 0).id();
        world.status(&id, v1::TaskState::Running);
        world.pass(1_000);
        world.status(&id, v1::TaskState::Failed);
    }
    assert_eq!(value(&world, "task_throttle_events"), Some(1));
    let throttled = u64::try_from(config().initial_flapping_task_delay).unwrap();
    let total = value(&world, "task_throttle_ms_total").unwrap();
    assert!((throttled..=2 * throttled).contains(&total), "{total}");
    world.pass(10 * throttled as Millis);
    let turns = value(&world, "scheduled_task_penalty_events").unwrap();
    let waited = value(&world, "scheduled_task_penalty_ms_total").unwrap();
    assert!(turns > 1 && waited > turns * 1000, "{turns} {waited}");
}

/// What a turn came after is noted with the turn, with one that finds everything a place as well.
#[test]
fn each_turns_wait_is_noted() {
    let mut world = World::registered(config());
    world.create(job("web", 1));
    world.offer(&host("a"));
    world.pass(2_000);
    let counters = world.core.counters();
    let first = u64::try_from(config().first_schedule_delay).unwrap();
    assert_eq!(counters["scheduled_task_penalty_events"], 1);
    assert_eq!(counters["scheduled_task_penalty_ms_total"], first);
}
