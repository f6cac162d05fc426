//! V2: frames of tables of many rows.

use std::time::Instant;

use aurora_tui_model::event::Event;

use super::{Bench, NOW, job};
use crate::measure::{Figure, Suite};

/// What is done before each frame, by its turn.
type Step = fn(usize) -> Event;

const STEPS: &[(&str, usize, Step)] = &[
    ("a line down", 1_000, |_| Event::Run("down".to_owned())),
    ("a page down", 400, |_| Event::Run("page-down".to_owned())),
    ("to the end and back", 400, |turn| {
        let way = if turn.is_multiple_of(2) {
            "last"
        } else {
            "first"
        };
        Event::Run(way.to_owned())
    }),
    ("a second later", 400, |turn| {
        Event::Tick(NOW + i64::try_from(turn).unwrap_or(0) * 1000)
    }),
    ("another order", 20, |_| Event::Run("reverse".to_owned())),
    ("a letter of a filter", 20, |turn| {
        Event::Run(format!("filter job-{}", turn % 10))
    }),
    ("one job changed", 20, |turn| {
        Event::Feed(NOW, job(0, u32::try_from(turn).unwrap_or(0)))
    }),
];

/// A sample is our own time for a key and its frame. Where rows have to be fetched, their arrival and its frame are a
/// sample of their own.
pub(crate) fn frames(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, samples, step) in STEPS {
        for rows in suite.sizes(&[1_000, 10_000, 100_000, 1_000_000]) {
            let mut bench = Bench::new(*rows, 0);
            bench.draw();
            let mut figure =
                Figure::new("V2", format!("{what}, of {rows} rows"), "frame").sized(*rows);
            for turn in 1..=suite.samples(*samples) {
                let event = step(turn);
                let start = Instant::now();
                bench.take(event);
                bench.draw();
                figure.sample(start.elapsed(), 1);
                let start = Instant::now();
                if bench.serve() {
                    bench.draw();
                    figure.sample(start.elapsed(), 1);
                }
            }
            figures.push(figure);
        }
    }
    figures
}
