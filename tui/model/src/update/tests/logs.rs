//! Output of processes: levels, times, fields, runs, several at once.

use super::*;
use crate::event::Stream;
use crate::screen::TextView;

/// 2026-01-02 03:04:05 UTC.
const THEN: i64 = 1_767_323_045_000;

fn found(text: &str) -> Seen {
    Seen::Bytes {
        offset: 0,
        next: text.len() as u64,
        bytes: text.as_bytes().to_vec(),
    }
}

fn log_of(bench: &Bench, task: &str, wanted: Stream) -> u64 {
    let found = bench.state.watches.iter().find(|(_, watch)| {
        watch.task == task
            && matches!(&watch.what, WatchWhat::Log { stream, .. } if *stream == wanted)
    });
    *found
        .unwrap_or_else(|| panic!("not among {:?}", bench.state.watches))
        .0
}

fn panes(bench: &Bench) -> Vec<TextView> {
    match screen(&bench.state).body {
        Body::Text(panes) => panes,
        other => panic!("{other:?}"),
    }
}

fn texts(pane: &TextView) -> Vec<String> {
    pane.lines.iter().map(|(line, _)| line.text()).collect()
}

/// The outputs of all three instances of a job, each with one process that runs.
fn at_tails() -> Bench {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Tick(THEN + 60_000));
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("L");
    for instance in 0..3 {
        let task = format!("t{instance}a");
        let generation = *bench
            .state
            .watches
            .iter()
            .find(|(_, watch)| watch.task == task && watch.what == WatchWhat::Task)
            .unwrap()
            .0;
        bench.event(Event::Seen(generation, running(0)));
    }
    bench
}

impl Bench {
    /// Where all outputs are read from.
    fn starts(&self) -> Vec<Start> {
        let watches = self.state.watches.values();
        let starts = watches.filter_map(|watch| match watch.what {
            WatchWhat::Log { start, .. } => Some(start),
            _ => None,
        });
        starts.collect()
    }

    /// The output of which reading began last.
    fn newest_log(&self) -> u64 {
        let mut watches = self.state.watches.iter().rev();
        let found = watches.find(|(_, watch)| {
            matches!(
                &watch.what,
                WatchWhat::Log {
                    stream: Stream::Stdout,
                    ..
                }
            )
        });
        *found.expect("an output is read").0
    }
}

fn running(run: i64) -> Seen {
    Seen::Task(TaskInfo {
        processes: vec![Process {
            name: "main".to_owned(),
            state: "RUNNING".to_owned(),
            run,
            ..Process::default()
        }],
        ..TaskInfo::default()
    })
}

#[test]
fn outputs_of_several_instances_are_merged_by_time() {
    let mut bench = at_tails();
    let (first, second) = (
        log_of(&bench, "t0a", Stream::Stdout),
        log_of(&bench, "t1a", Stream::Stderr),
    );
    bench.event(Event::Seen(
        first,
        found("03:04:01 INFO a\n03:04:05 ERROR b\n  frame of b\n03:04:09 c\n"),
    ));
    bench.event(Event::Seen(
        second,
        found("03:04:02 d\n03:04:05.5 e\n03:04:12 unfinis"),
    ));
    let pane = panes(&bench).remove(0);
    assert_eq!(
        texts(&pane),
        [
            "0/stdout 03:04:01 INFO a",
            "1/stderr 03:04:02 d",
            "0/stdout 03:04:05 ERROR b",
            "0/stdout   frame of b",
            "1/stderr 03:04:05.5 e",
            "0/stdout 03:04:09 c",
        ]
    );
    assert_eq!(pane.title, "6 outputs by time");
    // What comes later and is older is put in its place; while paused the screen stays.
    bench.keys("k");
    let last = |bench: &Bench| texts(&panes(bench)[0]).pop().unwrap();
    bench.state.size = (80, 7);
    bench.keys("G k");
    assert_eq!(last(&bench), "1/stderr 03:04:05.5 e");
    bench.event(Event::Seen(second, found("hed\n03:04:13 late\n")));
    bench.event(Event::Seen(first, found("03:04:03 earlier\n")));
    assert_eq!(last(&bench), "1/stderr 03:04:05.5 e");
    assert!(panes(&bench)[0].remarks.contains("paused, 3 new"));
    bench.keys("G");
    assert_eq!(last(&bench), "1/stderr 03:04:13 late");
    // One source alone, and side by side.
    bench.state.size = (80, 40);
    bench.keys(": f i l t e r space s o u r c e = 1 / s t d e r r enter");
    assert_eq!(texts(&panes(&bench)[0]).len(), 4);
    bench.keys("esc o");
    assert!(
        texts(&panes(&bench)[0])[0].starts_with("0  03:04:01"),
        "{:?}",
        texts(&panes(&bench)[0])
    );
    bench.keys("m");
    let side_by_side = panes(&bench);
    let titles: Vec<&str> = side_by_side
        .iter()
        .map(|pane| pane.title.as_str())
        .collect();
    assert_eq!(
        titles,
        [
            "0/stdout run 0",
            "0/stderr run 0",
            "1/stdout run 0",
            "1/stderr run 0",
            "2/stdout run 0",
            "2/stderr run 0"
        ]
    );
    // Nothing was lost on the way, and each has its own.
    assert_eq!(
        texts(&side_by_side[0]),
        [
            "03:04:01 INFO a",
            "03:04:05 ERROR b",
            "  frame of b",
            "03:04:09 c",
            "03:04:03 earlier"
        ]
    );
    assert_eq!(side_by_side[3].lines.len(), 4);
}

