//! Benchmarks of the scheduler's core and of the workbench on one thread, in memory: no log, no sockets, no terminal.
//!
//! `cargo xtask bench` runs all of them, prints a table and writes a JSON line for each to `docs/figures/`. `--smoke` runs
//! the smallest sizes alone, `--size=N` one; a word runs the benchmark of that id, or those whose ids begin with it.
//!
//! S, ST and T have the shapes of Apache Aurora's own suite (aurora: `src/jmh/java/org/apache/aurora/benchmark`). What its
//! authors published was measured on machines of theirs, so it stands in a column of its own and nothing is divided by it.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::process::ExitCode;

mod answers;
mod cluster;
mod constraints;
mod drains;
mod fixtures;
mod measure;
mod memory;
mod placement;
mod quality;
mod snapshots;
mod states;
mod tables;
mod updates;
mod workbench;

use measure::{Figure, Suite};

/// Measures what belongs to one id.
type Group = fn(&Suite) -> Vec<Figure>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The memory of a million tasks is measured by a process that has done nothing else.
    if let [word, tasks] = arguments.as_slice()
        && word == memory::CHILD
    {
        return memory::child(tasks);
    }
    if let [word, sizes] = arguments.as_slice()
        && word == workbench::CHILD
    {
        return workbench::child(sizes);
    }
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let wanted = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let size = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--size=")?.parse().ok());
    let suite = Suite {
        smoke,
        wanted: wanted.cloned().unwrap_or_default(),
        size,
    };
    let groups: [(&str, Group); 37] = [
        ("S1", placement::fill),
        ("S2", placement::insufficient),
        ("S3", placement::value_mismatch),
        ("S4", placement::limit_mismatch),
        ("S5", placement::full),
        ("S6", placement::slot_search),
        ("S7", placement::offers),
        ("S8", constraints::kinds),
        ("S9", quality::fill),
        ("S10", quality::ablations),
        ("ST1", states::insert),
        ("ST2", states::delete),
        ("ST3", states::statuses),
        ("ST4", states::churn),
        ("T1", tables::fetch_all),
        ("T2", tables::one_instance),
        ("T3", tables::shapes),
        ("SN1", snapshots::restore),
        ("SN2", snapshots::take),
        ("U1", updates::events),
        ("U2", updates::overrides),
        ("U3", updates::metadata),
        ("U4", updates::whole),
        ("U5", updates::differences),
        ("A1", answers::roles),
        ("A2", answers::all_tasks),
        ("C12", drains::rolling),
        ("M1", memory::per_task),
        ("V1", workbench::load),
        ("V1", workbench::polled),
        ("V2", workbench::frames),
        ("V3", workbench::changes),
        ("V4", workbench::logs),
        ("V5", workbench::soak),
        ("V6", workbench::idle),
        ("V7", workbench::start),
        ("V8", workbench::storm),
    ];
    let is_id = groups.iter().any(|(id, _)| *id == suite.wanted);
    let is_wanted = |id: &str| id == suite.wanted || !is_id && id.starts_with(&suite.wanted);
    println!("{}", measure::header());
    let mut figures = Vec::new();
    for (id, group) in groups {
        if is_wanted(id) {
            let measured = group(&suite);
            for figure in &measured {
                println!("{}", figure.row());
            }
            if let Some(exponent) = measure::exponent(&measured) {
                println!("{id:<5} exponent of time per item against size: {exponent:.2}");
            }
            figures.extend(measured);
        }
    }
    match measure::write(&suite, &figures) {
        Ok(path) => {
            println!("written to {path}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("cannot write the figures: {error}");
            ExitCode::FAILURE
        }
    }
}
