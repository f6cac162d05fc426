//! Pystachio's types, scopes and templates in plain Rust.
//!
//! A job description is made of typed values whose texts may hold references (`{{mesos.instance}}`), and every value carries
//! the scopes in which its references are looked up. This crate is that machinery, with upstream's semantics and messages
//! (PyPI `pystachio` 0.8.10), and [`schema`]: Aurora's job schema over it.
//!
//! Start with [`text`] to fill references in a text, with [`Value`] for typed values. The crate knows nothing of Python
//! (texts are merely rendered as Python would), of files, of Thrift or of clocks.

mod environment;
mod error;
mod json;
mod mustache;
mod number;
mod pytext;
mod raw;
mod reference;
pub mod schema;
pub mod text;
mod types;
mod value;

pub use environment::Environment;
pub use error::{Error, ErrorKind};
pub use json::{KeyOrder, from_json, json_text, to_json};
pub use number::Int;
pub use pytext::{float_text, quote};
pub use raw::{Foreign, Raw};
pub use reference::{Component, Ref};
pub use types::{Field, StructType, Type, TypeKind};
pub use value::{Check, Finding, Origin, Value, Way};
