//! aurora-mesos-agent

fn main() {}
