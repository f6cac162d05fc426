//! aurora-tui

fn main() {}
