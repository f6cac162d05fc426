//! Shows what runs on one machine: tasks from their checkpoint streams, processes from `/proc`, files from sandboxes.
//!
//! It only reads. [`registry`] finds tasks and replays their streams when somebody asks, so an idle observer does nothing;
//! [`sample`] measures processes; [`sandbox`] opens files that lie inside a sandbox and nothing else; [`routes`] answers
//! (aurora: `src/main/python/apache/aurora/tools/thermos_observer.py` and `src/main/python/apache/thermos/observer`).

pub mod registry;
pub mod routes;
pub mod sample;
pub mod sandbox;
