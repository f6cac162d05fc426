//! V6 and V8: nothing happens, and everything at once.

use std::time::{Duration, Instant};

use aurora_api::feed::{Heartbeat, Line};
use aurora_tui_model::event::Event;
use aurora_tui_model::key::{Code, Key};
use aurora_tui_model::screen;

use super::{Bench, NOW, seq};
use crate::measure::{Figure, Suite};

/// V6: ten virtual minutes without a change: signs of life, and what the screen wakes up for by itself.
pub(crate) fn idle(suite: &Suite) -> Vec<Figure> {
    const MINUTES: i64 = 10;
    let mut figures = Vec::new();
    for jobs in suite.sizes(&[1_000, 1_000_000]) {
        let mut bench = Bench::new(*jobs, 0);
        bench.draw();
        let (mut now, mut heard) = (NOW, NOW);
        let (mut wakes, mut written, mut busy) = (0, 0, Duration::ZERO);
        while now < NOW + MINUTES * 60_000 {
            let due = now + screen::due_ms(&bench.state, &screen::screen(&bench.state));
            let start = Instant::now();
            now = due.min(heard + 5_000);
            if now == heard + 5_000 {
                heard = now;
                let beat = Heartbeat { seq: seq(2) };
                bench.take(Event::Feed(now, Line::Heartbeat(beat)));
            }
            bench.take(Event::Tick(now));
            written += bench.draw();
            busy += start.elapsed();
            wakes += 1;
        }
        let seconds = (MINUTES * 60) as f64;
        let figure = |what: &str, item| {
            Figure::new("V6", format!("10 idle minutes, {jobs} jobs, {what}"), item)
        };
        let mut took = figure("our own time", "second");
        took.sample(busy.div_f64(seconds), 1);
        figures.push(took);
        figures.push(
            figure("written", "10 minutes")
                .bytes(f64::from(u32::try_from(written).unwrap_or(u32::MAX))),
        );
        figures.push(figure("wake-ups", "second").counted(f64::from(wakes) / seconds));
    }
    figures
}

/// V8: a thousand keys and sixty sizes a second, thirty frames of them; then a megabyte from the clipboard.
pub(crate) fn storm(suite: &Suite) -> Vec<Figure> {
    const FRAMES: usize = 300;
    let mut figures = Vec::new();
    for jobs in suite.sizes(&[1_000, 1_000_000]) {
        let mut bench = Bench::new(*jobs, 0);
        bench.draw();
        let what = format!("1,000 keys and 60 sizes a second, {jobs} jobs");
        let mut figure = Figure::new("V8", what, "frame");
        for frame in 0..suite.samples(FRAMES) {
            let start = Instant::now();
            for key in 0..33 {
                // Two down and one up.
                let code = if key % 3 == 2 { Code::Up } else { Code::Down };
                bench.take(Event::Key(Key::plain(code)));
            }
            for size in [180, 200] {
                let columns = size + u16::try_from(frame % 7).unwrap_or(0);
                bench.take(Event::Resize(columns, 50));
            }
            bench.draw();
            figure.sample(start.elapsed(), 1);
            if bench.serve() {
                bench.draw();
            }
        }
        figures.push(figure);
    }
    let mut bench = Bench::new(1_000, 0);
    bench.take(Event::Key(Key::plain(Code::Char(':'))));
    let mut figure = Figure::new("V8", "a megabyte pasted into the prompt", "frame");
    let start = Instant::now();
    bench.take(Event::Paste("x".repeat(1 << 20)));
    bench.draw();
    figure.sample(start.elapsed(), 1);
    figures.push(figure);
    figures
}
