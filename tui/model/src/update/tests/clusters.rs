//! Several clusters: each with its own state, one on the screen.

use super::*;
use crate::desk::{Desk, Link, Of};
use crate::event::LinkEvent;
use crate::rules::Rules;
use crate::state::Mode;

/// What was done for which cluster.
type Done = Vec<(usize, Effect)>;

fn state(name: &str, rules: Rules) -> State {
    let setup = Setup {
        cluster: name.to_owned(),
        rules,
        ..setup()
    };
    State::new(setup, (80, 24), NOW)
}

fn jobs(desk: &mut Desk, at: usize) -> Done {
    let hello = Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: seq(1),
        cluster: "x".to_owned(),
        leader: "h0:1".to_owned(),
        server_time_ms: NOW,
        version: 2,
        capabilities: Vec::new(),
    });
    let jobs = vec![
        job("w/devel/hello", &[(ScheduleStatus::Running, 3)]),
        job("w/prod/web", &[(ScheduleStatus::Failed, 2)]),
    ];
    let lines = std::iter::once(hello).chain(whole("summary", jobs));
    feed(desk, at, lines.collect())
}

fn feed(desk: &mut Desk, at: usize, lines: Vec<Line>) -> Done {
    let told = lines
        .into_iter()
        .flat_map(|line| desk.update(Of::Cluster(at), Event::Feed(NOW, line)));
    let told = told.collect();
    desk.settle();
    told
}

fn hello_tasks(desk: &mut Desk, at: usize) -> Done {
    let tasks = (0..3).map(|at| task("w/devel/hello", at, "a", ScheduleStatus::Running));
    feed(desk, at, whole("job/w/devel/hello", tasks.collect()))
}

fn run(desk: &mut Desk, line: &str) -> Done {
    let done = desk.update(Of::Outside, Event::Run(line.to_owned()));
    desk.settle();
    done
}

fn keys(desk: &mut Desk, keys: &str) -> Done {
    let keys = parse_sequence(keys).unwrap().into_iter();
    keys.flat_map(|key| desk.update(Of::Outside, Event::Key(key)))
        .collect()
}

/// Two clusters with jobs; the second one is production.
fn desk() -> Desk {
    let mut desk = Desk::new(state("east", Rules::default()));
    desk.add(state(
        "west",
        Rules {
            production: true,
            ..Rules::default()
        },
    ));
    desk.update(Of::Outside, Event::Tick(NOW));
    jobs(&mut desk, 0);
    jobs(&mut desk, 1);
    desk
}

fn sent(done: &Done) -> Vec<usize> {
    let sent = done
        .iter()
        .filter(|(_, effect)| matches!(effect, Effect::Send(_)));
    sent.map(|(at, _)| *at).collect()
}

fn here(desk: &Desk) -> &str {
    &desk.state().setup.cluster
}

fn top(desk: &Desk) -> String {
    let status = screen(desk.state()).status.into_iter();
    status.map(|segment| segment.text).collect()
}

#[test]
fn a_question_stays_on_its_cluster_and_is_answered_there() {
    let mut desk = desk();
    run(&mut desk, "kill w/devel/hello/0");
    run(&mut desk, "cluster west");
    assert_eq!(here(&desk), "west");
    // The tasks come: the question is asked on the cluster that is not on the screen.
    hello_tasks(&mut desk, 0);
    assert!(matches!(desk.state().mode, Mode::Normal));
    let notice = desk
        .state()
        .notice
        .as_ref()
        .map(|notice| notice.text.clone());
    assert_eq!(
        notice.as_deref(),
        Some("east: a question waits for its answer")
    );
    assert_eq!(sent(&keys(&mut desk, "y")), [] as [usize; 0]);
    run(&mut desk, "cluster east");
    assert!(matches!(desk.state().mode, Mode::Confirm(..)));
    assert_eq!(sent(&keys(&mut desk, "y")), [0]);
}

#[test]
fn rules_and_looks_are_of_each_cluster() {
    let mut desk = desk();
    run(&mut desk, "instances w/devel/hello");
    hello_tasks(&mut desk, 0);
    run(&mut desk, "kill w/devel/hello/0");
    assert!(matches!(&desk.state().mode, Mode::Confirm(plan, ..) if !plan.is_production()));
    keys(&mut desk, "n");
    run(&mut desk, "cluster west; instances w/devel/hello");
    hello_tasks(&mut desk, 1);
    run(&mut desk, "kill w/devel/hello/0");
    let Mode::Confirm(plan, ..) = &desk.state().mode else {
        panic!("nothing is asked");
    };
    assert_eq!(
        (plan.cluster.as_str(), plan.is_production()),
        ("west", true)
    );
    assert!(top(&desk).contains(" west live"), "{}", top(&desk));
    assert_eq!(sent(&keys(&mut desk, "y")), [] as [usize; 0]);
    assert_eq!(sent(&keys(&mut desk, "backspace h e l l o enter")), [1]);
}

