//! Evaluates `.aurora` job files: Python in, Aurora's types out.
//!
//! The library of one small program, `aurora-eval`, which whoever needs a job file evaluated runs as a limited child; nothing
//! else links it, so that Python is in no client and no daemon. Start with [`evaluate()`]; [`python`] owns the interpreter,
//! the `pystachio` crate the semantics. Nothing here talks to a network or a scheduler: tiers come with the request.

mod convert;
mod evaluate;
mod fault;
mod file;
mod images;
mod job;
mod json_place;
pub mod limits;
mod near;
mod plan;
mod ports;
pub mod python;
mod select;
mod tiers;
mod update;
mod validate;

pub use evaluate::evaluate;
