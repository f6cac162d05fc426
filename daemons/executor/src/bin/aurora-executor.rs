//! See the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    aurora_executor::main(
        std::env::args_os()
            .skip(1)
            .map(|argument| argument.to_string_lossy().into_owned()),
    )
}
