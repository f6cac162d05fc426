//! aurora-executor

fn main() {}
