//! aurora-scheduler

fn main() {}