#[test]
fn a_replaced_task_goes_on_in_its_pane() {
    let mut bench = at_tails();
    bench.feed(task("w/devel/hello", 1, "b", ScheduleStatus::Running));
    bench.feed(Line::TaskRemoved(feed::TaskRemoved {
        seq: seq(9),
        task_id: "t1a".to_owned(),
        job: "w/devel/hello".parse().unwrap(),
    }));
    assert!(
        bench
            .state
            .watches
            .values()
            .any(|watch| watch.task == "t1b")
    );
    assert!(
        !bench
            .state
            .watches
            .values()
            .any(|watch| watch.task == "t1a")
    );
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/tails/w/devel/hello/all"
    );
}

#[test]
fn too_many_instances_are_not_all_read_and_it_is_said() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    let tasks = (0..20)
        .map(|instance| task("w/devel/hello", instance, "a", ScheduleStatus::Running))
        .collect();
    bench.feed_all(whole("job/w/devel/hello", tasks));
    bench.keys("L");
    assert!(
        panes(&bench)[0]
            .title
            .ends_with("12 more instances not read")
    );
    bench.keys("esc space space L");
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/tails/w/devel/hello/0-1"
    );
    assert_eq!(panes(&bench)[0].title, "4 outputs by time");
}

#[test]
fn levels_fields_and_times_of_lines() {
    let mut bench = at_logs();
    bench.event(Event::Tick(THEN + 60_000));
    let generation = stdout_of(&bench);
    let lines: String = (0..60)
        .map(|second| match second {
            20 => "2026-01-02 03:04:20 ERROR broken\n  at frame\n".to_owned(),
            40 => "{\"time\":\"2026-01-02T03:04:40Z\",\"level\":\"warn\",\"msg\":\"slow\",\"ms\":120}\n".to_owned(),
            _ => format!("2026-01-02 03:04:{second:02} INFO line {second}\n"),
        })
        .collect();
    bench.event(Event::Seen(generation, found(&lines)));
    let all = |bench: &Bench| texts(&panes(bench)[0]).join("\n");
    bench.keys("E");
    assert!(all(&bench).contains("slow"), "{}", all(&bench));
    bench.keys("E");
    assert!(all(&bench).contains("broken"), "{}", all(&bench));
    bench.keys("e");
    assert!(all(&bench).contains("slow"));
    bench.keys("G J / \" s l o w \" enter");
    assert_eq!(all(&bench), "03:04:40 WARN  slow ms=120");
    bench.keys(": f i e l d s space m s enter");
    assert_eq!(all(&bench), "03:04:40 120");
    bench.keys("J esc / l e v e l > = e r r o r enter");
    assert_eq!(all(&bench), "2026-01-02 03:04:20 ERROR broken\n  at frame");
    bench.keys(
        "esc : s i n c e space 0 3 : 0 4 : 5 0 enter : u n t i l space 0 3 : 0 4 : 5 2 enter",
    );
    assert_eq!(texts(&panes(&bench)[0]).len(), 3);
    assert!(
        panes(&bench)[0]
            .remarks
            .contains("since 2026-01-02 03:04:50")
    );
    bench.keys(": s i n c e enter : u n t i l enter : a t space 0 3 : 0 4 : 1 0 enter");
    assert!(
        all(&bench).contains("line 10") && !all(&bench).contains("line 50"),
        "{}",
        all(&bench)
    );
    bench.keys(": a t space + 3 0 s enter");
    assert!(all(&bench).contains("line 45"), "{}", all(&bench));
    bench.keys("G H");
    let pane = panes(&bench).remove(0);
    assert_eq!(
        pane.strip.as_ref().map(|strip| strip.columns.len()),
        Some(80)
    );
    assert!(
        pane.remarks.contains("03:04:00 to 03:04:59"),
        "{}",
        pane.remarks
    );
}

