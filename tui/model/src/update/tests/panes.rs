//! Getting around: back and forth, ranges, related objects, panes, tabs, layouts, bookmarks.

use super::*;
use crate::event::Keepsake;
use crate::layout::{BUILT_IN, Saved};
use crate::place::Link;

/// Where the pane with the keys is, and what is selected in it.
fn here(bench: &Bench) -> String {
    let place = bench.state.link_here().to_string();
    place.trim_start_matches("aurora://dev/").to_owned()
}

/// All panes of the tab on the screen, as they are drawn: title, and `>` before the one with the keys.
fn drawn(bench: &Bench) -> Vec<String> {
    let panes = screen(&bench.state).panes;
    let panes = panes.into_iter().map(|pane| {
        let sign = if pane.focused { ">" } else { "" };
        format!("{sign}{}", pane.title.0)
    });
    panes.collect()
}

fn run(bench: &mut Bench, lines: &str) {
    bench.event(Event::Run(lines.to_owned()));
}

#[test]
fn back_and_forth() {
    for (keys, place) in [
        ("enter [", "jobs"),
        ("enter [ ]", "instances/w/devel/hello"),
        ("enter esc ]", "instances/w/devel/hello"),
        ("g h g q [ [ ] ]", "quotas"),
        // A new way forgets the old one.
        ("g h [ g q ]", "quotas"),
        ("]", "jobs"),
    ] {
        let mut bench = Bench::with_jobs();
        bench.keys(keys);
        assert_eq!(here(&bench), place, "{keys}");
    }
}

#[test]
fn ranges_of_marks() {
    for (keys, marked) in [
        ("V G V", vec!["0", "1", "2"]),
        ("space V", vec!["0", "1"]),
        ("G V k V", vec!["1", "2"]),
        ("V G V U", vec![]),
    ] {
        let mut bench = Bench::with_jobs();
        bench.keys("enter");
        bench.hello_tasks();
        bench.keys(keys);
        let marks: Vec<&str> = bench.state.view.marks.iter().map(String::as_str).collect();
        assert_eq!(marks, marked, "{keys}");
    }
}

#[test]
fn anything_is_found_by_its_name_and_leads_to_what_belongs_to_it() {
    let mut bench = Bench::with_jobs();
    run(&mut bench, "find wph kind=job");
    assert_eq!(crate::views::table(&bench.state).unwrap().rows.len(), 0);
    run(&mut bench, "find web kind=job");
    bench.keys("enter");
    assert_eq!(here(&bench), "instances/w/prod/web");
    bench.keys("g o");
    assert_eq!(here(&bench), "related/job/w/prod/web");
    let rows = |bench: &Bench| -> Vec<String> {
        let table = crate::views::table(&bench.state).unwrap();
        table
            .rows
            .iter()
            .map(|row| row.cells[0].text.clone())
            .collect()
    };
    assert_eq!(
        rows(&bench),
        ["job", "timeline", "config", "role", "journal"]
    );
    bench.keys("j j j enter");
    assert_eq!(here(&bench), "related/role/w");
    bench.keys("enter");
    assert_eq!(here(&bench), "jobs?filter=%40role%3Dw");
    run(&mut bench, "instances w/devel/hello");
    bench.hello_tasks();
    bench.keys("G g o");
    assert_eq!(here(&bench), "related/task/w/devel/hello/t2a");
    assert!(
        rows(&bench).contains(&"logs".to_owned()),
        "{:?}",
        rows(&bench)
    );
    assert!(
        rows(&bench).contains(&"host".to_owned()),
        "{:?}",
        rows(&bench)
    );
    run(&mut bench, "related moon x");
    assert!(
        bench.bottom().contains("kinds are job, role, host, task"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn panes_are_split_focused_and_closed() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Resize(120, 40));
    assert_eq!(drawn(&bench), [""; 0]);
    bench.keys("ctrl-w v");
    assert_eq!(drawn(&bench), ["jobs", ">jobs"]);
    bench.keys("g h");
    assert_eq!(drawn(&bench), ["jobs", ">hosts"]);
    bench.keys("ctrl-w s g q ctrl-w h");
    assert_eq!(drawn(&bench), [">jobs", "hosts", "quotas"]);
    // Each pane has its own way back.
    bench.keys("enter ctrl-w l ctrl-w j esc");
    assert_eq!(drawn(&bench), ["jobs > w/devel/hello", "hosts", ">hosts"]);
    bench.keys("ctrl-w z");
    assert_eq!(drawn(&bench), [""; 0]);
    bench.keys("ctrl-w z ctrl-w c");
    assert_eq!(drawn(&bench), ["jobs > w/devel/hello", ">hosts"]);
    // q closes panes before it ends the workbench.
    bench.keys("q");
    assert_eq!(here(&bench), "instances/w/devel/hello");
    assert!(
        !bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Quit { .. }))
    );
    bench.keys("ctrl-w c");
    assert_eq!(bench.bottom(), "this is the last pane");
    bench.keys("q");
    assert!(
        bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Quit { .. }))
    );
}

