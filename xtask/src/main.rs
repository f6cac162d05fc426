//! The tasks of this workspace: `cargo xtask`.

fn main() {}
