//! Job files: loading one job (aurora: `cli/context.py`), `aurora config …` (aurora: `cli/config.py`).

pub(crate) mod check;
pub(crate) mod list;
mod load;
