//! Keys and events in, state and effects out. (long: one bench and all scripts that use it)

mod any;
mod backups;
mod changes;
mod clusters;
mod counted;
mod figures;
mod files;
mod fleet;
mod found;
mod guarded;
mod host;
mod links;
mod logs;
mod mouse;
mod panes;
mod past;
mod rounds;
mod sheets;
mod speed;
mod timelines;

use std::collections::BTreeMap;

use aurora_api::feed::{self, Hello, JobRecord, Line, Seq, Snapshot, SnapshotPart, TaskRecord};
use aurora_api::model::ScheduleStatus;

use super::*;
use crate::actions::Progress;
use crate::event::{Effect, Process, Seen, Start, TaskInfo, WatchWhat};
use crate::key::parse_sequence;
use crate::keymap::Keymap;
use crate::screen::{Body, Bottom, screen, snapshot};
use crate::state::Setup;
use crate::told::{Answer, Question};

const NOW: i64 = 1_000_000_000_000;

fn seq(index: u64) -> Seq {
    Seq { index, ordinal: 0 }
}

fn whole(topic: &str, lines: Vec<Line>) -> Vec<Line> {
    let mark = |part| {
        Line::Snapshot(Snapshot {
            topic: topic.to_owned(),
            seq: seq(1),
            part,
        })
    };
    std::iter::once(mark(SnapshotPart::Begin))
        .chain(lines)
        .chain([mark(SnapshotPart::End)])
        .collect()
}

fn job(key: &str, states: &[(ScheduleStatus, u32)]) -> Line {
    Line::Job(JobRecord {
        seq: seq(2),
        job: key.parse().unwrap(),
        states: states.iter().copied().collect(),
        active: states
            .iter()
            .filter(|(status, _)| status.is_active())
            .map(|(_, count)| count)
            .sum(),
        service: true,
        tier: "preemptible".to_owned(),
        cron_schedule: None,
        cron_last: None,
        update: None,
        changed_ms: NOW - 5_000,
    })
}

fn task(key: &str, instance: i32, generation: &str, status: ScheduleStatus) -> Line {
    Line::Task(TaskRecord {
        seq: seq(3),
        task_id: format!("t{instance}{generation}"),
        job: key.parse().unwrap(),
        instance,
        status,
        host: Some("h1".to_owned()),
        agent_id: Some("a1".to_owned()),
        ports: BTreeMap::new(),
        failure_count: 0,
        ancestor: None,
        config: "c".to_owned(),
        events: vec![feed::Event {
            time_ms: NOW - 60_000,
            status,
            message: None,
        }],
    })
}

/// A workbench and everything that it asked for.
struct Bench {
    state: State,
    effects: Vec<Effect>,
}

impl Bench {
    fn new(setup: Setup) -> Bench {
        let mut bench = Bench {
            state: State::new(setup, (80, 24), NOW),
            effects: Vec::new(),
        };
        bench.event(Event::Tick(NOW));
        bench
    }

    /// A cluster with a devel job of three instances and a production job of one.
    fn with_jobs() -> Bench {
        let mut bench = Bench::new(setup());
        bench.feed(Line::Hello(Hello {
            feed: "f".to_owned(),
            seq: seq(1),
            cluster: "dev".to_owned(),
            leader: "h0:1".to_owned(),
            server_time_ms: NOW,
            version: 1,
            capabilities: Vec::new(),
        }));
        bench.feed_all(whole(
            "summary",
            vec![
                job("w/devel/hello", &[(ScheduleStatus::Running, 3)]),
                job(
                    "w/prod/web",
                    &[(ScheduleStatus::Running, 1), (ScheduleStatus::Failed, 2)],
                ),
            ],
        ));
        bench
    }

    fn event(&mut self, event: Event) {
        self.effects.extend(update(&mut self.state, event));
        settle(&mut self.state);
    }

    /// The scheduler's answer to what it is being asked.
    fn answer(&mut self, is_it: impl Fn(&Question) -> bool, answer: Answer) {
        let asked = |what: &WatchWhat| matches!(what, WatchWhat::Ask(question) if is_it(question));
        let generation = self.watch_of(asked);
        self.event(Event::Seen(generation, Seen::Answer(answer)));
    }

    fn feed(&mut self, line: Line) {
        self.event(Event::Feed(NOW, line));
    }

