//! `aurora-tui`: the terminal workbench.

fn main() -> std::process::ExitCode {
    aurora_tui::run()
}
