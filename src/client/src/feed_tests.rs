use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::auth::Auth;
use crate::fake::{Reply, Request, Server};

fn target(server: &Server) -> Target {
    Target {
        cluster: "dev".into(),
        scheduler: Url::parse(&server.url()).unwrap(),
        display: Url::parse(&server.url()).unwrap(),
        auth: Auth::Bearer("s3cret".into()),
        netrc: Default::default(),
        auth_help: String::new(),
        patience: Duration::ZERO,
        local: None,
        entry: None,
        moved: Default::default(),
    }
}

const HELLO: &str = r#"{"hello":{"feed":"f1","seq":"90.0","cluster":"dev","leader":"h:1","server_time_ms":0,"version":1,"capabilities":[]}}"#;

fn begin(topic: &str, seq: &str) -> String {
    format!(r#"{{"snapshot":{{"topic":"{topic}","seq":"{seq}","part":"begin"}}}}"#)
}

fn end(topic: &str, seq: &str) -> String {
    format!(r#"{{"snapshot":{{"topic":"{topic}","seq":"{seq}","part":"end"}}}}"#)
}

fn heartbeat(seq: &str) -> String {
    format!(r#"{{"heartbeat":{{"seq":"{seq}"}}}}"#)
}

/// Connections are scripts: the n-th connection sends the n-th list of lines and closes; the last one stays open.
fn scripted(scripts: Vec<Vec<String>>) -> (Server, Sender<()>) {
    let (release, hold): (Sender<()>, Receiver<()>) = channel();
    let hold = std::sync::Arc::new(Mutex::new(hold));
    let next = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.method == "POST" {
            return Reply::Full(204, Vec::new(), Vec::new());
        }
        let at = next.fetch_add(1, Ordering::SeqCst);
        let lines = scripts[at.min(scripts.len() - 1)].clone();
        let last = at + 1 >= scripts.len();
        let hold = std::sync::Arc::clone(&hold);
        Reply::Chunks(Box::new(move |write| {
            for line in lines {
                // Cut in two, as networks do.
                let (a, b) = line.split_at(line.len() / 2);
                if !write(a) || !write(&format!("{b}\n")) {
                    return;
                }
            }
            if last {
                // Until the test ends.
                let _ = hold.lock().unwrap().recv();
            } else {
                write("");
            }
        }))
    });
    (server, release)
}

async fn next(feed: &mut Feed) -> Item {
    tokio::time::timeout(Duration::from_secs(20), feed.next())
        .await
        .expect("an item within 20 s")
        .expect("the feed goes on")
}

fn gets(server: &Server) -> Vec<Request> {
    let mut seen = server.seen();
    seen.retain(|request| request.method == "GET");
    seen
}

#[tokio::test]
async fn it_goes_on_behind_the_last_position() {
    let first = vec![
        HELLO.into(),
        begin("summary", "90.0"),
        end("summary", "90.0"),
        heartbeat("91.2"),
        r#"{"something new":{}}"#.into(),
    ];
    let (server, _release) = scripted(vec![first, vec![HELLO.into(), heartbeat("92.0")]]);
    let mut feed = Feed::follow(&target(&server), "t", ["summary"]);
    for _ in 0..4 {
        assert!(matches!(next(&mut feed).await, Item::Line(_)));
    }
    let lost = next(&mut feed).await;
    assert!(matches!(lost, Item::Lost { .. }), "{lost:?}");
    assert!(matches!(next(&mut feed).await, Item::Line(Line::Hello(_))));
    let seen = gets(&server);
    assert_eq!(seen[0].target, "/ext/v1/events?topics=summary");
    assert_eq!(seen[0].header("authorization"), Some("Bearer s3cret"));
    assert_eq!(seen[1].target, "/ext/v1/events?topics=summary&from=91.2");
}

#[tokio::test]
async fn an_unfinished_snapshot_comes_again() {
    let first = vec![HELLO.into(), begin("summary", "90.0"), heartbeat("91.0")];
    let (server, _release) = scripted(vec![first, vec![HELLO.into()]]);
    let mut feed = Feed::follow(&target(&server), "t", ["summary"]);
    let mut hellos = 0;
    while hellos < 2 {
        if let Item::Line(Line::Hello(_)) = next(&mut feed).await {
            hellos += 1;
        }
    }
    assert_eq!(gets(&server)[1].target, "/ext/v1/events?topics=summary");
}

#[tokio::test]
async fn topics_change_on_the_running_feed() {
    let (server, _release) = scripted(vec![vec![HELLO.into(), end("summary", "1.0")]]);
    let mut feed = Feed::follow(&target(&server), "t", ["summary"]);
    next(&mut feed).await;
    next(&mut feed).await;
    feed.set_topics(["summary", "job/a/b/c"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let post = loop {
        let seen = server.seen();
        if let Some(post) = seen.into_iter().find(|request| request.method == "POST") {
            break post;
        }
        assert!(Instant::now() < deadline, "no change of topics within 20 s");
        tokio::task::yield_now().await;
    };
    assert_eq!(post.target, "/ext/v1/events/f1/topics");
    assert_eq!(post.body, br#"{"topics":["job/a/b/c","summary"]}"#);
    assert_eq!(gets(&server).len(), 1);
}

#[tokio::test]
async fn silence_is_a_lost_connection() {
    let (server, _release) = scripted(vec![vec![HELLO.into()]]);
    let mut feed = Feed::start(
        &target(&server),
        "t",
        ["summary"],
        None,
        Duration::from_millis(300),
    );
    next(&mut feed).await;
    match next(&mut feed).await {
        Item::Lost { why, retry_in, .. } => {
            assert!(why.contains("nothing heard"), "{why}");
            assert!(
                retry_in <= FIRST_BACKOFF && retry_in >= FIRST_BACKOFF / 2,
                "{retry_in:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_scheduler_without_a_feed() {
    let server = Server::start(|_| Reply::Full(404, Vec::new(), Vec::new()));
    let mut feed = Feed::follow(&target(&server), "t", ["summary"]);
    assert_eq!(feed.next().await, Some(Item::Unsupported));
    assert_eq!(feed.next().await, None);
}

#[test]
fn positions() {
    let line = |text: &str| serde_json::from_str::<Line>(text).unwrap();
    let topics = BTreeSet::from(["summary".to_owned()]);
    let more = BTreeSet::from(["summary".to_owned(), "host/a".to_owned()]);
    let mut position = Position::default();
    position.note(&line(HELLO));
    assert_eq!(position.resume(&topics), None);
    position.note(&line(&begin("summary", "5.0")));
    position.note(&line(&end("summary", "5.0")));
    assert_eq!(
        position.resume(&topics),
        Some(Seq {
            index: 5,
            ordinal: 0
        })
    );
    assert_eq!(position.resume(&more), None);
    position.note(&line(&heartbeat("4.0")));
    assert_eq!(
        position.resume(&topics),
        Some(Seq {
            index: 5,
            ordinal: 0
        })
    );
    position.note(&line(r#"{"reset":{"reason":"old"}}"#));
    assert_eq!(position.resume(&topics), None);
}

#[test]
fn the_end_of_a_snapshot_of_before_says_nothing_of_a_topic_taken_up_again() {
    let at = Seq {
        index: 7,
        ordinal: 0,
    };
    let mark = |part| {
        Line::Snapshot(Snapshot {
            topic: "job/a/b/c".to_owned(),
            seq: at,
            part,
        })
    };
    let topics = BTreeSet::from(["job/a/b/c".to_owned()]);
    let mut position = Position::default();
    position.note(&mark(SnapshotPart::Begin));
    // Dropped and asked for again while the first snapshot is on its way.
    position.keep(&BTreeSet::new());
    position.keep(&topics);
    position.note(&mark(SnapshotPart::End));
    assert_eq!(position.resume(&topics), None);
    position.note(&mark(SnapshotPart::Begin));
    position.note(&mark(SnapshotPart::End));
    assert_eq!(position.resume(&topics), Some(at));
}

/// The summary of a cluster of a million tasks: ten thousand jobs of a hundred, on ten thousand hosts.
fn million() -> Vec<u8> {
    let mut text = format!("{HELLO}\n{}\n", begin("summary", "90.0"));
    for at in 0..10_000u64 {
        // Numbers that do not repeat, as times and counts of a real cluster do not.
        let noise = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let job = format!(
            r#"{{"job":{{"seq":"{}.{}","job":"team-{}/prod/service-{:x}","states":{{"RUNNING":{},"PENDING":{},"FINISHED":{}}},"active":{},"service":true,"tier":"preferred","changed_ms":{}}}}}"#,
            noise % 1_000_000,
            at % 7,
            noise % 300,
            noise,
            90 + noise % 11,
            noise % 5,
            noise % 1000,
            95,
            1_700_000_000_000 + noise
        );
        let host = format!(
            r#"{{"host":{{"seq":"{}.0","host":"h-{:05}.dc{}.example","agent_id":"{:x}-S{at}","mode":"NONE","attributes":{{"rack":["r{}"],"host":["h-{:05}"]}},"tasks":{}}}}}"#,
            noise % 1_000_000,
            at,
            noise % 3,
            noise,
            noise % 400,
            at,
            noise % 200
        );
        text.push_str(&format!("{job}\n{host}\n"));
    }
    text.push_str(&format!("{}\n", end("summary", "90.0")));
    text.into_bytes()
}

#[tokio::test]
async fn a_million_tasks_are_summed_up_in_less_than_a_megabyte() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &million()).unwrap();
    let body = encoder.finish().unwrap();
    assert!(body.len() < 1_000_000, "{} bytes", body.len());
    let server = Server::start(move |_| {
        let gzip = vec![("content-encoding".to_owned(), "gzip".to_owned())];
        Reply::Full(200, gzip, body.clone())
    });
    let mut feed = Feed::follow(&target(&server), "t", ["summary"]);
    let (mut jobs, mut hosts) = (0, 0);
    loop {
        match next(&mut feed).await {
            Item::Line(Line::Job(_)) => jobs += 1,
            Item::Line(Line::Host(_)) => hosts += 1,
            Item::Line(Line::Snapshot(Snapshot {
                part: SnapshotPart::End,
                ..
            })) => break,
            Item::Line(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((jobs, hosts), (10_000, 10_000));
    assert_eq!(gets(&server)[0].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_feed_without_large_tables_begins_anew() {
    let counts = |told: bool| {
        format!(
            r#"{{"counts":{{"seq":"90.0","tables":{{"jobs":{{"rows":7,"told":{told}}}}},"updating":0}}}}"#
        )
    };
    let counted = r#"{"counted":{"topic":"job/a/b/c","seq":"90.0","tasks":7}}"#;
    let script = |told, is_counted: bool| {
        let counted = is_counted.then(|| counted.to_owned());
        let begin_job = [HELLO.into(), counts(told), begin("job/a/b/c", "90.0")];
        let rest = [
            end("job/a/b/c", "90.0"),
            begin("summary", "90.0"),
            end("summary", "90.0"),
        ];
        begin_job.into_iter().chain(counted).chain(rest).collect()
    };
    let (server, _release) = scripted(vec![
        script(false, false),
        script(true, true),
        script(true, false),
        vec![HELLO.into()],
    ]);
    let mut feed = Feed::bounded(&target(&server), "t", ["job/a/b/c", "summary"], 5);
    let mut hellos = 0;
    while hellos < 4 {
        if let Item::Line(Line::Hello(_)) = next(&mut feed).await {
            hellos += 1;
        }
    }
    let seen = gets(&server);
    let asked: Vec<&str> = seen.iter().map(|request| request.target.as_str()).collect();
    // What was left out may be told at another time, and the other way around; whoever has all of it goes on.
    assert_eq!(
        asked,
        [
            "/ext/v1/events?topics=job%2Fa%2Fb%2Fc%2Csummary&tasks=5&summary=5",
            "/ext/v1/events?topics=job%2Fa%2Fb%2Fc%2Csummary&tasks=5&summary=5",
            "/ext/v1/events?topics=job%2Fa%2Fb%2Fc%2Csummary&tasks=5&summary=5",
            "/ext/v1/events?topics=job%2Fa%2Fb%2Fc%2Csummary&tasks=5&from=90.0",
        ]
    );
}
