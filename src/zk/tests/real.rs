//! Sessions and recipes on a real ZooKeeper: restarts, kill -9, a wire that is cut, expiry, access lists; read by kazoo.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use aurora_tests::python;
use aurora_tests::skip::skip;
use aurora_tests::zookeeper::{Wire, ZooKeeper};
use aurora_zk::acl::{Access, Acl, Credential};
use aurora_zk::election::{Candidacy, Place};
use aurora_zk::masters::{self, Leader};
use aurora_zk::members::{self, Announcement, Endpoint, Member, Standing};
use aurora_zk::{Config, Error, Keeper, Lifetime, MIN_TIMEOUT, Refusal, Session, State};
use tokio::sync::watch;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

fn connect(servers: &str, credentials: Vec<Credential>) -> Session {
    Session::start(Config {
        servers: servers.to_owned(),
        timeout: MIN_TIMEOUT,
        credentials,
    })
    .unwrap()
}

/// A server, or a word that the test is skipped.
macro_rules! server {
    ($test:literal) => {
        match ZooKeeper::start() {
            Ok(server) => server,
            Err(reason) => return skip($test, &reason),
        }
    };
}

/// Waits until the value fits; panics with the last one.
async fn until<T: Clone + std::fmt::Debug>(
    what: &str,
    value: &watch::Sender<T>,
    fits: impl Fn(&T) -> bool,
) -> T {
    let mut seen = value.subscribe();
    let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|value| fits(value))).await;
    match waited {
        Ok(Ok(value)) => value.clone(),
        _ => panic!("{what} did not happen; last: {:?}", value.borrow()),
    }
}

async fn state(session: &Session, fits: impl Fn(&State) -> bool) -> State {
    let mut state = session.state();
    match tokio::time::timeout(PATIENCE, state.wait_for(|state| fits(state))).await {
        Ok(Ok(state)) => state.clone(),
        other => panic!("the session's state is {:?}", other.is_ok()),
    }
}

fn member(port: u16) -> Member {
    let endpoint = |port| Endpoint {
        host: "host-1".into(),
        port,
    };
    Member::new(
        endpoint(port),
        BTreeMap::from([("admin".to_owned(), endpoint(port + 1))]),
        Some(4),
    )
}

/// Keeps a member in `/aurora/role/prod/job` with a session of its own.
fn announce(session: &Session, member: Member, acl: Vec<Acl>) -> watch::Sender<Standing> {
    let standing = watch::Sender::new(Standing::Out(Instant::now()));
    let (session, tell) = (session.clone(), standing.clone());
    tokio::spawn(async move {
        let announcement = Announcement {
            path: "/aurora/role/prod/job".into(),
            acl,
            member,
        };
        members::keep(&session, &announcement, &tell).await;
    });
    standing
}

async fn listed(session: &Session) -> Vec<Member> {
    let members = members::list(session, "/aurora/role/prod/job").await;
    members.unwrap().into_values().collect()
}

