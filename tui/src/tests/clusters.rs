//! Several clusters in one workbench.

use std::sync::{Arc, Mutex};

use aurora_tui_model::desk::Of;
use aurora_tui_model::state::Mode;
use aurora_tui_model::update::rounds_found;

use super::*;
use crate::keeper::Keeper;

/// What the opener was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

fn fake() -> Arc<Fake> {
    Fake::new(Progress::Accepted, true)
}

fn named(name: &str, source: Arc<Fake>) -> Member {
    let mut member = member(source, NOW);
    member.state.setup.cluster = name.to_owned();
    member
}

/// Two clusters, and a third that can be opened.
fn crew() -> (Crew, [Arc<Fake>; 3], Asked) {
    let fakes = [fake(), fake(), fake()];
    let mut crew = Crew::new(named("devcluster", fakes[0].clone()));
    crew.add(named("west", fakes[1].clone()));
    let (north, asked) = (fakes[2].clone(), Asked::default());
    let heard = asked.clone();
    let crew = crew.opening(Box::new(move |name| {
        heard.lock().unwrap().push(name.to_owned());
        match name {
            "north" => Ok(named("north", north.clone())),
            other => Err(format!("Unknown cluster: {other}")),
        }
    }));
    (crew, fakes, asked)
}

fn calls(fakes: &[Arc<Fake>; 3]) -> [usize; 3] {
    [0, 1, 2].map(|at| fakes[at].calls.lock().unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_to_the_cluster_of_its_view_and_to_no_other() {
    const KILL: &str = "kill www-data/devel/hello/0";
    for (lines, expected) in [
        (KILL.to_owned(), [1, 0, 0]),
        (format!("cluster west; {KILL}"), [0, 1, 0]),
        (
            format!("cluster west; cluster devcluster; {KILL}"),
            [1, 0, 0],
        ),
        (format!("cluster north; {KILL}"), [0, 0, 1]),
        (format!("open aurora://west/hosts; {KILL}"), [0, 1, 0]),
        (format!("tab-next; {KILL}"), [0, 1, 0]),
        (format!("tab-previous; {KILL}"), [0, 1, 0]),
        // A key of the named cluster is refused on another one.
        ("kill west/www-data/devel/hello/0".to_owned(), [0, 0, 0]),
    ] {
        let (crew, fakes, _) = crew();
        let given = Errand {
            yes: true,
            ..exec(&lines)
        };
        let (code, _, err) = errand_of(crew, given).await;
        assert_eq!(calls(&fakes), expected, "{lines}: {err}");
        assert_eq!(code == 0, expected != [0, 0, 0], "{lines}: {err}");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_of_one_key_go_to_the_cluster_that_they_turn_to() {
    let (mut crew, fakes, _) = crew();
    crew.take(Of::Outside, Event::Tick(NOW));
    let lines = "cluster west; instances www-data/devel/hello; kill www-data/devel/hello/0";
    crew.take(Of::Outside, Event::Run(lines.to_owned()));
    while !matches!(crew.state().mode, Mode::Confirm(..)) {
        let (of, event) = crew.next().await.expect("nothing more is heard");
        crew.take(of, event);
    }
    assert_eq!(crew.state().setup.cluster, "west");
    let shown = dump(&frame(crew.state(), crew.look()), false);
    assert!(shown.contains("cluster   west"), "{shown}");
    for key in aurora_tui_model::key::parse_sequence("y").unwrap() {
        crew.take(Of::Outside, Event::Key(key));
    }
    assert_eq!(calls(&fakes), [0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn clusters_are_opened_once_and_those_that_are_unknown_are_told() {
    let (crew, _, asked) = crew();
    let lines = "cluster north; cluster west; cluster north; cluster south";
    let (code, _, err) = errand_of(crew, exec(lines)).await;
    assert_eq!(code, 1);
    assert!(err.contains("Unknown cluster: south"), "{err}");
    assert_eq!(*asked.lock().unwrap(), ["north", "south"]);
}

#[tokio::test(start_paused = true)]
async fn how_all_clusters_are_is_seen_at_once() {
    let (crew, _, _) = crew();
    let given = Errand {
        snapshot: Some(Form::Json),
        ..exec("clusters")
    };
    let (code, out, err) = errand_of(crew, given).await;
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json["data"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (row, name) in rows.iter().zip(["devcluster", "west"]) {
        let picked = |name: &str| row[name].clone();
        assert_eq!(picked("cluster"), name);
        // Their clock stands still.
        assert_eq!(picked("link"), "stale");
        // As the fake cluster has it: 2 + 100 + 0 tasks.
        let counts = ["jobs", "active", "hosts"].map(picked);
        assert_eq!(counts, [3, 102, 2].map(serde_json::Value::from), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_are_not_begun_beside_another_workbench() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper {
        rounds: Some(dir.path().join("rounds-devcluster.json")),
        ..Keeper::default()
    };
    let other = keeper.claim().unwrap();
    let mut taken = Some(other);
    for (line, is_free, code, calls, said) in [
        (
            "host-rounds host-1.example",
            false,
            1,
            0,
            "another workbench (process",
        ),
        // The host does not get empty here.
        (
            "host-rounds host-1.example",
            true,
            4,
            1,
            "draining host-1.example",
        ),
        (
            "host-rounds host-1.example",
            true,
            1,
            0,
            "rounds that are not over",
        ),
        ("rounds-forget", true, 0, 0, ""),
        ("rounds-resume", true, 1, 0, "no rounds"),
    ] {
        if is_free {
            taken = None;
        }
        let source = fake();
        let mut first = member(source.clone(), NOW);
        first.data = first.data.keeping(keeper.clone());
        if let Some(kept) = keeper.rounds().unwrap() {
            rounds_found(&mut first.state, &kept, None);
        }
        let given = Errand {
            confirm: Some("1".to_owned()),
            ..exec(line)
        };
        let (got, _, err) = errand_of(Crew::new(first), given).await;
        assert_eq!(got, code, "{line}: {err}");
        assert_eq!(source.calls.lock().unwrap().len(), calls, "{line}: {err}");
        assert!(err.contains(said), "{line}: {err}");
    }
    drop(taken);
    assert_eq!(keeper.rounds().unwrap(), None);
}
