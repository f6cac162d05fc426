//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// The terminal workbench for Aurora clusters.
///
/// Exit codes: 0 done; 1 a command or change failed or was refused; 2 wrong usage or configuration; 3 the cluster gave no
/// data in time; 4 a change was sent and its outcome is not (yet) known; 5 a terminal is needed and there is none.
#[derive(Debug, Parser)]
#[command(name = "aurora-tui", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The cluster: a name from clusters.json, or of a local cluster. Several make one workbench of all of them; the first one
    /// is on the screen.
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Vec<String>,
    /// State directory of the local cluster.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Start the local cluster, or attach to it when it runs; `--local stop` stops it.
    #[arg(long, value_name = "ACTION", num_args = 0..=1, default_missing_value = "start")]
    pub(crate) local: Option<Local>,
    /// With --local: run the cluster in the foreground, without a workbench.
    #[arg(long, requires = "local")]
    pub(crate) headless: bool,
    /// With --local: create the example jobs in a cluster that is started.
    #[arg(long, requires = "local")]
    pub(crate) demo: bool,
    /// Change nothing, whatever is typed.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Talk in lines instead of drawing on the terminal: for screen readers, poor links and terminals that cannot be drawn on.
    /// A line of standard input is a command.
    #[arg(long, conflicts_with_all = ["exec", "script", "snapshot", "follow", "record"])]
    pub(crate) plain: bool,
    /// Begin at an address, such as aurora://devcluster/instances/www-data/devel/hello.
    #[arg(long, value_name = "LINK")]
    pub(crate) open: Option<String>,
    /// Write one frame, or its data, to standard output and end.
    #[arg(long, value_name = "FORM")]
    pub(crate) snapshot: Option<Form>,
    /// Size of the frame; 120x40 when none is given, and text of a table has all rows then.
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(crate) size: Option<(u16, u16)>,
    /// Run commands without a screen, separated by `;`, and write what they show.
    #[arg(long, value_name = "COMMANDS")]
    pub(crate) exec: Option<String>,
    /// Run the commands of a file without a screen, a line each, up to the first that fails; `-` is standard input. With
    /// `--snapshot json` every command answers with a JSON object on a line of its own.
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub(crate) script: Option<PathBuf>,
    /// Go on without a screen: write each row that changes and each line of output, as JSON with `--snapshot json`.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Record what the cluster tells to a new file.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    /// Run on a recorded session instead of a cluster.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "state_dir"])]
    pub(crate) replay: Option<PathBuf>,
    /// With --replay: how many times as fast; 0 is all at once.
    #[arg(long, value_name = "FACTOR", requires = "replay", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// With --exec and --script: say yes to questions that take a key.
    #[arg(long)]
    pub(crate) yes: bool,
    /// With --exec and --script: the text to type into questions that take one.
    #[arg(long, value_name = "TEXT")]
    pub(crate) confirm: Option<String>,
    /// Without a screen: how long to wait for data, and for a change to be verified.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// Colour theme, shipped or from the configuration directory; default by terminal.
    #[arg(long, value_name = "NAME", env = "AURORA_TUI_THEME")]
    pub(crate) theme: Option<String>,
    /// How many colours; default by terminal and NO_COLOR.
    #[arg(long, value_name = "DEPTH", default_value = "auto")]
    pub(crate) color: Color,
    /// Characters for lines; default by locale.
    #[arg(long, value_name = "SET", default_value = "auto")]
    pub(crate) glyphs: Glyphs,
    /// Use this directory's key maps, themes and layouts instead of those of $XDG_CONFIG_HOME/aurora.
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
    /// Do not ask the terminal about itself; light and dark are by COLORFGBG then.
    #[arg(long)]
    pub(crate) no_query: bool,
    /// Use the mouse; `:mouse` turns it on and off.
    #[arg(long)]
    pub(crate) mouse: bool,
    /// Check the configuration and whether the clusters are described, and end; exit code 2 if there are faults.
    #[arg(long)]
    pub(crate) check: bool,
    /// Write what is in force (terminal, colours, theme, files, clusters) and end.
    #[arg(long)]
    pub(crate) info: bool,
    /// Write a log to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) tool: Option<Tool>,
}

/// What `--local` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Local {
    /// Start or attach.
    Start,
    /// Stop.
    Stop,
}

/// Forms of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The frame as text.
    Text,
    /// The frame with escape sequences for its colours.
    Ansi,
    /// The frame as a drawing.
    Svg,
    /// Its data.
    Json,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// By terminal.
    Auto,
    /// 24 bits.
    True,
    /// 256.
    #[value(name = "256")]
    Indexed,
    /// 16.
    #[value(name = "16")]
    Sixteen,
    /// None.
    None,
}

/// `--glyphs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Glyphs {
    /// By locale.
    Auto,
    /// Box characters.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// Looking after key maps and themes.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Tool {
    /// Key maps: what is bound (show), whether files are right (check), the manual's page (docs).
    Keymap {
        /// What to do.
        action: Look,
        /// With check: this file instead of those that are in use.
        file: Option<PathBuf>,
    },
    /// Themes: what can be styled (show), whether files are right (check), the manual's page (docs).
    Theme {
        /// What to do.
        action: Look,
        /// With check: this file instead of those that are in use.
        file: Option<PathBuf>,
    },
}

/// What to do with configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Look {
    /// Print it.
    Show,
    /// Print the page of the manual.
    Docs,
    /// Print its faults; exit code 2 if there are any.
    Check,
}

/// The size of a frame when none is asked for.
pub(crate) const SIZE: (u16, u16) = (120, 40);

fn speed(text: &str) -> Result<f64, String> {
    let speed = text
        .parse()
        .ok()
        .filter(|speed| (0.0..=1e6).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 0 to 1000000, such as 60".to_owned())
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = || {
        let (width, height) = text.split_once(['x', 'X'])?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    match parse() {
        Some((width @ 1..=1000, height @ 1..=1000)) => Ok((width, height)),
        _ => Err("a size is written WxH, each from 1 to 1000, such as 80x24".to_owned()),
    }
}
