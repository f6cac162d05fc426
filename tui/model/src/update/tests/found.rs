//! Global find where the scheduler has to look.

use aurora_api::feed::{Counts, HostRecord, RoleRecord, TableSize};
use aurora_api::model::MaintenanceMode;

use super::*;
use crate::pages::{Page, Query, Records};

/// A million jobs and ten thousand hosts, of which none is told.
fn large() -> Bench {
    let mut bench = Bench::new(setup());
    bench.feed(Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: seq(1),
        cluster: "dev".to_owned(),
        leader: "h0:1".to_owned(),
        server_time_ms: NOW,
        version: 3,
        capabilities: Vec::new(),
    }));
    let size = |rows| TableSize { rows, told: false };
    bench.feed(Line::Counts(Counts {
        seq: seq(1),
        tables: [
            ("jobs".to_owned(), size(1_000_000)),
            ("hosts".to_owned(), size(10_000)),
        ]
        .into(),
        updating: 0,
    }));
    bench.feed_all(whole("summary", Vec::new()));
    bench
}

/// What is asked of a table.
fn asked(bench: &Bench, table: &str) -> Option<(u64, String, String)> {
    let mut watches = bench.state.watches.iter();
    watches.find_map(|(generation, watch)| match &watch.what {
        WatchWhat::Page(Query {
            table: of,
            filter,
            sort,
            ..
        }) if of == table => Some((*generation, filter.clone(), sort.clone())),
        _ => None,
    })
}

fn answer(bench: &mut Bench, table: &str, records: Records, shown: usize, total: usize) {
    let (generation, ..) = asked(bench, table).unwrap_or_else(|| panic!("{table} is not asked"));
    let page = Page {
        records,
        total,
        shown,
        offset: 0,
        prev: None,
        next: None,
    };
    bench.event(Event::Seen(generation, Seen::Page(page)));
}

fn jobs(keys: &[&str]) -> Records {
    let record = |key: &&str| match job(key, &[(ScheduleStatus::Running, 1)]) {
        Line::Job(record) => record,
        _ => unreachable!("a job's line"),
    };
    Records::Jobs(keys.iter().map(record).collect())
}

fn role(name: &str) -> Records {
    Records::Roles(vec![RoleRecord {
        role: name.to_owned(),
        jobs: 1,
        active: 1,
        problems: 0,
        changed_ms: NOW,
        quota: None,
    }])
}

fn host(name: &str) -> Records {
    Records::Hosts(vec![HostRecord {
        seq: seq(4),
        host: name.to_owned(),
        agent_id: "a1".to_owned(),
        mode: MaintenanceMode::None,
        attributes: BTreeMap::new(),
        tasks: 2,
    }])
}

/// What is found of these kinds.
fn found(bench: &Bench) -> Vec<String> {
    let data = snapshot(&bench.state)["data"].take();
    let rows = data["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| {
        let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("name"))
    });
    let rows = rows.filter(|(kind, _)| ["job", "role", "host"].contains(&kind.as_str()));
    rows.map(|(kind, name)| format!("{kind} {name}")).collect()
}

#[test]
fn the_scheduler_is_asked_for_what_is_not_here() {
    let mut bench = large();
    bench.event(Event::Run("find web".to_owned()));
    for (table, sort) in [("jobs", "job"), ("roles", "role"), ("hosts", "host")] {
        let (_, filter, by) = asked(&bench, table).unwrap();
        assert_eq!((filter.as_str(), by.as_str()), ("web", sort));
    }
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("these rows of the find")
    );
    // A job that is chosen for another column than its name stays.
    answer(
        &mut bench,
        "jobs",
        jobs(&["w/prod/web", "x/prod/y"]),
        7_000,
        1_000_000,
    );
    answer(&mut bench, "roles", role("webmaster"), 1, 900);
    assert!(
        bench.state.waiting_for().is_some(),
        "hosts are still to come"
    );
    answer(&mut bench, "hosts", host("web-1"), 1, 10_000);
    assert_eq!(bench.state.waiting_for(), None);
    let expected = [
        "job w/prod/web",
        "job x/prod/y",
        "role webmaster",
        "host web-1",
    ];
    assert_eq!(found(&bench), expected);
    let data = snapshot(&bench.state)["data"].take();
    let rows = data["rows"].as_array().unwrap().len();
    assert_eq!(
        data["shown"],
        6_998 + rows,
        "those that are not here are counted"
    );
    bench.keys("enter");
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/instances/w/prod/web"
    );

    // What only one kind can be is asked of that one.
    for (filter, jobs, hosts) in [
        ("kind=host web-", None, Some("web-")),
        ("kind!=host \"a b\"", Some("\"a b\""), None),
        (
            "name=w/prod/web",
            Some("job=w/prod/web"),
            Some("host=w/prod/web"),
        ),
        ("kind=view", None, None),
        ("about=RUNNING web", None, None),
        ("", Some(""), Some("")),
    ] {
        bench.event(Event::Run("jobs".to_owned()));
        bench.event(Event::Run(format!("find {filter}")));
        for (table, wanted) in [("jobs", jobs), ("hosts", hosts)] {
            let got = asked(&bench, table).map(|(_, filter, _)| filter);
            assert_eq!(got.as_deref(), wanted, "{filter}: {table}");
        }
        let says = screen(&bench.state).crumb.unwrap().1;
        let is_here = says.contains("compared with what is here only");
        assert_eq!(is_here, filter.starts_with("about"), "{says}");
    }
    // A scheduler in trouble is said to be.
    let (generation, ..) = asked(&bench, "jobs").unwrap();
    bench.event(Event::Seen(
        generation,
        Seen::Trouble("too busy".to_owned()),
    ));
    let says = screen(&bench.state).crumb.unwrap().1;
    assert!(says.contains("too busy"), "{says}");
}

#[test]
fn what_is_here_is_not_asked_for() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Run("find web".to_owned()));
    assert_eq!(asked(&bench, "jobs"), None);
    assert_eq!(found(&bench), ["job w/prod/web"]);
}

#[test]
fn a_job_that_is_not_all_here_is_said_to_be() {
    for (version, tasks, says) in [(0, 20_001, true), (0, 20_000, false), (3, 20_001, false)] {
        let mut bench = super::fleet::cluster(version);
        bench.feed(job("w/prod/huge", &[(ScheduleStatus::Running, tasks)]));
        bench.event(Event::Run("instances w/prod/huge".to_owned()));
        let crumb = screen(&bench.state).crumb.unwrap().1;
        let said = crumb.contains("the first 20,000 tasks");
        assert_eq!(said, says, "{version} {tasks}: {crumb}");
    }
}
