//! The workbench's model: what is known of a cluster, what is on the screen, and how events change it.
//!
//! Start with [`state::State`] and [`update::update`]: a plain function from an [`event::Event`] to [`event::Effect`]s,
//! without clocks, files, sockets or a terminal. What a view shows is data ([`screen::Screen`]), so that the terminal,
//! `--snapshot text` and `--snapshot json` draw from one source. Actions have names ([`command`]), which keys
//! ([`keymap`]), the prompt, `--exec` and tests share.

pub mod actions;
pub mod chart;
pub mod command;
pub mod desk;
pub mod diff;
pub mod event;
mod follow;
pub mod form;
mod found;
pub mod jobfile;
pub mod journal;
pub mod key;
pub mod keymap;
pub mod layout;
pub mod logs;
pub mod moment;
pub mod notify;
pub mod pages;
pub mod past;
pub mod place;
mod plan;
pub mod rounds;
pub mod rules;
pub mod screen;
pub mod state;
pub mod store;
pub mod table;
pub mod text;
pub mod theme;
pub mod told;
pub mod update;
mod views;

pub use aurora_filter as filter;
