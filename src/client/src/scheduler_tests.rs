use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_api::model::{GetTierConfigResult, JobSummary, JobSummaryResult, Result as ApiResult};
use aurora_api::service::arguments::{CreateJob, GetJobSummary, GetTierConfigs};

use super::*;
use crate::auth::Auth;
use crate::fake::{Reply, Server, ok, response, thrift};

fn target(url: &str, patience: Duration) -> Target {
    Target {
        cluster: "west".into(),
        scheduler: Url::parse(url).unwrap(),
        display: Url::parse(url).unwrap(),
        auth: Auth::Bearer("s3cret".into()),
        netrc: Default::default(),
        auth_help: "log in first".into(),
        patience,
        local: None,
        entry: None,
        moved: Default::default(),
    }
}

fn tiers() -> Response {
    ok(ApiResult::GetTierConfigResult(GetTierConfigResult {
        default_tier_name: "preemptible".into(),
        ..GetTierConfigResult::default()
    }))
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_call_is_binary_thrift_over_http_with_the_secret() {
    let server = Server::scheduler(|_| tiers());
    let scheduler = Scheduler::new(&target(&server.url(), LONG), "Aurora V2;1.0");
    let result: GetTierConfigResult = scheduler
        .ask(GetTierConfigs::default(), Retry::Safe)
        .await
        .unwrap();
    assert_eq!(result.default_tier_name, "preemptible");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("POST", "/api")
    );
    for (name, expected) in [
        ("content-type", "application/vnd.apache.thrift.binary"),
        ("accept", "application/vnd.apache.thrift.binary"),
        ("user-agent", "Aurora V2;1.0"),
        ("authorization", "Bearer s3cret"),
    ] {
        assert_eq!(seen[0].header(name), Some(expected), "{name}");
    }
    // Strict TBinary: version 1, CALL; the method's name; sequence id 0; an empty struct.
    let expected = b"\x80\x01\x00\x01\x00\x00\x00\x0egetTierConfigs\x00\x00\x00\x00\x00";
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn transient_errors_are_tried_again_even_for_writes() {
    let count = AtomicUsize::new(0);
    let server = Server::scheduler(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => response(ResponseCode::ErrorTransient, &["not ready"]),
        _ => response(ResponseCode::Ok, &[]),
    });
    let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
    let answer = scheduler
        .call(CreateJob::default(), Retry::Never)
        .await
        .unwrap();
    assert_eq!(answer.response_code, ResponseCode::Ok);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_lost_connection_is_tried_again_for_reads_only() {
    for (retry, calls) in [(Retry::Safe, 2), (Retry::Never, 1)] {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Hangup,
            _ => thrift(request, &|_| tiers()),
        });
        let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
        let outcome = scheduler.call(GetTierConfigs::default(), retry).await;
        match retry {
            Retry::Safe => assert!(outcome.is_ok(), "{outcome:?}"),
            Retry::Never => {
                let error = outcome.unwrap_err();
                assert!(matches!(error, CallError::NotRetriable(_)), "{error:?}");
                let text = error.to_string();
                assert!(
                    text.starts_with("Transport error communicating with scheduler during non-idempotent operation: "),
                    "{text}"
                );
                assert!(text.ends_with(", not retrying"), "{text}");
            }
        }
        assert_eq!(server.seen().len(), calls);
    }
}