#[test]
fn a_time_that_was_not_read_is_looked_for_in_the_file() {
    let mut bench = at_logs();
    bench.event(Event::Tick(THEN + 60_000));
    let read = Seen::Bytes {
        offset: 1 << 30,
        next: (1 << 30) + 18,
        bytes: b"03:04:50 INFO now\n".to_vec(),
    };
    bench.event(Event::Seen(stdout_of(&bench), read));
    bench.keys(": a t space 0 3 : 0 0 enter");
    let time = THEN - 245_000;
    assert!(bench.state.watches.values().any(
        |watch| matches!(&watch.what, WatchWhat::Log { start: Start::Time(at), .. } if *at == time)
    ));
    let lines: String = (0..59)
        .map(|second| format!("03:00:{second:02} x\n"))
        .collect();
    bench.event(Event::Seen(stdout_of(&bench), found(&lines)));
    assert_eq!(texts(&panes(&bench)[0])[0], "03:00:00 x");
}

#[test]
fn earlier_runs_are_read_and_stay() {
    let mut bench = at_logs();
    let run_now = |bench: &Bench| match &bench.state.watches[&stdout_of(bench)].what {
        WatchWhat::Log { run, .. } => *run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run_now(&bench), 1);
    bench.keys("r");
    assert_eq!(run_now(&bench), 0);
    assert_eq!(panes(&bench)[0].title, "stdout run 0");
    bench.keys("r");
    assert!(
        bench.bottom().contains("there are runs 0 to 1"),
        "{}",
        bench.bottom()
    );
    // Another run begins: the one that was chosen stays.
    let generation = bench.watch_of(|what| *what == WatchWhat::Task);
    let mut info = bench.state.view.task.clone().unwrap();
    info.processes[1].run = 2;
    bench.event(Event::Seen(generation, Seen::Task(info)));
    assert_eq!(run_now(&bench), 0);
    bench.keys(": r u n space n e w e s t enter");
    assert_eq!(run_now(&bench), 2);
}

#[test]
fn gaps_are_said_and_lines_saved_and_copied() {
    let mut bench = at_logs();
    let generation = stdout_of(&bench);
    bench.event(Event::Seen(
        generation,
        found("\u{1b}[31mred\u{1b}[0m one\nlevel=warn n=2\n"),
    ));
    bench.event(Event::Seen(generation, Seen::Missed(12 << 20)));
    let pane = panes(&bench).remove(0);
    assert!(pane.remarks.contains("12.0 MiB passed over"));
    assert_eq!(
        texts(&pane)[2],
        "12.0 MiB came too fast and were passed over"
    );
    let saved = |bench: &Bench| match bench.effects.last() {
        Some(Effect::Save { path, text }) => (path.clone(), text.clone()),
        other => panic!("{other:?}"),
    };
    bench.keys(": s a v e space x . l o g enter");
    let remark = "12.0 MiB came too fast and were passed over\n";
    assert_eq!(
        saved(&bench),
        (
            "x.log".to_owned(),
            format!("red one\nlevel=warn n=2\n{remark}")
        )
    );
    bench.keys(": s a v e space x space a n s i enter");
    assert!(saved(&bench).1.starts_with("\u{1b}[31mred\u{1b}[0m one\n"));
    bench.keys(": s a v e space x space j s o n enter");
    let second: serde_json::Value =
        serde_json::from_str(saved(&bench).1.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&second["level"], &second["fields"]["n"]),
        (&"warn".into(), &"2".into())
    );
    bench.keys("y a");
    assert!(
        matches!(bench.effects.last(), Some(Effect::Copy(text)) if text.starts_with("red one\nlevel"))
    );
    bench.keys("y y");
    assert!(
        matches!(bench.effects.last(), Some(Effect::Copy(text)) if text.starts_with("12.0 MiB"))
    );
}

