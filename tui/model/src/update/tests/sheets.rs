//! Configurations as texts, and how they differ.

use super::*;
use crate::screen::TextView;
use crate::told::Section;

fn section(title: &str, lines: &[&str]) -> Section {
    Section {
        title: title.to_owned(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn here(bench: &Bench) -> String {
    let link = bench.state.link_here().to_string();
    link.trim_start_matches("aurora://dev/").to_owned()
}

fn pane(bench: &Bench) -> TextView {
    match screen(&bench.state).body {
        Body::Text(mut panes) => panes.remove(0),
        other => panic!("not a text: {other:?}"),
    }
}

fn texts(bench: &Bench) -> Vec<String> {
    let lines = pane(bench).lines.into_iter();
    lines.map(|(line, _)| line.text()).collect()
}

fn tell(bench: &mut Bench, sections: Vec<Section>) {
    bench.answer(
        |question| matches!(question, Question::Config(..) | Question::Diff(..)),
        Answer::Sheet(sections),
    );
}

#[test]
fn a_configuration_is_read_searched_and_taken_elsewhere() {
    let mut bench = Bench::with_jobs();
    // Of a job, from the list of jobs; of the selected instance's task.
    bench.keys("c");
    assert_eq!(here(&bench), "config/w/devel/hello");
    bench.keys("esc enter");
    bench.hello_tasks();
    bench.keys("j c");
    assert_eq!(here(&bench), "config/w/devel/hello/t1a");
    assert!(pane(&bench).empty.contains("the configuration"));
    let many: Vec<String> = (0..60).map(|at| format!("  \"m{at}\": {at},")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    tell(&mut bench, vec![section("instance 1, task t1a", &many)]);
    // From the beginning, and the names of members have a colour.
    assert_eq!(
        texts(&bench)[..2],
        ["# instance 1, task t1a", "  \"m0\": 0,"]
    );
    let first = pane(&bench).lines[1].0.clone();
    assert_eq!(first.spans[0].text, "  \"m0\"");
    assert!(first.spans[0].sgr.color.is_some() && first.spans[1].sgr.color.is_none());
    assert_eq!(pane(&bench).remarks, "61 lines");
    // A search leads to the first match; what is around it stays.
    bench.keys("/ m 4 enter");
    assert!(texts(&bench).contains(&"  \"m4\": 4,".to_owned()));
    bench.keys("/ 1 enter");
    assert!(
        texts(&bench).contains(&"  \"m41\": 41,".to_owned()),
        "{:?}",
        texts(&bench)
    );
    assert!(texts(&bench).contains(&"  \"m40\": 40,".to_owned()));
    assert_eq!(pane(&bench).remarks, "61 lines, 1 match");
    // An answer that changed keeps the place.
    let before = texts(&bench);
    let mut more = many.clone();
    more.push("  \"new\": true");
    tell(&mut bench, vec![section("instance 1, task t1a", &more)]);
    assert_eq!(texts(&bench), before);
    bench.event(Event::Run("save /tmp/x".to_owned()));
    let saved = bench.effects.iter().find_map(|effect| match effect {
        Effect::Save { text, .. } => Some(text.lines().count()),
        _ => None,
    });
    assert_eq!(saved, Some(62));
    bench.event(Event::Run("since 10m".to_owned()));
    assert!(bench.bottom().contains("have times"), "{}", bench.bottom());
    // What is shown is of now, so it is not shown as of then.
    bench.event(Event::Tick(NOW + 60_000));
    bench.keys("<");
    assert_eq!(texts(&bench), [""; 0]);
    assert!(pane(&bench).empty.contains("not recorded"));
}

#[test]
fn differences_are_of_a_job_or_of_an_update() {
    let mut bench = fleet::cluster(2);
    bench.keys("D");
    assert_eq!(here(&bench), "diff/w/devel/hello");
    let lines = [" a", "-b", "+c"];
    tell(
        &mut bench,
        vec![section("- instances 0-1, + instance 2", &lines)],
    );
    let colors: Vec<Option<u8>> = pane(&bench)
        .lines
        .iter()
        .map(|(line, _)| line.spans[0].sgr.color)
        .collect();
    assert_eq!(colors, [None, None, Some(1), Some(2)]);
    bench.keys("g u");
    let rolling = aurora_api::model::JobUpdateStatus::RollingForward;
    let updates = || whole("updates", vec![fleet::an_update(rolling)]);
    bench.feed_all(updates());
    bench.keys("D");
    assert_eq!(here(&bench), "diff/w/devel/hello/u1");
    bench.keys("esc");
    bench.feed_all(updates());
    bench.keys("enter D");
    assert_eq!(here(&bench), "diff/w/devel/hello/u1");
    bench.keys("esc");
    assert_eq!(here(&bench), "update/w/devel/hello/u1");
    bench.event(Event::Run("diff w/devel/hello u7".to_owned()));
    assert_eq!(here(&bench), "diff/w/devel/hello/u7");
}
