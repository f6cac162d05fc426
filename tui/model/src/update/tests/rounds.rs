//! Hosts drained in rounds.

use aurora_api::model::MaintenanceMode;

use super::fleet::cluster;
use super::guarded::{accepted, forecast};
use super::*;
use crate::actions::Subject;

/// A cluster with two racks of hosts, and rounds asked for and confirmed.
fn rounds(line: &str) -> Bench {
    let mut bench = cluster(2);
    for (name, rack) in [("h1", "r1"), ("h2", "r1"), ("h3", "r2")] {
        bench.feed(racked(name, rack, MaintenanceMode::None, 2));
    }
    bench.event(Event::Run(line.to_owned()));
    bench.answer(
        |question| matches!(question, Question::Drain(_)),
        forecast(),
    );
    bench
}

fn racked(name: &str, rack: &str, mode: MaintenanceMode, tasks: u32) -> Line {
    Line::Host(feed::HostRecord {
        seq: seq(4),
        host: name.to_owned(),
        agent_id: "a1".to_owned(),
        mode,
        attributes: [("rack".to_owned(), vec![rack.to_owned()])].into(),
        tasks,
    })
}

/// What was sent last: the action and its hosts.
fn last_sent(bench: &Bench) -> String {
    let call = bench.sent().pop().expect("nothing was sent");
    match &call.subject {
        Subject::Hosts(hosts) => {
            let names: Vec<&str> = hosts.hosts.iter().map(|host| host.host.as_str()).collect();
            format!("{} {}", call.action.name(), names.join(" "))
        }
        other => panic!("{other:?}"),
    }
}

fn executed(bench: &Bench) -> Vec<String> {
    let effects = bench.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Execute { host, command } => Some(format!("{command} {host}")),
            _ => None,
        })
        .collect()
}

fn kept(bench: &Bench) -> Option<String> {
    let mut effects = bench.effects.iter().rev();
    effects.find_map(|effect| match effect {
        Effect::Keep(crate::event::Keepsake::Rounds(text)) => Some(text.clone()),
        _ => None,
    })?
}

/// How many times others were let go on.
fn releases(bench: &Bench) -> usize {
    let effects = bench.effects.iter();
    effects.filter(|effect| **effect == Effect::Release).count()
}

