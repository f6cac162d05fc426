//! Updates that nobody interferes with.

use super::*;

#[test]
fn one_instance_after_the_other() {
    Stage::new().play(
        "job 3
         update 3 watch=10s
         is ROLLING_FORWARD
         old 0-2
         moving 1
         run
         new 0 old 1-2
         moving 0
         # Young: the whole minimum time is waited for after a look.
         pass 9s
         says 0 INSTANCE_UPDATING
         pass 1s
         says 0 INSTANCE_UPDATING INSTANCE_UPDATED
         says 1 INSTANCE_UPDATING
         says 2
         settle
         new 0-2
         is ROLLED_FORWARD
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED",
    );
}

/// What goes on after a pause has been running all the while: the look that was set before the pause still comes.
#[test]
fn a_pause_does_not_make_an_instance_younger() {
    Stage::new().play(
        "job 1
         update 1 watch=10s
         run
         pass 4s
         pause
         resume
         pass 5s
         says 0 INSTANCE_UPDATING
         pass 1s
         is ROLLED_FORWARD",
    );
}

#[test]
fn a_queue_is_refilled_and_a_batch_is_not() {
    for (strategy, moving) in [("group=2", "moving 2"), ("batch=2", "moving 1")] {
        Stage::new().play(&format!(
            "job 4
             update 4 {strategy}
             moving 2"
        ));
        let mut stage = Stage::new();
        stage.play(&format!("job 4\nupdate 4 {strategy}"));
        let first = stage.world.active(NAME, 0);
        stage.world.status(&first.id(), v1::TaskState::Killed);
        stage.world.offer(&host("a"));
        stage.world.pass(1_000);
        let new = stage.world.active(NAME, 0);
        stage.world.status(&new.id(), v1::TaskState::Running);
        stage.line(moving);
        stage.play("settle\nis ROLLED_FORWARD\nnew 0-3");
    }
}

#[test]
fn jobs_grow_and_shrink() {
    Stage::new().play(
        "job 2
         update 4 group=4
         # New instances first.
         moving 4
         settle
         is ROLLED_FORWARD
         new 0-3",
    );
    let mut shrinking = Stage::new();
    shrinking.play(
        "job 3
         update 1 only=2
         settle
         is ROLLED_FORWARD
         old 0-1",
    );
    // Nothing but removals: there is nothing that the job is to become.
    assert_eq!(shrinking.update().update.instructions.desired_state, None);
}

#[test]
fn a_job_is_made_by_an_update() {
    Stage::new().play(
        "update 2 group=2
         settle
         is ROLLED_FORWARD
         new 0-1",
    );
}

#[test]
fn what_is_right_already_is_passed_over() {
    let mut stage = Stage::new();
    stage.play(
        "job 4
         update 4 only=0 only=1
         settle
         new 0-1 old 2-3
         update 4 batch=1
         says 0
         settle
         says 0
         says 1
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED
         is ROLLED_FORWARD
         new 0-3",
    );
    let answer = stage.start(4, &[]);
    let message = answer
        .details
        .first()
        .and_then(|detail| detail.message.clone());
    assert_eq!(
        (answer.response_code, message.as_deref(), answer.result),
        (
            ResponseCode::Ok,
            Some("Job is unchanged by proposed update."),
            None
        )
    );
}

#[test]
fn too_many_failures_bring_everything_back() {
    Stage::new().play(
        "job 2
         update 3 group=1 watch=10s
         # The new instance, well; then the first of the old ones, not.
         run
         pass 10s
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED
         run
         new 0,2 old 1
         fail 0
         is ROLLING_BACK
         says 0 INSTANCE_UPDATING INSTANCE_UPDATE_FAILED INSTANCE_ROLLING_BACK
         settle
         is ROLLED_BACK
         old 0-1
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED INSTANCE_ROLLING_BACK INSTANCE_ROLLED_BACK
         says 1",
    );
}

#[test]
fn failures_are_let_pass_as_far_as_was_said() {
    Stage::new().play(
        "job 2
         update 2 watch=10s failures=1 failed=1
         run
         fail 0
         is ROLLING_FORWARD
         settle
         is ROLLED_FORWARD
         new 0-1",
    );
    let mut stage = Stage::new();
    stage.play(
        "job 2
         update 2 watch=10s failed=1 stay
         run
         fail 0
         says 0 INSTANCE_UPDATING INSTANCE_UPDATE_FAILED
         is ROLLING_FORWARD
         run
         fail 1
         is FAILED",
    );
    let last = stage.update().last_event().unwrap().message.clone();
    assert_eq!(last.as_deref(), Some("Latest failure: instance 1 exited."));
}
