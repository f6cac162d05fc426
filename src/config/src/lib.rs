//! Evaluates `.aurora` job files.
pub mod python;