#[test]
fn merged_outputs_go_to_a_time_and_back_to_their_ends() {
    let mut bench = at_tails();
    let read = |bench: &mut Bench, offset: u64, text: &str, rest: u64| {
        for task in ["t0a", "t1a"] {
            let generation = log_of(bench, task, Stream::Stdout);
            let next = offset + text.len() as u64;
            let bytes = text.as_bytes().to_vec();
            bench.event(Event::Seen(
                generation,
                Seen::Bytes {
                    offset,
                    next,
                    bytes,
                },
            ));
            if rest > 0 {
                bench.event(Event::Seen(generation, Seen::Rest(rest)));
            }
        }
    };
    read(&mut bench, 1 << 30, "03:04:50 now\n", 0);
    assert!(
        panes(&bench)[0]
            .remarks
            .contains("2.0 GiB before this not read")
    );
    bench.keys(": a t space 0 3 : 0 0 enter");
    let starts = |bench: &Bench| -> std::collections::BTreeSet<Start> {
        let watches = bench.state.watches.values();
        watches
            .filter_map(|watch| match watch.what {
                WatchWhat::Log { start, .. } => Some(start),
                _ => None,
            })
            .collect()
    };
    assert_eq!(starts(&bench), [Start::Time(THEN - 245_000)].into());
    read(&mut bench, 1 << 20, "03:00:00 then\n", 1 << 29);
    assert_eq!(
        texts(&panes(&bench)[0]),
        ["0/stdout 03:00:00 then", "1/stdout 03:00:00 then"]
    );
    assert!(
        panes(&bench)[0]
            .remarks
            .contains("1.0 GiB after this not read"),
        "{}",
        panes(&bench)[0].remarks
    );
    // The same time again is where one is; the end is read anew.
    bench.keys(": a t space 0 3 : 0 0 enter");
    assert_eq!(texts(&panes(&bench)[0]).len(), 2);
    bench.keys("G");
    assert_eq!(starts(&bench), [Start::End].into());
    read(&mut bench, 1 << 30, "03:04:51 end\n", 0);
    assert_eq!(
        texts(&panes(&bench)[0]).last().unwrap(),
        "1/stdout 03:04:51 end"
    );
    assert!(panes(&bench)[0].remarks.starts_with("following"));
}

/// A line a second from 03:04:00 on, of these seconds.
fn seconds(seconds: std::ops::Range<u32>) -> String {
    seconds
        .map(|second| format!("03:{:02}:{:02} x\n", 4 + second / 60, second % 60))
        .collect()
}

fn piece(offset: u64, text: &str) -> Seen {
    Seen::Bytes {
        offset,
        next: offset + text.len() as u64,
        bytes: text.as_bytes().to_vec(),
    }
}

fn last_of(pane: &TextView) -> String {
    texts(pane).pop().unwrap_or_default()
}

#[test]
fn panes_scroll_together_by_time() {
    let mut bench = at_tails();
    bench.event(Event::Tick(THEN + 600_000));
    bench.state.size = (80, 18);
    // Three instances side by side, two panes of each; one writes each second, one every ten.
    bench.keys("m");
    let (every, tenth) = (
        log_of(&bench, "t0a", Stream::Stdout),
        log_of(&bench, "t0a", Stream::Stderr),
    );
    bench.event(Event::Seen(every, found(&seconds(0..60))));
    let sparse: String = (0..6).map(|at| seconds(at * 10..at * 10 + 1)).collect();
    bench.event(Event::Seen(tenth, found(&sparse)));
    let shown =
        |bench: &Bench| -> Vec<String> { panes(bench).iter().take(2).map(last_of).collect() };
    bench.keys("k");
    assert_eq!(shown(&bench), ["03:04:58 x", "03:04:50 x"]);
    bench.keys("T");
    assert!(panes(&bench)[0].remarks.contains("scrolls with the others"));
    bench.keys(": a t space 0 3 : 0 4 : 4 5 enter");
    let here = last_of(&panes(&bench)[0]);
    assert!(("03:04:45".."03:04:50").contains(&here.as_str()), "{here}");
    assert_eq!(shown(&bench)[1], "03:04:40 x");
    // Turning to another pane moves none; moving in it moves the first.
    bench.keys("tab");
    assert_eq!(shown(&bench), [here.as_str(), "03:04:40 x"]);
    bench.keys("j");
    assert_eq!(shown(&bench), ["03:04:50 x", "03:04:50 x"]);
    // All follow again.
    bench.keys("G");
    assert_eq!(shown(&bench), ["03:04:59 x", "03:04:50 x"]);
    assert!(panes(&bench)[0].remarks.starts_with("following"));
    bench.keys("T k");
    assert_eq!(shown(&bench)[0], "03:04:59 x");
}

