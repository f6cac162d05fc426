//! aurora

fn main() {}
