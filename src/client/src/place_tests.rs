use std::sync::Mutex;
use std::time::Duration;

use aurora_api::feed::Line;
use aurora_api::model::{GetTierConfigResult, Response, Result as ApiResult};
use aurora_api::service::arguments::GetTierConfigs;

use super::*;
use crate::directory::{Directory, Environment};
use crate::fake::{Reply, Server, ok, thrift};
use crate::fake_zookeeper::{self, Member, serving};
use crate::feed::{Feed, Item};
use crate::scheduler::{Retry, Scheduler};

fn tiers() -> Response {
    let result = GetTierConfigResult {
        default_tier_name: "new".into(),
        ..GetTierConfigResult::default()
    };
    ok(ApiResult::GetTierConfigResult(result))
}

/// A leader that leads no more once it is asked: the next one is written into ZooKeeper, and the connection breaks. What
/// comes to it afterwards is refused.
fn falling(next: &str, member: &Member) -> Server {
    let (next, member) = (serving(next), Arc::clone(member));
    let asked = Mutex::new(false);
    Server::start(move |_| {
        if std::mem::replace(&mut *asked.lock().unwrap(), true) {
            return Reply::Full(403, Vec::new(), Vec::new());
        }
        *member.lock().unwrap() = next.clone();
        Reply::Hangup
    })
}

/// The cluster that this member leads, with a secret for each of two names of this machine.
fn find(member: &Member, more: &str) -> Target {
    let dir = tempfile::tempdir().unwrap();
    let port = fake_zookeeper::start(member).port();
    let entry = format!(
        r#"[{{"name":"west","zk":"127.0.0.1","zk_port":{port},"scheduler_zk_path":"/s"{more}}}]"#
    );
    std::fs::write(dir.path().join("clusters.json"), entry).unwrap();
    let secrets = "machine 127.0.0.1 login u password old\nmachine localhost login u password new";
    std::fs::write(dir.path().join(".netrc"), secrets).unwrap();
    let environment = Environment {
        config_root: Some(dir.path().into()),
        home: Some(dir.path().into()),
        ..Environment::default()
    };
    let directory = Directory::load(environment).unwrap();
    directory.find("west").unwrap()
}

#[tokio::test]
async fn the_next_leader_is_found_when_the_connection_breaks() {
    let new = Server::scheduler(|_| tiers());
    let url = format!("http://localhost:{}", new.address.port());
    for (more, page) in [
        ("", format!("{url}/scheduler/www")),
        (
            r#","proxy_url":"http://proxy""#,
            "http://proxy/scheduler/www".to_owned(),
        ),
    ] {
        let member = Member::default();
        let old = falling(&url, &member);
        *member.lock().unwrap() = serving(&old.url());
        let target = find(&member, more);
        let scheduler = Scheduler::new(&target, "t");
        let before = new.seen().len();
        let call = scheduler.ask(GetTierConfigs::default(), Retry::Safe);
        let found: GetTierConfigResult = call.await.unwrap();
        assert_eq!(found.default_tier_name, "new");
        // Whoever shares it goes there at once.
        let other = scheduler.clone();
        let again = other.call(GetTierConfigs::default(), Retry::Never).await;
        again.unwrap();
        // And whoever begins with the same target.
        let other = Scheduler::new(&target.clone(), "t");
        let again = other.call(GetTierConfigs::default(), Retry::Never).await;
        again.unwrap();
        assert_eq!((old.seen().len(), new.seen().len() - before), (1, 3));
        // printf 'u:old' | base64, printf 'u:new' | base64
        assert_eq!(
            old.seen()[0].header("authorization"),
            Some("Basic dTpvbGQ=")
        );
        for request in &new.seen()[before..] {
            assert_eq!(request.header("authorization"), Some("Basic dTpuZXc="));
        }
        assert_eq!(scheduler.url().as_str(), format!("{url}/"));
        assert_eq!(scheduler.page(&["www"]), page);
    }
}

#[tokio::test]
async fn a_feed_goes_on_at_the_next_leader() {
    let new = Server::start(|request| match request.method.as_str() {
        "GET" => Reply::Chunks(Box::new(|write| {
            write("{\"heartbeat\":{\"seq\":\"91.0\"}}\n");
        })),
        _ => thrift(request, &|_| tiers()),
    });
    let member = Member::default();
    let old = falling(&new.url(), &member);
    *member.lock().unwrap() = serving(&old.url());
    let mut feed = Feed::follow(&find(&member, ""), "t", ["summary"]);
    let mut next = async || {
        let item = tokio::time::timeout(Duration::from_secs(20), feed.next()).await;
        item.expect("an item within 20 s")
            .expect("the feed goes on")
    };
    assert!(matches!(next().await, Item::Lost { refused: false, .. }));
    assert!(matches!(next().await, Item::Line(Line::Heartbeat(_))));
}