#[test]
fn a_pane_beside_is_read_where_it_was_not() {
    let mut bench = at_logs();
    bench.event(Event::Tick(THEN + 600_000));
    let stdout = stdout_of(&bench);
    bench.event(Event::Seen(stdout, piece(0, &seconds(0..200))));
    // The same output in another pane, whose last part alone was read.
    bench.keys("ctrl-w s T");
    let mut watches = bench.state.watches.iter().rev();
    let task = watches.find(|(_, watch)| watch.what == WatchWhat::Task);
    let task = *task.expect("the task is watched").0;
    bench.event(Event::Seen(task, running(0)));
    let generation = bench.newest_log();
    bench.event(Event::Seen(generation, piece(1 << 30, &seconds(190..200))));
    bench.keys("ctrl-w k : a t space 0 3 : 0 6 : 0 0 enter");
    let starts: Vec<Start> = bench.starts();
    // A minute before what is on the screen.
    let beside = starts.iter().find_map(|start| match start {
        Start::Time(at) => Some(*at),
        _ => None,
    });
    let at = beside.unwrap_or_else(|| panic!("{starts:?}"));
    assert!((THEN + 55_000..THEN + 75_000).contains(&at), "{at}");
}

#[test]
fn merged_outputs_are_read_above_and_below_what_was_read() {
    let mut bench = at_tails();
    bench.event(Event::Tick(THEN + 600_000));
    bench.state.size = (80, 12);
    let (first, second) = (
        log_of(&bench, "t0a", Stream::Stdout),
        log_of(&bench, "t1a", Stream::Stdout),
    );
    // One began within what was read; of the other a part is missing before 03:05:00.
    bench.event(Event::Seen(first, piece(0, &seconds(0..90))));
    bench.event(Event::Seen(
        second,
        piece(5 << 20, &format!("cut off\n{}", seconds(60..90))),
    ));
    // Its rest of a line is not taken for one of now.
    assert_eq!(last_of(&panes(&bench)[0]), "1/stdout 03:05:29 x");
    for _ in 0..30 {
        bench.keys("pageup");
    }
    let mut starts = bench.starts();
    starts.sort();
    starts.dedup();
    assert_eq!(
        starts,
        [Start::At(4 << 20), Start::Before(THEN - 5_000 + 60_000)]
    );
    let (first, second) = (
        log_of(&bench, "t0a", Stream::Stdout),
        log_of(&bench, "t1a", Stream::Stdout),
    );
    bench.event(Event::Seen(first, piece(0, &seconds(0..60))));
    bench.event(Event::Seen(first, Seen::Rest(330)));
    bench.event(Event::Seen(second, piece(4 << 20, &seconds(30..60))));
    bench.event(Event::Seen(second, Seen::Rest(1 << 20)));
    let pane = &panes(&bench)[0];
    assert!(
        texts(pane).contains(&"1/stdout 03:04:59 x".to_owned()),
        "{:?}",
        texts(pane)
    );
    assert!(
        pane.remarks.contains("4.0 MiB before this not read"),
        "{}",
        pane.remarks
    );
    // And below again.
    for _ in 0..30 {
        bench.keys("pagedown");
    }
    let mut starts = bench.starts();
    starts.sort();
    starts.dedup();
    assert!(starts.contains(&Start::At((4 << 20) + 330)), "{starts:?}");
}