#[test]
fn every_pane_on_the_screen_is_followed_and_told() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Resize(120, 40));
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("ctrl-w v");
    run(&mut bench, "task w/devel/hello/0");
    bench.keys("ctrl-w s");
    run(&mut bench, "task w/devel/hello/1");
    bench.keys("ctrl-w h");
    let topics = bench
        .state
        .topics
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>();
    assert_eq!(topics, ["job/w/devel/hello", "summary"]);
    let of = |bench: &Bench, task: &str| {
        let mut watches = bench.state.watches.iter();
        let found = watches.find(|(_, watch)| watch.task == task && watch.what == WatchWhat::Task);
        *found.unwrap().0
    };
    let generation = of(&bench, "t1a");
    let process = Process {
        name: "second".to_owned(),
        ..Process::default()
    };
    let info = TaskInfo {
        processes: vec![process],
        ..TaskInfo::default()
    };
    bench.event(Event::Seen(generation, Seen::Task(info)));
    assert_eq!(here(&bench), "instances/w/devel/hello");
    assert!(bench.state.view.task.is_none());
    bench.keys("ctrl-w l ctrl-w j");
    let told = bench.state.view.task.as_ref().unwrap();
    assert_eq!(told.processes[0].name, "second");
    // What is no longer on the screen is no longer watched.
    bench.keys("ctrl-w z");
    assert!(
        bench
            .state
            .watches
            .values()
            .all(|watch| watch.task == "t1a")
    );
    run(&mut bench, "tab-new; hosts");
    assert!(bench.state.watches.is_empty(), "{:?}", bench.state.watches);
    assert_eq!(bench.state.topics.len(), 1);
    run(&mut bench, "tab-previous");
    assert_eq!(here(&bench), "task/w/devel/hello/t1a");
    bench.hello_tasks();
    assert!(!bench.state.watches.is_empty());
}

#[test]
fn pinned_panes_stay_and_linked_ones_follow() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Resize(120, 40));
    bench.keys("ctrl-w b");
    assert_eq!(bench.bottom(), "there is no layout `browse`; there are ");
    bench.state.layouts = BUILT_IN
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    bench.keys("ctrl-w b");
    assert_eq!(drawn(&bench), [">jobs", "linked: jobs > w/devel/hello"]);
    bench.keys("j");
    assert_eq!(drawn(&bench), [">jobs", "linked: jobs > w/prod/web"]);
    assert!(bench.state.topics.contains("job/w/prod/web"));
    // It may go further by itself until the selection leads elsewhere.
    bench.keys("ctrl-w l g h ctrl-w h");
    assert_eq!(drawn(&bench), [">jobs", "linked: hosts"]);
    bench.keys("k");
    assert_eq!(drawn(&bench), [">jobs", "linked: jobs > w/devel/hello"]);
    bench.keys("j");
    bench.keys("ctrl-w p ctrl-w l ctrl-w f");
    assert_eq!(drawn(&bench), ["pinned: jobs", ">jobs > w/prod/web"]);
    // What is opened from a pinned pane opens beside it.
    bench.keys("ctrl-w h g h");
    assert_eq!(drawn(&bench), ["pinned: jobs", ">hosts"]);
    bench.keys("ctrl-w h ctrl-w p g q");
    assert_eq!(drawn(&bench), [">quotas", "hosts"]);
}

