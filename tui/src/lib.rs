//! The terminal workbench: `aurora-tui`.
//!
//! What is shown and how keys change it is in `aurora-tui-model`; here are the terminal ([`terminal`], [`paint`],
//! [`output`]), the data layer ([`data`], [`cluster`]), flags and start ([`args`], [`run`]), and the ways without a screen
//! ([`headless`]). The workbench is never the parent of a cluster: it attaches to one.

mod about;
mod app;
mod args;
mod clipboard;
mod cluster;
mod config;
mod crew;
mod data;
mod examples;
mod follow;
mod frames;
mod headless;
mod keeper;
mod keys;
mod listing;
mod manual;
mod observe;
mod open;
mod output;
mod paint;
mod picture;
mod plain;
mod poll;
mod recorder;
mod replay;
mod replies;
mod run;
mod shell;
mod synchronised;
mod tape;
mod terminal;
mod tools;

pub use frames::Frames;
pub use run::run;

/// What requests to schedulers and observers show.
pub(crate) const USER_AGENT: &str = concat!("aurora-tui/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
