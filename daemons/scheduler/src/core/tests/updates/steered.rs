//! Pauses, pulses, policies, and successors.

use super::*;

#[test]
fn pausing_resuming_aborting() {
    Stage::new().play(
        "job 3
         update 3
         pause
         is ROLL_FORWARD_PAUSED
         pause
         run
         pass 60s
         # What was killed is not replaced before it goes on.
         old 1-2
         resume
         is ROLLING_FORWARD
         resume
         run
         abort
         is ABORTED
         abort
         settle
         # Tasks are left as they are, and those that are being killed are gone.
         new 0 old 2",
    );
}

#[test]
fn a_way_back_is_open_at_any_time() {
    Stage::new().play(
        "job 3
         update 3
         run
         pause
         rollback
         is ROLLING_BACK
         settle
         is ROLLED_BACK
         old 0-2",
    );
}

#[test]
fn batches_that_pause() {
    for restart in ["", "restart"] {
        Stage::new().play(&format!(
            "job 4
             update 4 pausing=2
             run
             is ROLL_FORWARD_PAUSED
             says 1 INSTANCE_UPDATING INSTANCE_UPDATED
             says 2
             {restart}
             pass 60s
             new 0-1 old 2-3
             resume
             says 2 INSTANCE_UPDATING
             {restart}
             settle
             # The last batch ends the update and does not pause.
             is ROLLED_FORWARD
             new 0-3"
        ));
    }
}

#[test]
fn pulses_keep_a_coordinated_update_going() {
    Stage::new().play(
        "job 3
         update 3 pulse=60s
         is ROLL_FORWARD_AWAITING_PULSE
         pass 300s
         old 0-2
         pulse
         is ROLLING_FORWARD
         moving 1
         pass 50s
         pulse
         pass 50s
         run
         is ROLLING_FORWARD
         pass 70s
         # Noticed when something happens, and not before.
         is ROLLING_FORWARD
         run
         is ROLL_FORWARD_AWAITING_PULSE
         pause
         pulse
         is ROLL_FORWARD_PAUSED
         resume
         is ROLLING_FORWARD
         pulse
         settle
         pulse
         settle
         is ROLLED_FORWARD
         pulse",
    );
}

/// An instance whose turn has not come is news enough to notice that pulses stay away; one of no concern is not.
#[test]
fn pulses_are_missed_whatever_instance_there_is_news_of() {
    Stage::new().play(
        "job 4
         update 4 only=0 only=1 pulse=60s
         pulse
         moving 1
         pass 70s
         fail 3
         is ROLLING_FORWARD
         fail 1
         is ROLL_FORWARD_AWAITING_PULSE",
    );
}

/// A leader dies after each line; the next one comes to the same end.
#[test]
fn a_successor_goes_on_from_any_point() {
    let script = "        job 3\nupdate 4 group=2 watch=10s\nrun\npass 5s\npause\nrun\nresume\nrun\npass 10s\nrun\nsettle\n\
        is ROLLED_FORWARD\nnew 0-3";
    for at in 2..10 {
        let mut stage = Stage::new();
        for (number, line) in script.lines().enumerate() {
            stage.line(line);
            if number == at {
                stage.restart();
            }
        }
        for instance in 0..4 {
            let once = ["INSTANCE_UPDATING", "INSTANCE_UPDATED"];
            assert_eq!(stage.said(instance), once, "restart after line {at}");
        }
    }
}

/// The successor of an old task that fails while its instance is under way is old as well, and has to go.
#[test]
fn a_successor_of_the_old_version_goes_too() {
    let mut stage = Stage::with(
        Config {
            min_required_instances_for_sla_check: 1,
            sla_aware_kill_non_prod: true,
            ..config()
        },
        JobUpdateSettings::default(),
    );
    stage.policy = Some(SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
        coordinator_url: "http://c".to_owned(),
        status_key: "ok".to_owned(),
    }));
    // The kill waits for the coordinator; meanwhile the task ends by itself.
    stage.play("job 1\nupdate 1 sla\nold 0\nfail 0\nis ROLLING_FORWARD");
    assert_eq!(stage.world.questions.len(), 1);
    stage.play("settle\nis ROLLED_FORWARD\nnew 0");
}

#[test]
fn a_policy_is_asked_before_each_kill() {
    let config = Config {
        min_required_instances_for_sla_check: 3,
        sla_aware_kill_non_prod: true,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    stage.policy = Some(SlaPolicy::CountSlaPolicy(CountSlaPolicy {
        count: 2,
        duration_secs: 0,
    }));
    stage.play("job 4\npass 60s\nupdate 4 group=4 sla\nmoving 2");
    let said: Vec<Option<String>> = stage
        .update()
        .instance_events()
        .filter(|event| event.instance_id == 0)
        .map(|event| event.message.clone())
        .collect();
    assert_eq!(
        said,
        [
            None,
            Some("Checking SLA before continuing.".to_owned()),
            Some("SLA check passed, continuing.".to_owned()),
        ]
    );
    stage.play("settle\nsettle\nsettle\npass 600s\nsettle\nis ROLLED_FORWARD\nnew 0-3");
}

/// Whoever agreed to a kill is not asked again, least of all about the new task.
#[test]
fn a_kill_that_was_allowed_is_not_asked_for_again() {
    let config = Config {
        sla_aware_kill_non_prod: true,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    stage.policy = Some(SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
        coordinator_url: "http://c".to_owned(),
        status_key: "ok".to_owned(),
    }));
    stage.play("job 1\nupdate 1 sla watch=3600s");
    let [question] = &stage.world.questions[..] else {
        panic!("{:?}", stage.world.questions);
    };
    let answer = CoordinatorAnswer::Said {
        status: 200,
        body: r#"{"ok": true}"#.into(),
    };
    let id = question.id;
    stage.world.step(Input::Coordinator { id, answer });
    stage.play("run\npass 1800s\nnew 0\nis ROLLING_FORWARD");
    assert_eq!(stage.world.questions.len(), 1);
    let attempts = "updates_sla_kill_attempt_www/prod/web";
    assert_eq!(stage.world.core.counters()[attempts], 1);
}
