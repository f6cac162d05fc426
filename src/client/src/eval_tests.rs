use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use tokio::time::Instant;

/// A shell script in the place of `aurora-eval`.
fn script(dir: &Path, body: &str) -> PathBuf {
    let path = dir.join("aurora-eval");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn request() -> EvalRequest {
    EvalRequest {
        path: "hello.aurora".into(),
        ..EvalRequest::default()
    }
}

#[tokio::test]
async fn the_request_goes_in_and_the_answer_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let asked = dir.path().join("asked");
    let program = script(
        dir.path(),
        &format!(
            "cat > {}; echo '{{\"jobs\":[{{\"key\":\"c/r/e/n\"}}]}}'",
            asked.display()
        ),
    );
    let answer = evaluate_with(&program, &request(), DEADLINE).await.unwrap();
    assert_eq!(answer.jobs[0].key, "c/r/e/n");
    let sent: EvalRequest = serde_json::from_slice(&std::fs::read(asked).unwrap()).unwrap();
    assert_eq!(sent, request());
}

#[tokio::test]
async fn a_time_out_kills_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    // A grandchild that holds the pipes.
    let program = script(
        dir.path(),
        &format!("sleep 1000 & echo $! > {}; wait", pid_file.display()),
    );
    let error = evaluate_with(&program, &request(), Duration::from_millis(500))
        .await
        .unwrap_err();
    assert!(matches!(error, EvalError::Deadline { .. }), "{error}");
    let pid: u32 = std::fs::read_to_string(pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let give_up = Instant::now() + Duration::from_secs(10);
    while crate::endpoints::process_start_time(pid).is_some() {
        assert!(Instant::now() < give_up, "process {pid} still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_end_without_an_answer_says_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(
        dir.path(),
        "echo \"memory allocation failed${RUST_BACKTRACE+, with a backtrace}\" >&2; exit 3",
    );
    let error = evaluate_with(&program, &request(), DEADLINE)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("hello.aurora"), "{error}");
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(error.contains("memory allocation failed"), "{error}");
    assert!(
        !error.contains("backtrace"),
        "the tests have RUST_BACKTRACE set: {error}"
    );
}
