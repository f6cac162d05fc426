//! How the connection is: each state has a word of its own, and data stays in all of them.

use super::*;
use crate::event::LinkEvent;

fn word(bench: &Bench) -> String {
    let shown = snapshot(&bench.state);
    assert_eq!(shown["data"]["shown"], 2, "data stays visible");
    shown["link"].as_str().unwrap().to_owned()
}

fn hello(leader: &str) -> Line {
    Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: seq(1),
        cluster: "dev".to_owned(),
        leader: leader.to_owned(),
        server_time_ms: NOW,
        version: 2,
        capabilities: Vec::new(),
    })
}

#[test]
fn links_have_states_of_their_own() {
    let refused = || LinkEvent::Refused("401".to_owned());
    for (events, expected) in [
        (vec![], "live"),
        (vec![Event::Link(NOW, LinkEvent::Connecting)], "connecting"),
        (
            vec![
                Event::Link(NOW, LinkEvent::Lost("x".to_owned())),
                Event::Tick(NOW + 4000),
            ],
            "down 4s",
        ),
        // Since when is the first of several reports.
        (
            vec![
                Event::Link(NOW, refused()),
                Event::Link(NOW + 2000, refused()),
                Event::Tick(NOW + 5000),
            ],
            "unauthorised 5s",
        ),
        (
            vec![Event::Link(NOW, refused()), Event::Feed(NOW, hello("h0:1"))],
            "live",
        ),
        (vec![Event::Tick(NOW + 20_000)], "stale 20s"),
        (
            vec![Event::Feed(NOW, hello("h1:1")), Event::Tick(NOW + 3000)],
            "redirected 3s",
        ),
        (
            vec![
                Event::Feed(NOW, hello("h1:1")),
                Event::Feed(NOW + 61_000, hello("h1:1")),
            ],
            "live",
        ),
        (vec![Event::Feed(NOW, hello("h0:1"))], "live"),
        (
            vec![
                Event::Feed(NOW, hello("h0:1")),
                Event::Run("split-right; audit; focus left".to_owned()),
                Event::Feed(NOW, Line::Denied("audit".to_owned())),
            ],
            "partial",
        ),
    ] {
        let mut bench = Bench::with_jobs();
        let shown = format!("{events:?}");
        for event in events {
            bench.event(event);
        }
        assert_eq!(word(&bench), expected, "{shown}");
    }
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let mut bench = Bench::new(setup());
    bench.event(Event::Link(
        NOW,
        LinkEvent::Refused("401 Unauthorized".to_owned()),
    ));
    let shown = format!("{:?}", screen(&bench.state).body);
    assert!(
        shown.contains("does not let this user in: 401 Unauthorized"),
        "{shown}"
    );
}