/// Reads the set until it fits.
async fn until_listed(session: &Session, fits: impl Fn(&[Member]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let members = listed(session).await;
        if fits(&members) {
            return;
        }
        assert!(Instant::now() < deadline, "the set holds {members:?}");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
}

#[tokio::test]
async fn a_member_outlives_its_server_and_a_deletion_and_goes_with_its_session() {
    let mut server =
        server!("a_member_outlives_its_server_and_a_deletion_and_goes_with_its_session");
    let session = connect(&server.address(), vec![]);
    let standing = announce(&session, member(31_000), Acl::open());
    let is_in = |standing: &Standing| matches!(standing, Standing::In(_));
    let first = until("the member", &standing, is_in).await;
    assert_eq!(
        first,
        Standing::In("/aurora/role/prod/job/member_0000000000".into())
    );
    let reader = connect(&server.address(), vec![]);
    assert_eq!(reader.held().await, Some(1));
    assert_eq!(listed(&reader).await, [member(31_000)]);

    // Killed and started again, the server still has the old session's node: there is one member in the end all the same.
    server.kill();
    until("the loss", &standing, |standing| !is_in(standing)).await;
    server.run_again();
    let second = until("the member again", &standing, is_in).await;
    assert_ne!(second, first);
    state(&reader, |state| matches!(state, State::Held(2..))).await;
    assert_eq!(listed(&reader).await, [member(31_000)]);

    // Somebody deletes the node.
    let Standing::In(node) = &second else {
        panic!("it is in")
    };
    reader.delete(node).await.unwrap();
    until("another node", &standing, |standing| {
        is_in(standing) && *standing != second
    })
    .await;
    assert_eq!(listed(&reader).await, [member(31_000)]);

    session.close().await;
    assert_eq!(listed(&reader).await, [], "closed means gone");
    assert!(matches!(session.exists("/").await, Err(Error::Away)));
}

#[tokio::test]
async fn a_cut_wire_ends_the_belief_before_the_server_does() {
    let server = server!("a_cut_wire_ends_the_belief_before_the_server_does");
    let wire = Wire::to(&server.address()).unwrap();
    let session = connect(&wire.address(), vec![]);
    let reader = connect(&server.address(), vec![]);
    let standing = announce(&session, member(31_000), Acl::open());
    let is_in = |standing: &Standing| matches!(standing, Standing::In(_));
    until("the member", &standing, is_in).await;
    reader.held().await.unwrap();
    let number = session.held().await.unwrap();
    assert!(session.holds(number));

    let cut = Instant::now();
    wire.cut();
    state(&session, |state| matches!(state, State::Away(_))).await;
    let (noticed, listed_then) = (cut.elapsed(), listed(&reader).await);
    assert!(!session.holds(number));
    assert!(noticed < MIN_TIMEOUT, "noticed after {noticed:?}");
    assert_eq!(listed_then.len(), 1, "the server still believes in it");
    until_listed(&reader, <[Member]>::is_empty).await;

    wire.mend();
    until("the member again", &standing, is_in).await;
    until_listed(&reader, |members| members == [member(31_000)]).await;
}

#[tokio::test]
async fn a_dropped_session_takes_its_nodes_along() {
    let server = server!("a_dropped_session_takes_its_nodes_along");
    let reader = connect(&server.address(), vec![]);
    reader.held().await.unwrap();
    let session = connect(&server.address(), vec![]);
    session.held().await.unwrap();
    let node = session
        .create("/x", vec![], &Acl::open(), Lifetime::EphemeralSequential)
        .await
        .unwrap();
    assert!(reader.exists(&node).await.unwrap().0);
    let dropped = Instant::now();
    drop(session);
    let (mut there, mut change) = reader.exists(&node).await.unwrap();
    while there {
        change.wait().await;
        (there, change) = reader.exists(&node).await.unwrap();
    }
    assert!(
        dropped.elapsed() < MIN_TIMEOUT,
        "it was closed and did not expire"
    );
}

#[tokio::test]
async fn watches_are_set_anew_by_each_read_and_by_each_session() {
    let mut server = server!("watches_are_set_anew_by_each_read_and_by_each_session");
    let (one, two) = (
        connect(&server.address(), vec![]),
        connect(&server.address(), vec![]),
    );
    one.held().await.unwrap();
    two.held().await.unwrap();
    let set = |text: &'static str| two.set("/a", text.into());
    // Not there yet: the watch is for its birth.
    let (nothing, change) = one.get("/a").await.unwrap();
    assert_eq!(nothing, None);
    two.create("/a", b"1".to_vec(), &Acl::open(), Lifetime::Persistent)
        .await
        .unwrap();
    let soon = Duration::from_secs(10);
    tokio::time::timeout(soon, change.wait()).await.unwrap();
    for text in ["2", "3"] {
        let (_, change) = one.get("/a").await.unwrap();
        set(text).await.unwrap();
        tokio::time::timeout(soon, change.wait()).await.unwrap();
        let (node, _) = one.get("/a").await.unwrap();
        assert_eq!(node.unwrap().data, text.as_bytes());
    }
    // A watch whose server dies fires for that reason.
    let (_, change) = one.children("/").await.unwrap();
    server.kill();
    tokio::time::timeout(soon, change.wait()).await.unwrap();
    server.run_again();
    let (first, second) = (one.held().await.unwrap(), two.held().await.unwrap());
    assert!(first >= 2 && second >= 2);
    let (_, change) = one.children("/").await.unwrap();
    two.create("/b", vec![], &Acl::open(), Lifetime::Persistent)
        .await
        .unwrap();
    tokio::time::timeout(soon, change.wait()).await.unwrap();
    let mut names = one.children("/").await.unwrap().0.unwrap();
    names.sort();
    assert_eq!(names, ["a", "b", "zookeeper"]);
}

#[tokio::test]
async fn credentials_count_in_every_session() {
    let mut server = server!("credentials_count_in_every_session");
    let credential = Credential {
        scheme: "digest".into(),
        credential: "aurora:secret".into(),
    };
    let access = Access::parse(
        r#"{"acl":[{"scheme":"digest","credential":"aurora:secret","permissions":{"read":true,"write":true,"create":true,"delete":true,"admin":true}},
            {"scheme":"world","credential":"anyone","permissions":{"read":true}}]}"#,
    )
    .unwrap();
    let ours = connect(&server.address(), vec![credential]);
    let other = connect(&server.address(), vec![]);
    for round in 0..2 {
        ours.held().await.unwrap();
        other.held().await.unwrap();
        ours.ensure("/locked/deep", &access.acl()).await.unwrap();
        let node = ours
            .create(
                "/locked/deep/x",
                vec![],
                &access.acl(),
                Lifetime::EphemeralSequential,
            )
            .await
            .unwrap();
        let refused = other.delete(&node).await.unwrap_err();
        assert!(refused.is(&Refusal::NoAuth), "{refused}");
        assert!(other.exists(&node).await.unwrap().0, "anybody may look");
        ours.delete(&node).await.unwrap();
        if round == 0 {
            server.kill();
            state(&ours, |state| matches!(state, State::Away(_))).await;
            state(&other, |state| matches!(state, State::Away(_))).await;
            server.run_again();
        }
    }
}

