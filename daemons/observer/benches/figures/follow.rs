//! O4: followers of a growing log.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aurora_tests::figures::{Figures, processor_seconds, rounded};
use aurora_thermos::procs;
use serde_json::{Value, json};

use crate::machine::{Machine, Watched, get};
use crate::number;

/// How much a follower asks for.
const PIECE: usize = 1 << 20;
/// How long one waits that has seen everything.
const PAUSE: Duration = Duration::from_millis(100);

/// What the log's writer has done: how long the log was, and when.
type Written = Mutex<Vec<(usize, Instant)>>;

pub(crate) fn followers(figures: &mut Figures, program: &Path) {
    let time = Duration::from_secs(if figures.smoke { 1 } else { 6 });
    for &rate in figures.sizes(&[1, 10, 100]) {
        for &count in figures.sizes(&[1, 10, 100]) {
            let machine = Machine::new(1, 1);
            let observer = Watched::start(program, machine.root());
            observer.get("/j/task_id_count", "");
            let path = format!("/logdata/{}/p0/0/stdout", machine.id(0));
            fs::write(machine.log(0), "").unwrap();
            let (written, over) = (Written::default(), AtomicBool::new(false));
            let before = processor_seconds(observer.pid());
            let seen: Vec<(usize, Vec<f64>)> = thread::scope(|scope| {
                let following: Vec<_> = (0..count)
                    .map(|_| scope.spawn(|| follow(&observer.address, &path, &written, &over)))
                    .collect();
                grow(&machine.log(0), rate, time, &written);
                over.store(true, Ordering::Relaxed);
                following
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            let used = processor_seconds(observer.pid()) - before;
            let bytes: usize = seen.iter().map(|(bytes, _)| bytes).sum();
            let mut lags: Vec<f64> = seen.into_iter().flat_map(|(_, lags)| lags).collect();
            lags.sort_by(f64::total_cmp);
            let p99 = lags.get(lags.len() * 99 / 100).copied().unwrap_or(f64::NAN);
            figures.line(&json!({
                "id": "O4", "input": format!("{count} followers of a log that grows by {rate} MB/s"),
                "delivered_mb_per_second": rounded(bytes as f64 / 1e6 / time.as_secs_f64()),
                "grown_mb": rounded(written.lock().unwrap().last().unwrap().0 as f64 / 1e6),
                "lag_p99_ms": rounded(p99),
                "percent_of_a_core_per_follower": rounded(used / time.as_secs_f64() / count as f64 * 100.0),
            }));
        }
    }
}

/// Lets the log grow, twenty times a second.
fn grow(log: &Path, rate: usize, time: Duration, written: &Written) {
    let mut file = fs::File::options().append(true).open(log).unwrap();
    let text = format!("{}\n", "x".repeat(99)).repeat(rate * 1_000_000 / 100 / 20);
    let (begin, mut length) = (Instant::now(), 0);
    for step in 1..=time.as_millis() / 50 {
        file.write_all(text.as_bytes()).unwrap();
        length += text.len();
        written.lock().unwrap().push((length, Instant::now()));
        let due = begin + Duration::from_millis(50) * u32::try_from(step).unwrap();
        procs::pause(due.saturating_duration_since(Instant::now()));
    }
}

/// Reads what is new, until the log grows no more: bytes, and by how many milliseconds each piece came late.
fn follow(address: &str, path: &str, written: &Written, over: &AtomicBool) -> (usize, Vec<f64>) {
    let (mut offset, mut lags) = (0, Vec::new());
    while !over.load(Ordering::Relaxed) {
        let answer = get(
            address,
            &format!("{path}?offset={offset}&length={PIECE}"),
            "",
        );
        let piece: Value = serde_json::from_slice(&answer.body).unwrap();
        let length = number(&piece, "length") as usize;
        if length > 0 {
            // When its first byte was written.
            let written = written.lock().unwrap();
            let at = written.partition_point(|(end, _)| *end <= offset);
            if let Some((_, when)) = written.get(at) {
                lags.push(when.elapsed().as_secs_f64() * 1000.0);
            }
            offset += length;
        }
        if length < PIECE {
            procs::pause(PAUSE);
        }
    }
    (offset, lags)
}
