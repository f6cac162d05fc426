//! Pystachio's types, scopes and templates in plain Rust.
//!
//! A job description is made of typed values whose texts may hold references (`{{mesos.instance}}`), and every value carries
//! the scopes in which its references are looked up. This crate is that machinery, with upstream's semantics and messages
//! (PyPI `pystachio` 0.8.10).
//!
//! Start with [`text`] to fill references in a text. The crate knows nothing of Python
//! (texts are merely rendered as Python would), of files, of Thrift or of clocks.

mod error;
mod mustache;
mod reference;
pub mod text;

pub use error::{Error, ErrorKind};
pub use reference::{Component, Ref};