#[tokio::test]
async fn the_next_candidate_moves_up() {
    let server = server!("the_next_candidate_moves_up");
    let candidacy = |name: &str| Candidacy {
        path: "/aurora/scheduler".into(),
        prefix: "candidate-lock-".into(),
        data: name.into(),
        acl: Acl::open(),
    };
    let stand = |session: &Session, name: &str| {
        let place = watch::Sender::new(Place::Out);
        let (session, tell, candidacy) = (session.clone(), place.clone(), candidacy(name));
        tokio::spawn(async move { candidacy.stand(&session, &tell).await });
        place
    };
    let at = |wanted: usize| move |place: &Place| matches!(place, Place::Queued { before, .. } if *before == wanted);
    let (one, two) = (
        connect(&server.address(), vec![]),
        connect(&server.address(), vec![]),
    );
    let first = stand(&one, "one");
    let lead = until("the lead of one", &first, at(0)).await;
    assert!(lead.is_first(&one));
    let second = stand(&two, "two");
    let waiting = until("the place of two", &second, at(1)).await;
    assert!(!waiting.is_first(&two));
    // Stepping back puts the first behind the second.
    candidacy("one").step_back(&one, &lead).await.unwrap();
    until("the lead of two", &second, at(0)).await;
    until("the place of one", &first, at(1)).await;
    two.close().await;
    assert_eq!(*second.borrow(), Place::Out);
    let lead = until("the lead of one again", &first, at(0)).await;
    assert!(lead.is_first(&one));
}

