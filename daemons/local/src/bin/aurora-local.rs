//! aurora-local

fn main() {}
