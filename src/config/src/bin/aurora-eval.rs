//! aurora-eval

fn main() {}
