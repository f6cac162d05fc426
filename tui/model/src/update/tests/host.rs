//! One host: its mode, attributes, tasks and offers on one screen.

use aurora_api::feed::{Counts, HostRecord, TableSize};
use aurora_api::model::MaintenanceMode;

use super::*;
use crate::event::Mouse;
use crate::pages::{Page, Records};
use crate::told::{Amounts, Offer};

fn record() -> HostRecord {
    let attribute = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned());
        (name.to_owned(), values.collect())
    };
    HostRecord {
        seq: seq(4),
        host: "h1".to_owned(),
        agent_id: "a1".to_owned(),
        mode: MaintenanceMode::Draining,
        attributes: [attribute("host", &["h1"]), attribute("rack", &["r1", "r2"])].into(),
        tasks: 2,
    }
}

fn offer(id: &str, cpus: f64) -> Offer {
    Offer {
        id: id.to_owned(),
        host: "h1".to_owned(),
        amounts: Amounts {
            cpus,
            ram: 1024.0 * 1024.0 * 1024.0,
            disk: 0.0,
        },
        ports: 10,
        revocable: false,
    }
}

fn on_host(told: bool) -> Bench {
    let mut bench = super::fleet::cluster(3);
    bench.feed(Line::Counts(Counts {
        seq: seq(4),
        tables: [("hosts".to_owned(), TableSize { rows: 9_000, told })].into(),
        updating: 0,
    }));
    bench.event(Event::Run("host h1".to_owned()));
    bench.feed_all(whole(
        "host/h1",
        vec![
            task("w/devel/hello", 2, "a", ScheduleStatus::Running),
            task("w/devel/hello", 1, "a", ScheduleStatus::Running),
        ],
    ));
    bench
}

fn fields(bench: &Bench) -> String {
    snapshot(&bench.state)["data"]["fields"].to_string()
}

#[test]
fn one_host_is_shown_with_mode_attributes_tasks_and_offers() {
    let mut bench = on_host(true);
    bench.feed(Line::Host(record()));
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("what the host offers")
    );
    assert!(
        fields(&bench).contains("not told yet"),
        "{}",
        fields(&bench)
    );
    let offers = |question: &Question| *question == Question::OffersOf("h1".to_owned());
    for (answer, words, rows) in [
        (vec![], "nothing at this moment", 0),
        (
            vec![offer("O1", 1.5), offer("O2", 0.5)],
            "2 cpus, 2.0 GiB ram, 0 B disk, 20 ports",
            2,
        ),
    ] {
        bench.answer(offers, Answer::Offers(answer));
        let data = snapshot(&bench.state)["data"].take();
        assert_eq!(data["fields"]["offers"], words);
        assert_eq!(data["offers"]["rows"].as_array().unwrap().len(), rows);
    }
    let data = snapshot(&bench.state)["data"].take();
    for (name, value) in [
        ("mode", "DRAINING"),
        ("tasks", "2"),
        ("attributes", "host=h1 rack=r1,r2"),
        ("agent", "a1"),
    ] {
        assert_eq!(data["fields"][name], value, "{name}");
    }
    assert_eq!(data["rows"][1]["task"], "t2a");
    // Status, crumb, five fields and a header are above the rows, offers below them.
    bench.event(Event::Run("mouse".to_owned()));
    for (y, selected) in [
        (9, Some("t2a")),
        (8, Some("t1a")),
        (3, Some("t1a")),
        (20, Some("t1a")),
    ] {
        bench.event(Event::Mouse(Mouse::Click, 5, y));
        assert_eq!(bench.state.view.selected.as_deref(), selected, "{y}");
    }
    // Without an answer the tasks are there all the same.
    let generation = bench.watch_of(|what| matches!(what, WatchWhat::Ask(_)));
    bench.event(Event::Run("jobs; host h2".to_owned()));
    bench.event(Event::Seen(generation, Seen::Trouble("late".to_owned())));
    assert_eq!(bench.state.view.trouble, None, "it was of another host");
    let generation = bench.watch_of(|what| matches!(what, WatchWhat::Ask(_)));
    bench.event(Event::Seen(
        generation,
        Seen::Trouble("no route".to_owned()),
    ));
    assert!(fields(&bench).contains("no route"), "{}", fields(&bench));
}

#[test]
fn a_host_of_too_many_is_asked_for_by_itself() {
    let mut bench = on_host(false);
    let is_page =
        |what: &WatchWhat| matches!(what, WatchWhat::Page(query) if query.filter == "host=h1");
    let generation = bench.watch_of(is_page);
    let page = Page {
        records: Records::Hosts(vec![record()]),
        total: 9_000,
        shown: 1,
        offset: 0,
        prev: None,
        next: None,
    };
    bench.state.store.hosts.clear();
    assert!(fields(&bench).contains("does not tell of this host"));
    bench.event(Event::Seen(generation, Seen::Page(page)));
    assert!(fields(&bench).contains("rack=r1,r2"), "{}", fields(&bench));
    assert_eq!(snapshot(&bench.state)["data"]["rows"][0]["task"], "t1a");
}