#[tokio::test]
async fn what_was_taken_in_of_a_try_that_failed_is_dropped() {
    let summary = |name: &str| {
        let mut summary = JobSummary::default();
        summary.job.key.name = name.to_owned();
        summary
    };
    let found = move |names: &[&str]| {
        let summaries = names.iter().map(|name| summary(name)).collect();
        ok(ApiResult::JobSummaryResult(JobSummaryResult { summaries }))
    };
    let count = AtomicUsize::new(0);
    let server = Server::scheduler(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Response {
            response_code: ResponseCode::ErrorTransient,
            ..found(&["a", "b"])
        },
        1 => found(&["a", "b", "c"]),
        _ => response(ResponseCode::AuthFailed, &["no"]),
    });
    let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
    let each = |names: &mut Vec<String>, found: JobSummary| names.push(found.job.key.name);
    let ask = || GetJobSummary { role: None };
    let names = scheduler.ask_each(ask(), Retry::Safe, each).await;
    assert_eq!(names.unwrap(), ["a", "b", "c"]);
    let refused = scheduler.ask_each(ask(), Retry::Safe, each).await;
    assert!(
        matches!(refused, Err(CallError::Answer { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_tls_refuses_is_final() {
    // A server that speaks no TLS is refused by the same layer as one with a certificate that nobody signed.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // What the client makes of it is what the test looks at.
            drop((&stream).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let scheduler = Scheduler::new(&target(&url, LONG), "t");
    let error = scheduler
        .call(GetTierConfigs::default(), Retry::Safe)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, CallError::Http(HttpError::Untrusted { .. })),
        "{text}"
    );
    assert!(
        text.contains("no secure connection to https://") && text.contains("SSL_CERT_FILE"),
        "{text}"
    );
}

#[tokio::test]
async fn it_gives_up_after_a_while() {
    let server = Server::start(|_| Reply::Full(503, Vec::new(), b"no leader".to_vec()));
    let scheduler = Scheduler::new(&target(&server.url(), Duration::from_millis(900)), "t");
    let error = scheduler
        .call(GetTierConfigs::default(), Retry::Safe)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::TimedOut { .. }), "{text}");
    assert!(
        text.starts_with("Timed out attempting to issue getTierConfigs to west"),
        "{text}"
    );
    assert!(text.contains("503") && text.contains("no leader"), "{text}");
    // At 0, 250 and 750 ms.
    assert!(server.seen().len() >= 2, "{}", server.seen().len());
}

// On a paused clock, so that ten seconds of waiting for a connection pass at once.
#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_answers_is_tried_again_even_for_writes() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Fills the queue of connections that wait for an accept which never comes.
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(
        Duration::from_secs(1),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "the queue has no end");
    }
    let patience = Duration::from_secs(25);
    let scheduler = Scheduler::new(&target(&format!("http://{address}"), patience), "t");
    let begun = Instant::now();
    let error = scheduler
        .call(CreateJob::default(), Retry::Never)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::TimedOut { .. }), "{text}");
    assert!(text.contains("could not connect to"), "{text}");
    // Ten seconds for each connection: more than one of them.
    assert!(begun.elapsed() > Duration::from_secs(20), "{text}");
    drop((listener, waiting));
}

#[tokio::test]
async fn a_refusal_is_final_and_says_what_to_do() {
    for status in [401, 403] {
        let server = Server::start(move |_| Reply::Full(status, Vec::new(), Vec::new()));
        let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
        let error = scheduler
            .call(GetTierConfigs::default(), Retry::Safe)
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::Auth { .. }), "{error:?}");
        assert!(error.to_string().contains("log in first"), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn the_leaders_redirect_is_followed_with_body_and_secret() {
    let leader = Server::scheduler(|_| tiers());
    let to = format!("{}/api", leader.url());
    let server =
        Server::start(move |_| Reply::Full(307, vec![("Location".into(), to.clone())], Vec::new()));
    let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
    scheduler
        .call(GetTierConfigs::default(), Retry::Never)
        .await
        .unwrap();
    let seen = leader.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer s3cret"));
    assert_eq!(leader.methods(), ["getTierConfigs"]);
}

#[tokio::test]
async fn answers_that_are_not_ok_or_lack_their_result() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => response(ResponseCode::Ok, &[]),
        _ => response(ResponseCode::InvalidRequest, &["a", "", "b"]),
    });
    let scheduler = Scheduler::new(&target(&server.url(), LONG), "t");
    let error = scheduler
        .ask::<GetTierConfigResult>(GetTierConfigs::default(), Retry::Safe)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("lacks its getTierConfigResult"),
        "{error}"
    );
    let error = scheduler
        .ask::<GetTierConfigResult>(CreateJob::default(), Retry::Never)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "createJob: INVALID_REQUEST: a, Unknown error, b"
    );
}

#[test]
fn pages() {
    for (base, expected) in [
        ("http://h:1", "http://h:1/scheduler/r/e/n"),
        ("http://h:1/", "http://h:1/scheduler/r/e/n"),
        // As upstream's urljoin: the last segment of a path without a slash at its end is lost.
        ("http://h/a/b", "http://h/a/scheduler/r/e/n"),
    ] {
        let scheduler = Scheduler::new(&target(base, LONG), "t");
        assert_eq!(scheduler.page(&["r", "e", "n"]), expected);
    }
    let scheduler = Scheduler::new(&target("http://h", LONG), "t");
    assert_eq!(scheduler.page(&[]), "http://h/scheduler");
}