    fn feed_all(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.feed(line);
        }
    }

    fn hello_tasks(&mut self) {
        let tasks = (0..3)
            .map(|instance| task("w/devel/hello", instance, "a", ScheduleStatus::Running))
            .collect();
        self.feed_all(whole("job/w/devel/hello", tasks));
    }

    fn keys(&mut self, keys: &str) {
        for key in parse_sequence(keys).unwrap() {
            self.event(Event::Key(key));
        }
    }

    fn bottom(&self) -> String {
        match screen(&self.state).bottom {
            Bottom::Words(words) => words.into_iter().map(|word| word.text).collect(),
            Bottom::Input(sign, text, _, error) => {
                format!("{sign}{text} {}", error.unwrap_or_default())
            }
            Bottom::Nothing => String::new(),
        }
    }

    fn dialog(&self) -> String {
        screen(&self.state)
            .dialog
            .map_or_else(String::new, |dialog| {
                let lines: Vec<String> = dialog
                    .lines
                    .into_iter()
                    .map(|line| line.into_iter().map(|segment| segment.text).collect())
                    .collect();
                format!("{}\n{}", dialog.title.text, lines.join("\n"))
            })
    }

    fn sent(&self) -> Vec<&crate::event::Call> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send(call) => Some(call),
                _ => None,
            })
            .collect()
    }

    fn outcomes(&self) -> Vec<String> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Record(entry) => Some(entry.outcome.clone()),
                _ => None,
            })
            .collect()
    }

    fn watch_of(&self, wanted: impl Fn(&WatchWhat) -> bool) -> u64 {
        let found = self
            .state
            .watches
            .iter()
            .find(|(_, watch)| wanted(&watch.what));
        *found
            .unwrap_or_else(|| panic!("not among {:?}", self.state.watches))
            .0
    }
}

fn setup() -> Setup {
    Setup {
        cluster: "dev".to_owned(),
        user: "me".to_owned(),
        process: 7,
        keymap: Keymap::built_in(),
        ..Setup::default()
    }
}

#[test]
fn keys_move_and_lead_in_and_out() {
    for (keys, place, selected) in [
        ("j", "jobs", "w/prod/web"),
        ("j j j k", "jobs", "w/devel/hello"),
        ("G", "jobs", "w/prod/web"),
        ("G g g", "jobs", "w/devel/hello"),
        ("enter", "instances w/devel/hello", ""),
        ("enter esc", "jobs", "w/devel/hello"),
        ("j enter esc", "jobs", "w/prod/web"),
        ("g h", "hosts", ""),
        ("g h -", "jobs", "w/devel/hello"),
        (": h o s t s enter", "hosts", ""),
        ("/ p r o d enter", "jobs", "w/prod/web"),
        ("/ p r o d enter esc", "jobs", "w/devel/hello"),
        ("/ p r o d esc", "jobs", "w/devel/hello"),
        ("p", "jobs", "w/prod/web"),
        ("S", "jobs", "w/devel/hello"),
        ("?", "help", ""),
    ] {
        let mut bench = Bench::with_jobs();
        bench.keys(keys);
        let view = &bench.state.view;
        let shown = match &view.place {
            Place::Instances(job) => format!("instances {job}"),
            place => place.view().to_owned(),
        };
        assert_eq!(shown, place, "{keys}");
        if !selected.is_empty() {
            let table = crate::views::table(&bench.state).unwrap();
            let at = crate::views::selected(&bench.state, &table).unwrap();
            assert_eq!(table.rows[at].id, selected, "{keys}");
        }
    }
}

#[test]
fn faults_of_typed_lines_are_shown_where_they_are_typed() {
    let mut bench = Bench::with_jobs();
    bench.keys(": j b s enter");
    assert!(
        bench.bottom().contains("did you mean `jobs`?"),
        "{}",
        bench.bottom()
    );
    bench.keys("esc / m o o n = 1");
    assert!(
        bench.bottom().contains("there is no field `moon`"),
        "{}",
        bench.bottom()
    );
    let table = crate::views::table(&bench.state).unwrap();
    assert_eq!(
        table.rows.len(),
        0,
        "the last valid filter (moon) goes on working"
    );
    bench.keys("esc");
    assert_eq!(crate::views::table(&bench.state).unwrap().rows.len(), 2);
    bench.keys("g x");
    assert!(
        bench.bottom().contains("does nothing here"),
        "{}",
        bench.bottom()
    );
    bench.keys("g");
    assert!(
        bench.bottom().contains("all jobs"),
        "continuations are shown: {}",
        bench.bottom()
    );
}

