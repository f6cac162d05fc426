//! Whole job files in Python, one after the other in one interpreter.
//!
//! What would touch this machine, or merely take all time or memory, is left out: the limits against that are those of
//! `aurora-eval`'s process, and its tests meet them.
#![no_main]

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

use aurora_config::python::{Program, Sources, with_interpreter};
use libfuzzer_sys::fuzz_target;

const LEFT_OUT: &[&str] = &[
    "import",
    "open",
    "exec",
    "eval",
    "compile",
    "input",
    "exit",
    "quit",
    "help",
    "include",
    "breakpoint",
    "__",
    "while",
    "**",
    "<<",
    "range",
    "iter",
];

/// Files go in; whether each was evaluated comes out.
struct Worker {
    files: SyncSender<String>,
    done: Mutex<Receiver<bool>>,
}

fn worker() -> &'static Worker {
    static WORKER: OnceLock<Worker> = OnceLock::new();
    WORKER.get_or_init(|| {
        let (files, next) = sync_channel::<String>(1);
        let (outcome, done) = sync_channel(1);
        std::thread::spawn(move || {
            with_interpreter(move |python| {
                while let Ok(source) = next.recv() {
                    let loaded = python.load(&Program {
                        path: "fuzz.aurora",
                        source: &source,
                        sources: Sources::Nothing,
                        exports: false,
                    });
                    for job in loaded
                        .iter()
                        .flat_map(|loaded| loaded.jobs.iter().flatten())
                    {
                        if let aurora_config::python::Global::Value(job) = job {
                            job.findings(10);
                        }
                    }
                    if outcome.send(loaded.is_ok()).is_err() {
                        return;
                    }
                }
            })
        });
        Worker {
            files,
            done: Mutex::new(done),
        }
    })
}

fn is_harmless(source: &str) -> bool {
    let many_digits = source
        .as_bytes()
        .windows(5)
        .any(|window| window.iter().all(u8::is_ascii_digit));
    !many_digits
        && source.matches('*').count() < 3
        && source.matches("for").count() < 3
        && !LEFT_OUT.iter().any(|word| source.contains(word))
}

fuzz_target!(|source: &str| {
    if is_harmless(source) {
        let worker = worker();
        worker
            .files
            .send(source.to_owned())
            .expect("the interpreter lives");
        let done = worker.done.lock().expect("one file at a time");
        done.recv().expect("the interpreter answers");
    }
});