#[test]
fn what_is_not_on_the_screen_is_not_followed_but_for_its_summary() {
    let mut desk = desk();
    run(&mut desk, "instances w/devel/hello");
    let done = run(&mut desk, "cluster west");
    let topics = done.iter().find_map(|(at, effect)| match effect {
        Effect::Topics(topics) if *at == 0 => Some(topics.clone()),
        _ => None,
    });
    assert_eq!(topics, Some(["summary".to_owned()].into()));
    let done = run(&mut desk, "cluster east");
    assert!(done.iter().any(|(at, effect)| *at == 0
        && matches!(effect, Effect::Topics(topics) if topics.contains("job/w/devel/hello"))));
}

#[test]
fn an_outcome_is_told_wherever_one_is() {
    let mut desk = desk();
    run(&mut desk, "instances w/devel/hello; kill w/devel/hello/0");
    hello_tasks(&mut desk, 0);
    let done = keys(&mut desk, "y");
    let id = done.iter().find_map(|(_, effect)| match effect {
        Effect::Send(call) => Some(call.id),
        _ => None,
    });
    run(&mut desk, "cluster west");
    assert!(
        top(&desk).contains("east live 1 change(s) under way"),
        "{}",
        top(&desk)
    );
    let refused = Progress::Refused("no".to_owned());
    desk.update(Of::Cluster(0), Event::Answer(id.unwrap(), refused));
    desk.settle();
    let notice = desk
        .state()
        .notice
        .as_ref()
        .map(|notice| notice.text.clone());
    assert_eq!(
        notice.as_deref(),
        Some("east: kill w/devel/hello/0: refused: no")
    );
    assert!(!top(&desk).contains("under way"));
    // The journal is one.
    assert_eq!(desk.state().journal.len(), 2);
}

#[test]
fn links_and_counts_of_all_are_told() {
    let mut desk = desk();
    run(&mut desk, "clusters");
    desk.update(
        Of::Cluster(1),
        Event::Link(NOW, LinkEvent::Lost("gone".to_owned())),
    );
    desk.settle();
    let peers = &desk.state().peers;
    assert_eq!([peers[0].link, peers[1].link], [Link::Live, Link::Down]);
    let counts = peers[1].counts.unwrap();
    assert_eq!(
        (counts.jobs, counts.problems, counts.active),
        (2, Some(1), Some(3))
    );
    let table = crate::views::table(desk.state()).unwrap();
    let row: Vec<_> = table.rows[1]
        .cells
        .iter()
        .map(|cell| cell.shown(NOW))
        .collect();
    assert_eq!(row.join("|"), "west|down|0s|2|1|3|0|0|0|");
    assert!(top(&desk).contains(" west down "), "{}", top(&desk));
    keys(&mut desk, "j enter");
    assert_eq!(here(&desk), "west");
}

#[test]
fn tabs_of_all_clusters_are_turned_through() {
    let mut desk = desk();
    run(&mut desk, "tab-new; hosts");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(format!("{} {}", here(&desk), desk.state().layout.at));
        run(&mut desk, "tab-next");
    }
    assert_eq!(seen, ["east 1", "west 0", "east 0", "east 1"]);
    run(&mut desk, "tab-next; tab-previous");
    // On from the first tab of the east, and back beyond it.
    assert_eq!((here(&desk), desk.state().layout.at), ("west", 0));
}

#[test]
fn what_is_kept_for_all_is_known_on_all() {
    let mut desk = desk();
    run(&mut desk, "bookmark home; layout-save mine");
    run(&mut desk, "cluster west");
    assert!(desk.state().bookmarks.contains_key("home"));
    assert!(desk.state().layouts.contains_key("mine"));
    // A bookmark of the other cluster leads there.
    run(&mut desk, "bookmarks");
    keys(&mut desk, "enter");
    assert_eq!(here(&desk), "east");
}

#[test]
fn the_journal_leads_to_the_cluster_of_its_row() {
    let mut desk = desk();
    run(&mut desk, "instances w/devel/hello; kill w/devel/hello/0");
    hello_tasks(&mut desk, 0);
    keys(&mut desk, "y");
    run(&mut desk, "cluster west; journal");
    let table = crate::views::table(desk.state()).unwrap();
    let row: Vec<_> = table.rows[0]
        .cells
        .iter()
        .map(|cell| cell.shown(NOW))
        .collect();
    assert!(row.contains(&"east".into()), "{row:?}");
    // Beside the row nothing of this cluster is meant.
    run(&mut desk, "restart");
    assert!(matches!(desk.state().mode, Mode::Normal));
    keys(&mut desk, "enter");
    assert_eq!(here(&desk), "east");
    assert_eq!(
        desk.state().view.place,
        Place::Instances("w/devel/hello".parse().unwrap())
    );
}