#[test]
fn the_selection_stays_with_its_object() {
    let mut bench = Bench::with_jobs();
    bench.keys("j");
    bench.feed(job("a/devel/first", &[(ScheduleStatus::Running, 1)]));
    let table = crate::views::table(&bench.state).unwrap();
    assert_eq!(table.rows[bench.state.view.index].id, "w/prod/web");
    bench.feed(Line::JobRemoved(feed::JobRemoved {
        seq: seq(9),
        job: "w/prod/web".parse().unwrap(),
    }));
    assert_eq!(
        bench.state.view.index, 1,
        "its place is kept when it is gone"
    );
}

#[test]
fn only_what_is_on_the_screen_is_followed() {
    let mut bench = Bench::with_jobs();
    let topics = |bench: &Bench| {
        bench
            .state
            .topics
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(topics(&bench), "summary");
    bench.keys("enter");
    assert_eq!(topics(&bench), "job/w/devel/hello summary");
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("the tasks of w/devel/hello")
    );
    bench.hello_tasks();
    assert_eq!(bench.state.waiting_for(), None);
    assert!(bench.state.watches.is_empty());
    bench.keys("enter");
    assert_eq!(
        bench.state.watches.len(),
        2,
        "the task's processes and what it used"
    );
    bench.keys("esc esc");
    assert!(bench.state.watches.is_empty());
    assert_eq!(topics(&bench), "summary");
    assert!(
        bench.state.store.tasks.is_empty(),
        "tasks of topics that are not followed are forgotten"
    );
    assert!(matches!(
        bench.effects.last(),
        Some(Effect::Stop(_) | Effect::Topics(_))
    ));
}

fn at_logs() -> Bench {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("l");
    let generation = bench.watch_of(|what| *what == WatchWhat::Task);
    let process = |name: &str, state: &str, run: i64| Process {
        name: name.to_owned(),
        state: state.to_owned(),
        run,
        start_ms: Some(NOW - 1000),
        ..Process::default()
    };
    bench.event(Event::Seen(
        generation,
        Seen::Task(TaskInfo {
            processes: vec![
                process("setup", "SUCCESS", 0),
                process("main", "RUNNING", 1),
                process("later", "WAITING", -1),
            ],
            ..TaskInfo::default()
        }),
    ));
    bench
}

fn stdout_of(bench: &Bench) -> u64 {
    bench.watch_of(|what| {
        matches!(
            what,
            WatchWhat::Log {
                stream: crate::event::Stream::Stdout,
                ..
            }
        )
    })
}

