//! V4: output of any size.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use aurora_tui_model::event::WINDOW;

use super::feed::{open_log, output};
use super::{Bench, resident};
use crate::measure::{Figure, Suite};

fn lines(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 128);
    let mut number = 0_u64;
    while out.len() < bytes {
        number += 1;
        out.extend_from_slice(
            format!("2026-01-02T03:04:05Z INFO request {number} was answered in 12 ms\n")
                .as_bytes(),
        );
    }
    out
}

fn with_log() -> Bench {
    let mut bench = Bench::new(100, 0);
    open_log(&mut bench);
    bench.draw();
    bench
}

pub(crate) fn logs(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    let sizes = suite.axis(&[
        ("1 kB", 1 << 10),
        ("1 GB", 1 << 30),
        ("10 GB", 10_u64 << 30),
    ]);
    for (what, size) in sizes {
        figures.push(open(suite, what, *size).unwrap_or_else(|error| {
            // A disk without room for the end of a sparse file.
            Figure::new("V4", format!("a log of {what}: {error}"), "opening")
        }));
    }
    let long = Figure::new("V4", "a line of 100,000 characters", "frame");
    figures.push(long.run(suite.samples(10), 1, with_log, |mut bench| {
        let line = format!("{}\n", "long ".repeat(20_000));
        output(&mut bench, 0, line.into_bytes());
        bench.draw();
    }));
    let full = lines(32 << 20);
    let search = Figure::new("V4", "a rare word in 32 MB that were read", "byte");
    let with_all = || {
        let mut bench = with_log();
        let mut at = 0;
        for piece in full.chunks(1 << 20) {
            at = output(&mut bench, at, piece.to_vec());
        }
        bench.draw();
        bench
    };
    figures.push(
        search.run(suite.samples(5), full.len(), with_all, |mut bench| {
            bench.run("filter zebra");
            bench.draw();
        }),
    );
    figures.extend(follow(suite));
    figures
}

/// What is behind the end of a file of this size is read, as an observer does, and shown.
fn open(suite: &Suite, what: &str, size: u64) -> std::io::Result<Figure> {
    let path = std::env::temp_dir().join(format!("aurora-benches-{}.log", std::process::id()));
    let mut file = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)?;
    // It has a descriptor and needs no name.
    std::fs::remove_file(&path)?;
    let end = lines(usize::try_from(size.min(WINDOW)).unwrap_or(0));
    let begin = size.saturating_sub(end.len() as u64);
    file.seek(SeekFrom::Start(begin))?;
    file.write_all(&end)?;
    let figure = Figure::new("V4", format!("a log of {what} is opened"), "opening");
    Ok(figure.run(suite.samples(20), 1, with_log, |mut bench| {
        let mut bytes = vec![0; end.len()];
        if file.read_exact_at(&mut bytes, begin).is_ok() {
            output(&mut bench, begin, bytes);
        }
        bench.draw();
    }))
}

/// Output that is added without end, thirty frames a second of it: how much could be taken in a second, and what is held.
fn follow(suite: &Suite) -> [Figure; 2] {
    const A_FRAME: usize = 200_000_000 / 30;
    const PIECE: usize = 64 << 10;
    let mut bench = with_log();
    let bytes = lines(A_FRAME);
    let (mut at, mut told) = (0, 0_u64);
    let what = "200 MB a second are followed, each frame's worth";
    let mut figure = Figure::new("V4", what, "byte");
    for _ in 0..suite.samples(60) {
        let start = Instant::now();
        for piece in bytes.chunks(PIECE) {
            at = output(&mut bench, at, piece.to_vec());
        }
        bench.draw();
        figure.sample(start.elapsed(), bytes.len());
        told += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    let known = bench
        .state
        .view
        .pane()
        .map_or(0, |pane| pane.buffer.finished());
    assert_eq!(known, told, "every line is held or counted as dropped");
    let held = Figure::new("V4", "resident after that", "process").bytes(resident("self"));
    [figure, held]
}
