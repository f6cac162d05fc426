//! `aurora`: works with jobs of an Aurora cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let code = aurora_cli::run(arguments);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