#[test]
fn logs_tail_the_running_process_and_pause() {
    let mut bench = at_logs();
    assert!(bench.state.watches.values().any(
        |watch| matches!(&watch.what, WatchWhat::Log { process, run: 1, .. } if process == "main")
    ));
    let generation = stdout_of(&bench);
    let bytes = |from: usize, to: usize| {
        let text: String = (from..to).map(|line| format!("line {line}\n")).collect();
        Seen::Bytes {
            offset: 0,
            next: 0,
            bytes: text.into_bytes(),
        }
    };
    bench.event(Event::Seen(generation, bytes(0, 100)));
    let last = |bench: &Bench| match screen(&bench.state).body {
        Body::Text(panes) => (
            panes[0].lines.last().unwrap().0.text(),
            panes[0].remarks.clone(),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(last(&bench), ("line 99".to_owned(), "following".to_owned()));
    bench.keys("k k");
    assert_eq!(last(&bench), ("line 97".to_owned(), "paused".to_owned()));
    bench.event(Event::Seen(generation, bytes(100, 110)));
    assert_eq!(
        last(&bench),
        ("line 97".to_owned(), "paused, 10 new".to_owned())
    );
    bench.keys("G");
    assert_eq!(
        last(&bench),
        ("line 109".to_owned(), "following".to_owned())
    );
    bench.keys("/ \" 5 \" enter");
    let (line, remarks) = last(&bench);
    assert_eq!(
        (line.as_str(), remarks.contains("20/110 lines shown")),
        ("line 105", true),
        "{remarks}"
    );
    bench.keys("c n");
    assert!(bench.bottom().contains("no further match") || last(&bench).0.contains('5'));
    bench.keys("N");
    assert_eq!(last(&bench).0, "line 105");
    // A find of a watch that was stopped changes nothing.
    bench.event(Event::Seen(generation + 1000, bytes(0, 5)));
    bench.keys("esc esc");
    bench.event(Event::Seen(generation, bytes(0, 5)));
    assert!(matches!(bench.state.view.place, Place::Instances(_)));
}

#[test]
fn what_was_not_read_is_read_from_any_place() {
    let mut bench = at_logs();
    let stdout_start = |bench: &Bench| match &bench.state.watches[&stdout_of(bench)].what {
        WatchWhat::Log { start, .. } => *start,
        other => panic!("{other:?}"),
    };
    let mib = 1 << 20;
    let bytes = |offset: u64, next: u64| Seen::Bytes {
        offset,
        next,
        bytes: "line\n".repeat(100).into_bytes(),
    };
    let remarks = |bench: &Bench| {
        let pane = bench.state.view.pane().unwrap();
        (pane.skipped, pane.rest)
    };
    assert_eq!(stdout_start(&bench), Start::End);
    bench.event(Event::Seen(stdout_of(&bench), bytes(4 * mib, 5 * mib)));
    for (keys, start, first, after) in [
        // The beginning of what was read is not that of the file.
        (
            "G pageup pageup pageup pageup pageup pageup pageup pageup pageup pageup pageup pageup",
            Start::At(3 * mib),
            3,
            1,
        ),
        ("pagedown", Start::At(4 * mib), 4, 0),
        ("g g", Start::At(0), 0, 4),
        ("G", Start::End, 4, 0),
        (
            ": o f f s e t space 5 0 % enter",
            Start::At(5 * mib / 100 * 50),
            2,
            2,
        ),
        (": o f f s e t space 1 M enter", Start::At(mib), 1, 3),
        (": o f f s e t space e n d enter", Start::End, 4, 0),
    ] {
        bench.keys(keys);
        assert_eq!(stdout_start(&bench), start, "{keys}");
        let generation = stdout_of(&bench);
        bench.event(Event::Seen(
            generation,
            bytes(first * mib, (first + 1) * mib),
        ));
        if after > 0 {
            bench.event(Event::Seen(generation, Seen::Rest(after * mib)));
        }
        assert_eq!(remarks(&bench), (first * mib, after * mib), "{keys}");
    }
    bench.keys(": o f f s e t space x enter");
    assert!(
        bench.bottom().contains("is not an offset"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn a_new_run_is_followed_and_said() {
    let mut bench = at_logs();
    let generation = bench.watch_of(|what| *what == WatchWhat::Task);
    let of_old_run = stdout_of(&bench);
    let mut info = bench.state.view.task.clone().unwrap();
    info.processes[1].run = 2;
    bench.event(Event::Seen(generation, Seen::Task(info)));
    assert!(
        bench
            .state
            .watches
            .values()
            .any(|watch| matches!(&watch.what, WatchWhat::Log { run: 2, .. }))
    );
    assert!(
        !bench
            .state
            .watches
            .values()
            .any(|watch| matches!(&watch.what, WatchWhat::Log { run: 1, .. }))
    );
    assert!(
        bench
            .state
            .view
            .pane()
            .unwrap()
            .buffer
            .line(0)
            .unwrap()
            .notice
    );
    let lines = bench.state.view.pane().unwrap().buffer.len();
    let late = Seen::Bytes {
        offset: 0,
        next: 0,
        bytes: b"late\n".to_vec(),
    };
    bench.event(Event::Seen(of_old_run, late));
    let now = bench.state.view.pane().unwrap().buffer.len();
    assert_eq!(now, lines, "what a stopped watch still finds is dropped");
    bench.keys("i");
    assert!(matches!(&bench.state.view.place, Place::Logs(_, Some(process)) if process == "later"));
}

#[test]
fn an_empty_cluster_shows_three_choices() {
    let mut bench = Bench::new(setup());
    bench.feed_all(whole("summary", Vec::new()));
    assert_eq!(
        bench
            .effects
            .iter()
            .filter(|effect| **effect == Effect::Suggest)
            .count(),
        1
    );
    bench.event(Event::Suggestion(
        "aurora job create dev/me/devel/hello hello.aurora".to_owned(),
    ));
    let Body::Words(lines) = screen(&bench.state).body else {
        panic!("no words");
    };
    let text: Vec<String> = lines
        .into_iter()
        .map(|line| line.into_iter().map(|segment| segment.text).collect())
        .collect();
    let text = text.join("\n");
    for part in [
        "e   launch the examples",
        "aurora job create dev/me/devel/hello hello.aurora",
        "?   help",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    bench.keys("y c");
    assert_eq!(
        bench.effects.last(),
        Some(&Effect::Copy(
            "aurora job create dev/me/devel/hello hello.aurora".to_owned()
        ))
    );
    bench.keys("e e");
    assert_eq!(
        bench
            .effects
            .iter()
            .filter(|effect| **effect == Effect::Launch)
            .count(),
        1
    );
    let mut full = Bench::with_jobs();
    full.keys("e");
    assert!(!full.effects.contains(&Effect::Launch));
}

#[test]
fn leaving_a_local_cluster_asks_and_leaves_it_running() {
    for (keys, stop) in [
        ("q enter", false),
        ("q l", false),
        ("q s", true),
        ("q j enter", true),
        ("ctrl-c ctrl-c ctrl-c", false),
    ] {
        let mut bench = Bench::with_jobs();
        bench.state.setup.local = true;
        bench.keys(keys);
        assert_eq!(
            bench.effects.last(),
            Some(&Effect::Quit { stop_cluster: stop }),
            "{keys}"
        );
    }
    let mut bench = Bench::with_jobs();
    bench.state.setup.local = true;
    bench.keys("q esc");
    assert!(
        !bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Quit { .. }))
    );
    let mut bench = Bench::with_jobs();
    bench.keys("q");
    assert_eq!(
        bench.effects.last(),
        Some(&Effect::Quit {
            stop_cluster: false
        })
    );
}

#[test]
fn a_lost_connection_keeps_the_picture_and_says_its_age() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Link(NOW, LinkEvent::Lost("refused".to_owned())));
    bench.event(Event::Link(
        NOW + 3000,
        LinkEvent::Lost("refused".to_owned()),
    ));
    bench.event(Event::Tick(NOW + 7000));
    assert_eq!(snapshot(&bench.state)["link"], "down 7s");
    assert_eq!(snapshot(&bench.state)["data"]["shown"], 2);
    bench.feed(job("w/devel/hello", &[(ScheduleStatus::Running, 3)]));
    bench.event(Event::Tick(NOW + 30_000));
    assert_eq!(snapshot(&bench.state)["link"], "stale 30s");
}

#[test]
fn a_snapshot_voids_what_was_known() {
    let mut bench = Bench::with_jobs();
    bench.feed_all(whole(
        "summary",
        vec![job("w/devel/hello", &[(ScheduleStatus::Running, 3)])],
    ));
    assert_eq!(bench.state.store.jobs.len(), 1);
}

#[test]
fn links_open_and_come_back() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Run(
        "open aurora://dev/jobs?filter=prod&sort=-changed".to_owned(),
    ));
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/jobs?filter=prod&sort=-changed"
    );
    // What comes after it is for the other cluster too.
    bench.event(Event::Run("open aurora://west/jobs; hosts".to_owned()));
    let turned = Effect::Cluster {
        name: "west".to_owned(),
        then: Some("open aurora://west/jobs; hosts".to_owned()),
    };
    assert_eq!(bench.effects.last(), Some(&turned));
    assert_eq!(bench.state.view.place, Place::Jobs);
}

#[test]
fn no_size_panics() {
    for (width, height) in [(1, 1), (2, 3), (40, 10), (80, 24), (300, 100)] {
        for keys in ["j", "enter", "?", "a", "a K", ": x", "/ x"] {
            let mut bench = Bench::with_jobs();
            bench.event(Event::Resize(width, height));
            bench.keys("enter");
            bench.hello_tasks();
            bench.keys("enter");
            bench.keys(keys);
            screen(&bench.state);
            snapshot(&bench.state);
        }
    }
}