#[tokio::test]
async fn the_leading_master_is_followed() {
    let mut server = server!("the_leading_master_is_followed");
    let masters = connect(&server.address(), vec![]);
    let watcher = connect(&server.address(), vec![]);
    let leader = watch::Sender::new(Leader::Unknown);
    let (follower, tell) = (watcher.clone(), leader.clone());
    tokio::spawn(async move { masters::follow(&follower, "/mesos", &tell).await });
    until("the look", &leader, |leader| *leader == Leader::None).await;
    masters.held().await.unwrap();
    masters
        .ensure("/mesos/log_replicas", &Acl::open())
        .await
        .unwrap();
    let mut nodes = Vec::new();
    for port in [5050, 5051] {
        let info = format!(
            r#"{{"id":"m","ip":16777343,"port":{port},"hostname":"h","address":{{"hostname":"h","ip":"127.0.0.1","port":{port}}}}}"#
        );
        let node = masters
            .create(
                "/mesos/json.info_",
                info.into(),
                &Acl::open(),
                Lifetime::EphemeralSequential,
            )
            .await;
        nodes.push(node.unwrap());
    }
    let at = |port: u16| move |leader: &Leader| *leader == Leader::At(format!("127.0.0.1:{port}"));
    until("the first master", &leader, at(5050)).await;
    masters.delete(&nodes[0]).await.unwrap();
    until("the second master", &leader, at(5051)).await;
    // While ZooKeeper is away the last answer stands.
    server.kill();
    state(&watcher, |state| matches!(state, State::Away(_))).await;
    assert!(at(5051)(&leader.borrow()));
    server.run_again();
    // Its session had not expired or has: either way the second one's node goes with it in the end.
    until("no master", &leader, |leader| *leader == Leader::None).await;
}

#[tokio::test]
async fn kazoo_reads_a_member() {
    const NAME: &str = "kazoo_reads_a_member";
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(reason) => return skip(NAME, &reason),
    };
    let server = server!("kazoo_reads_a_member");
    let session = connect(&server.address(), vec![]);
    let standing = announce(&session, member(31_000), Acl::open());
    until("the member", &standing, |standing| {
        matches!(standing, Standing::In(_))
    })
    .await;
    let script = "import json, sys\nfrom kazoo.client import KazooClient\nc = KazooClient(hosts=sys.argv[1]); c.start(timeout=20)\n\
        p = '/aurora/role/prod/job'\nfor n in c.get_children(p):\n\
        \x20   d, s = c.get(p + '/' + n); m = json.loads(d)\n\
        \x20   print(n, m['serviceEndpoint']['host'], m['serviceEndpoint']['port'], m['additionalEndpoints']['admin']['port'], m['status'], m['shard'], s.ephemeralOwner != 0)\n\
        c.stop()\n";
    let output = Command::new(python)
        .args(["-c", script, &server.address()])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "member_0000000000 host-1 31000 31001 ALIVE 4 True\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn without_a_server_it_goes_on_trying_and_says_why() {
    // Nobody listens at a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let soon = Duration::from_secs(5);
    let at_once = connect(&format!("127.0.0.1:{port}"), vec![]);
    tokio::task::yield_now().await;
    tokio::time::timeout(soon, at_once.close()).await.unwrap();
    let session = connect(&format!("127.0.0.1:{port}"), vec![]);
    let reason = state(
        &session,
        |state| matches!(state, State::Away(reason) if reason.contains("within")),
    )
    .await;
    assert_eq!(
        reason,
        State::Away(format!(
            "no session at 127.0.0.1:{port} within {MIN_TIMEOUT:?}"
        ))
    );
    assert!(matches!(session.exists("/").await, Err(Error::Away)));
    session.close().await;
    assert_eq!(*session.state().borrow(), State::Closed);
    assert!(
        Session::start(Config {
            servers: "nowhere".into(),
            timeout: MIN_TIMEOUT,
            credentials: vec![],
        })
        .is_err()
    );
}
