//! Running `aurora-eval` as its users do.

use std::io::Write as _;
use std::process::{Command, Stdio};

use aurora_api::binary;
use aurora_api::eval::{Diagnostic, EvalAnswer, EvalRequest, JobSelector};
use aurora_api::model::{JobConfiguration, JobUpdateSettings};
use base64::Engine as _;

/// Exit code, answer (if there is one), standard error.
pub fn run(request: &EvalRequest) -> (Option<i32>, Option<EvalAnswer>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aurora-eval"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("aurora-eval starts");
    let text = serde_json::to_vec(request).expect("a request");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&text).expect("the request is read");
    drop(input);
    let output = child.wait_with_output().expect("aurora-eval ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = (!output.stdout.is_empty())
        .then(|| serde_json::from_slice(&output.stdout).expect("one JSON answer"));
    (output.status.code(), answer, errors)
}

/// The answer; the program must end well.
pub fn answer(request: &EvalRequest) -> EvalAnswer {
    let (code, answer, errors) = run(request);
    assert_eq!(code, Some(0), "{errors}");
    answer.expect("an answer")
}

/// A request for the text of a file.
pub fn text(source: &str) -> EvalRequest {
    EvalRequest {
        path: "test.aurora".to_owned(),
        source: Some(source.to_owned()),
        user: "someone".to_owned(),
        ..EvalRequest::default()
    }
}

/// A request for job `c/r/e/n` of the text of a file.
pub fn selecting(source: &str) -> EvalRequest {
    EvalRequest {
        select: Some(JobSelector {
            cluster: "c".to_owned(),
            role: "r".to_owned(),
            environment: "e".to_owned(),
            name: "n".to_owned(),
        }),
        ..text(source)
    }
}

/// A file with the job `c/r/e/n`: further arguments of `Job`, of `Task`, and the process's command.
pub fn file(job: &str, task: &str, cmdline: &str) -> String {
    format!(
        "p = Process(name='p', cmdline={cmdline:?})\n\
         fields = dict(processes=[p], resources=Resources(cpu=0.5, ram=64*MB, disk=128*MB))\n\
         fields.update(dict({task}))\n\
         jobs = [Job(cluster='c', role='r', environment='e', name='n', task=Task(**fields))({job})]\n"
    )
}

/// The configuration of job `c/r/e/n`; the file must be without fault.
pub fn converted(source: &str) -> JobConfiguration {
    configuration(&answer(&selecting(source)), source)
}

pub fn configuration(answer: &EvalAnswer, source: &str) -> JobConfiguration {
    assert!(answer.errors.is_empty(), "{source}\n{:?}", answer.errors);
    let job = answer.job.as_ref().expect("a job");
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&job.configuration)
        .expect("base64");
    binary::decode(&bytes).expect("a JobConfiguration")
}

pub fn update_settings(source: &str) -> Result<JobUpdateSettings, String> {
    let answer = answer(&selecting(source));
    assert!(answer.errors.is_empty(), "{source}\n{:?}", answer.errors);
    let job = answer.job.expect("a job");
    match job.update_settings {
        Some(text) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .expect("base64");
            Ok(binary::decode(&bytes).expect("JobUpdateSettings"))
        }
        None => Err(job.update_error.expect("a reason").message),
    }
}

/// The one fault of a request.
pub fn fault(request: &EvalRequest) -> Diagnostic {
    let mut answer = answer(request);
    assert_eq!(
        answer.errors.len(),
        1,
        "{:?}\n{:?}",
        answer.errors,
        request.source
    );
    assert!(answer.job.is_none());
    answer.errors.remove(0)
}
