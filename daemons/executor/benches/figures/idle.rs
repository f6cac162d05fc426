//! E4: tasks that do nothing, and how soon an end is told.

use std::path::Path;
use std::time::Duration;

use aurora_tests::figures::{Figures, processor_seconds, rounded, waits};
use aurora_thermos::procs;
use serde_json::json;

use crate::support::{Agent, Web, assigned};
use crate::{end, now, pid, running, sleepers};

/// Wake-ups of executors and coordinators, with and without health checks.
pub(crate) async fn wakeups(figures: &mut Figures, program: &Path) {
    let (executors, time) = match figures.smoke {
        true => (3, Duration::from_secs(5)),
        // Two looks at each disk.
        false => (100, Duration::from_secs(120)),
    };
    let web = Web::start(200, "ok").await;
    for (what, checker) in [
        ("no health checks", None),
        (
            "health checks over HTTP each 10 s",
            Some(json!({"http": {}})),
        ),
        (
            "health checks by bash each 10 s",
            Some(json!({"shell": {"shell_command": "true"}})),
        ),
    ] {
        // Nobody is asked to end over HTTP, which would take its time.
        let mut more = json!({"lifecycle": {"http": {"port": "none"}}});
        if let Some(checker) = &checker {
            more["health_check_config"] = json!({
                "health_checker": checker, "interval_secs": 10.0, "initial_interval_secs": 10.0, "timeout_secs": 5.0,
            });
        }
        let mut task = assigned(sleepers(3), more);
        if checker.is_some() {
            task.assigned_ports.insert("health".into(), web.port.into());
        }
        let mut agents = Vec::new();
        for _ in 0..executors {
            agents.push(running(program, &task, 3).await);
        }
        let pids: Vec<i32> = agents.iter().map(pid).collect();
        let coordinators: Vec<i32> = pids.iter().flat_map(|&pid| procs::children(pid)).collect();
        let seen = || {
            let all = pids.iter().chain(&coordinators);
            let seconds: f64 = all.map(|&pid| processor_seconds(pid)).sum();
            let waited = |pids: &[i32]| pids.iter().map(|&pid| waits(pid)).sum::<u64>();
            (waited(&pids), waited(&coordinators), seconds)
        };
        // What the start still causes is not idleness.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = seen();
        tokio::time::sleep(time).await;
        let after = seen();
        let each = |waits: u64| rounded(waits as f64 / time.as_secs_f64() / executors as f64);
        figures.line(&json!({
            "id": "E4", "input": format!("{executors} executors of 3 processes, {} s, {what}", time.as_secs()),
            "wakeups_per_second_and_executor": each(after.0 - before.0),
            "wakeups_per_second_of_its_coordinators": each(after.1 - before.1),
            "percent_of_a_core_all_together": rounded((after.2 - before.2) / time.as_secs_f64() * 100.0),
        }));
        futures_util::future::join_all(agents.into_iter().map(end)).await;
    }
}

/// From the last line of bash to the status at the agent, with and without something left behind.
pub(crate) async fn ends(figures: &mut Figures, program: &Path) {
    for (what, left) in [("", ""), (", a child left behind", "sleep 1000 & ")] {
        let mut samples = Vec::new();
        for _ in 0..if figures.smoke { 3 } else { 100 } {
            let line = format!("{left}sleep 0.05; echo $EPOCHREALTIME > at");
            let mut agent = Agent::start_program(program, None, &[]).await;
            let process = json!([{"name": "p", "cmdline": line}]);
            agent.launch(&assigned(process, json!({})));
            for _ in 0..3 {
                agent.status().await;
            }
            let told = now();
            let at: f64 = agent.file("at").unwrap().trim().parse().unwrap();
            samples.push((told - at) * 1000.0);
            agent.exit().await;
        }
        let what = format!("the last line of bash to its status at the agent{what}");
        figures.spread("E4", &what, "ms", samples);
    }
}