#[test]
fn hosts_are_drained_in_rounds_with_a_command_between() {
    use MaintenanceMode::{Drained, None as InService};
    let mut bench = rounds("host-rounds @rack=r1 h3 by=rack then=\"fix it\"");
    let question = bench.dialog();
    for part in [
        "3 host(s) with 6 task(s) are drained in 2 round(s)",
        "round 1: h1, h2",
        "round 2: h3",
        "on this machine: fix it HOST",
        "HELD UP",
        "type 3",
        "host-rounds h1 h2 h3 size=2 then=\"fix it\"",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("3 enter");
    assert!(
        bench.sent().is_empty(),
        "another workbench might do the same"
    );
    bench.event(Event::Claimed(Ok(None)));
    assert_eq!(last_sent(&bench), "host-drain h1 h2");
    accepted(&mut bench);
    bench.feed(racked("h1", "r1", Drained, 0));
    assert_eq!(executed(&bench), [""; 0], "h2 is not empty");
    bench.feed(racked("h2", "r1", Drained, 0));
    assert_eq!(executed(&bench), ["fix it h1"]);
    let done = |host: &str| Event::Executed {
        host: host.to_owned(),
        outcome: Ok(String::new()),
    };
    bench.event(done("h1"));
    assert_eq!(executed(&bench), ["fix it h1", "fix it h2"]);
    bench.event(done("h2"));
    assert_eq!(last_sent(&bench), "host-activate h1 h2");
    accepted(&mut bench);
    bench.feed(racked("h1", "r1", InService, 0));
    bench.feed(racked("h2", "r1", InService, 0));
    assert_eq!(last_sent(&bench), "host-drain h3");
    assert!(kept(&bench).is_some());
    accepted(&mut bench);
    bench.feed(racked("h3", "r2", Drained, 0));
    bench.event(done("h3"));
    accepted(&mut bench);
    bench.feed(racked("h3", "r2", InService, 0));
    assert!(bench.state.campaign.is_none(), "{:?}", bench.state.campaign);
    assert_eq!(kept(&bench), None);
    assert!(
        bench.bottom().contains("2 round(s) done"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn rounds_stand_still_when_a_step_fails_and_go_on_in_another_workbench() {
    let mut bench = rounds("host-rounds h1 h2 then=fix stay");
    bench.keys("2 enter");
    bench.event(Event::Claimed(Ok(None)));
    accepted(&mut bench);
    bench.feed(racked("h1", "r1", MaintenanceMode::Drained, 0));
    bench.event(Event::Executed {
        host: "h1".to_owned(),
        outcome: Err("exit status: 1".to_owned()),
    });
    assert!(
        bench
            .bottom()
            .contains("the command for h1: exit status: 1"),
        "{}",
        bench.bottom()
    );
    assert_eq!(last_sent(&bench), "host-drain h1");
    let text = kept(&bench).unwrap();
    let mut other = cluster(2);
    for (name, mode) in [
        ("h1", MaintenanceMode::Drained),
        ("h2", MaintenanceMode::None),
    ] {
        other.feed(racked(name, "r1", mode, 0));
    }
    rounds_found(&mut other.state, &text, None);
    assert_eq!(executed(&other), [""; 0], "nothing happens by itself");
    other.event(Event::Run("rounds-resume".to_owned()));
    assert_eq!(
        executed(&other),
        [""; 0],
        "another one might go on with them"
    );
    other.event(Event::Claimed(Ok(Some(text))));
    assert_eq!(executed(&other), ["fix h1"]);
    other.event(Event::Run("rounds-stop".to_owned()));
    other.event(Event::Executed {
        host: "h1".to_owned(),
        outcome: Ok(String::new()),
    });
    assert!(
        other.sent().is_empty(),
        "the step is over and the next one is not begun"
    );
    assert_eq!(releases(&other), 1);
    other.event(Event::Run("rounds-resume".to_owned()));
    let text = kept(&other);
    other.event(Event::Claimed(Ok(text)));
    assert_eq!(last_sent(&other), "host-drain h2");
    other.event(Event::Run("rounds-stop; rounds-forget".to_owned()));
    assert!(other.state.campaign.is_none());
}

#[test]
fn rounds_of_another_workbench_are_left_to_it() {
    let who = || Err("they go on in another workbench (process 7 of ann)".to_owned());
    let mut bench = rounds("host-rounds h1 h2 stay");
    bench.keys("2 enter");
    bench.event(Event::Claimed(who()));
    assert!(
        bench.bottom().contains("process 7 of ann"),
        "{}",
        bench.bottom()
    );
    assert!(bench.sent().is_empty() && bench.state.campaign.is_none());
    assert_eq!(kept(&bench), None, "what the other one keeps stays");
    // The other one has stopped: its rounds come first.
    let mut other = rounds("host-rounds h1 h2 stay");
    other.keys("2 enter");
    other.event(Event::Claimed(Ok(None)));
    other.event(Event::Run("rounds-stop".to_owned()));
    assert_eq!(releases(&other), 0, "its drain goes on");
    accepted(&mut other);
    other.feed(racked("h1", "r1", MaintenanceMode::Drained, 0));
    assert_eq!(releases(&other), 1);
    let text = kept(&other).unwrap();
    bench.event(Event::Run("host-rounds h1 h2 stay".to_owned()));
    bench.answer(
        |question| matches!(question, Question::Drain(_)),
        forecast(),
    );
    bench.keys("2 enter");
    bench.event(Event::Claimed(Ok(Some(text.clone()))));
    assert!(bench.bottom().contains("not over"), "{}", bench.bottom());
    assert!(bench.sent().is_empty());
    assert_eq!(releases(&bench), 1);
    // While it goes on elsewhere it is neither gone on with nor forgotten here.
    for line in ["rounds-resume", "rounds-forget"] {
        bench.event(Event::Run(line.to_owned()));
        bench.event(Event::Claimed(who()));
        assert!(
            bench.bottom().contains("process 7"),
            "{line}: {}",
            bench.bottom()
        );
        assert!(
            bench.sent().is_empty() && bench.state.campaign.is_some(),
            "{line}"
        );
    }
    // It has come further: what is kept counts, not what was read before.
    bench.event(Event::Run("rounds-resume".to_owned()));
    bench.event(Event::Claimed(Ok(Some(text))));
    assert_eq!(last_sent(&bench), "host-drain h2");
}