#[test]
fn layouts_are_kept_and_laid_out_again() {
    for (name, text) in BUILT_IN {
        let saved = Saved::parse(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(
            Saved::parse(&saved.write().unwrap()).unwrap(),
            saved,
            "{name}"
        );
        let mut bench = Bench::with_jobs();
        bench.event(Event::Resize(120, 40));
        bench
            .state
            .layouts
            .insert((*name).to_owned(), (*text).to_owned());
        run(&mut bench, &format!("layout {name}"));
        assert!(
            !bench.bottom().contains("there is"),
            "{name}: {}",
            bench.bottom()
        );
        run(&mut bench, "layout-save again");
        let kept = bench.effects.iter().find_map(|effect| match effect {
            Effect::Keep(Keepsake::Layout(_, text)) => Some(text.clone()),
            _ => None,
        });
        let again = Saved::parse(&kept.unwrap()).unwrap();
        if *name != "browse" {
            assert_eq!(again, saved, "{name}");
        }
    }
    for (text, fault) in [
        ("", "missing field `tab`"),
        ("tab = []", "at least one"),
        ("[[tab]]\nopen = \"moon\"", "there is no view `moon`"),
        ("[[tab]]\nopne = \"jobs\"", "did not match"),
    ] {
        let mut bench = Bench::with_jobs();
        bench.state.layouts.insert("x".to_owned(), text.to_owned());
        run(&mut bench, "layout x");
        assert!(bench.bottom().contains(fault), "{text}: {}", bench.bottom());
        assert_eq!(here(&bench), "jobs");
    }
}

#[test]
fn bookmarks_lead_back() {
    let mut bench = Bench::with_jobs();
    run(
        &mut bench,
        "jobs prod sort=-active; bookmark busy; hosts; bookmarks",
    );
    assert_eq!(here(&bench), "bookmarks");
    bench.keys("enter");
    assert_eq!(here(&bench), "jobs?filter=prod&sort=-active");
    run(&mut bench, "bookmarks; forget");
    assert!(bench.state.bookmarks.is_empty());
    let kept = bench
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Keep(_)));
    assert_eq!(kept.count(), 2);
}

#[test]
fn a_link_brings_back_all_tabs_and_panes() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Resize(120, 40));
    run(&mut bench, "jobs hello sort=-changed");
    bench.keys("ctrl-w v");
    run(&mut bench, "quotas; pin");
    bench.keys("ctrl-w s");
    run(&mut bench, "journal");
    bench.keys("ctrl-w t");
    run(&mut bench, "hosts h1; together");
    bench.keys("ctrl-w N ctrl-w h");
    bench.keys("y s");
    let link = match bench.effects.last() {
        Some(Effect::Copy(link)) => link.clone(),
        other => panic!("{other:?}"),
    };
    let parsed: Link = link.parse().unwrap();
    assert_eq!(parsed.to_string(), link);
    // A bookmark holds the same.
    run(&mut bench, "bookmark all");
    assert_eq!(bench.state.bookmarks["all"], link);
    let all = |bench: &Bench| {
        let frames = bench.state.layout.frames.values();
        let mut places: Vec<String> = frames
            .map(|frame| {
                let parked = frame.parked.as_ref();
                let view = parked.map_or(&bench.state.view, |parked| &parked.view);
                format!("{} {}", bench.state.link_of(view), frame.pinned)
            })
            .collect();
        places.sort();
        (places, bench.state.layout.together)
    };
    let before = all(&bench);
    assert_eq!(before.0.len(), 4);
    let mut other = Bench::with_jobs();
    other.event(Event::Resize(120, 40));
    run(&mut other, &format!("open {link}"));
    assert_eq!(all(&other), before);
    assert_eq!(other.state.layout.tabs.len(), 2);
    assert_eq!(
        other.state.link_here().to_string(),
        "aurora://dev/jobs?filter=hello&sort=-changed"
    );
    // What is no layout is told, and changes nothing.
    run(&mut other, "open aurora://dev/jobs?layout=%7B%7D");
    assert!(
        other.bottom().contains("the link's layout"),
        "{}",
        other.bottom()
    );
    assert_eq!(all(&other), before);
    // A single pane needs none.
    let mut single = Bench::with_jobs();
    single.keys("y s");
    assert!(
        matches!(single.effects.last(), Some(Effect::Copy(link)) if link == "aurora://dev/jobs")
    );
}
