//! `aurora_admin`: runs an Aurora cluster: quotas, hosts, tasks, backups.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let code = aurora_cli::run_admin(arguments);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
