//! Shows what runs on one machine: tasks from their checkpoint streams, processes from `/proc`, files from sandboxes.
//!
//! It only reads. [`registry`] finds tasks and replays their streams; the kernel tells it what has changed, so that it looks
//! at nothing else. [`sample`] measures processes; [`sandbox`] opens files that lie inside a sandbox and nothing else;
//! [`routes`] answers, as JSON and as pages
//! (aurora: `src/main/python/apache/aurora/tools/thermos_observer.py` and `src/main/python/apache/thermos/observer`).

mod files;
mod html;
mod pages;
pub mod registry;
pub mod routes;
pub mod sample;
pub mod sandbox;
mod tasks;
mod vars;
mod watches;
