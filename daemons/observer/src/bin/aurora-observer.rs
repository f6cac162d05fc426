//! aurora-observer

fn main() {}
