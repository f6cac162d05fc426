//! Job files: loading one job (aurora: `cli/context.py`), `aurora config …` (aurora: `cli/config.py`).

pub(crate) mod check;
mod diagnostics;
pub(crate) mod list;
mod load;

pub(crate) use load::LoadedJob;
