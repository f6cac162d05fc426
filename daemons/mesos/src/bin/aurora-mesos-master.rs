//! `aurora-mesos-master`: the embedded cluster's master.

use anyhow::Context as _;
use aurora_mesosd::master::{MasterFlags, run};
use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    let flags = MasterFlags::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(run(flags))
}
