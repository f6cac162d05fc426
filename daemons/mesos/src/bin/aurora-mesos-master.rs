//! aurora-mesos-master

fn main() {}
