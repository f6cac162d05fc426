//! The loop on a screen: events in, frames out.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use aurora_tui_model::desk::Of;
use aurora_tui_model::event::{Event, Mouse};
use aurora_tui_model::key::{Code, Key};
use aurora_tui_model::screen;
use crossterm::event::{Event as Input, EventStream, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::clipboard;
use crate::config::Env;
use crate::crew::Crew;
use crate::data::Wish;
use crate::keys;
use crate::output::Output;
use crate::paint::paint;
use crate::replies::{self, Replies, Sifted};
use crate::synchronised;
use crate::terminal::Terminal;

/// At most this often is a frame drawn.
const FRAME: Duration = Duration::from_millis(33);
/// At most this many events are taken in between two frames.
const BATCH: usize = 2000;

/// How a workbench ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As asked.
    Quit {
        /// The state directory of the local cluster that is to be stopped.
        stop: Option<PathBuf>,
    },
    /// By a signal or a lost terminal.
    Ended,
}

/// Runs until somebody quits.
pub(crate) async fn run(mut crew: Crew, mut env: Env, first: Vec<Event>) -> anyhow::Result<Ending> {
    let mut signals = Signals::install().context("cannot handle signals")?;
    let mut terminal = Terminal::take().context("cannot set up the terminal")?;
    let mut output = Output::new();
    let mut input = EventStream::new();
    let mut replies = Replies::default();
    let mut has_mouse = false;
    let mut next_tick = Instant::now();
    let mut next_frame = Instant::now();
    let mut dirty = true;
    let outside = |event: Event| (Of::Outside, event);
    let mut pending: Vec<(Of, Event)> = first.into_iter().map(outside).collect();
    let (columns, rows) =
        crossterm::terminal::size().context("cannot learn the terminal's size")?;
    pending.push(outside(Event::Resize(columns, rows)));
    loop {
        let mut wishes: Vec<Wish> = Vec::new();
        dirty |= !pending.is_empty();
        for (of, event) in pending.drain(..) {
            wishes.extend(crew.take(of, event));
        }
        for wish in wishes {
            match wish {
                Wish::Redraw => {
                    output.invalidate();
                    dirty = true;
                }
                Wish::Copy(text) => {
                    let copied = clipboard::tool(&text);
                    let told = terminal.copy(&text, &env.term, in_tmux());
                    // One of the two is enough.
                    if let (false, Err(fault)) = (copied, told) {
                        pending.push(outside(Event::Fault(fault)));
                    }
                }
                Wish::Notify(how, text) => {
                    terminal
                        .notify(&how, &text, in_tmux())
                        .context("cannot write to the terminal")?;
                }
                Wish::Suspend => {
                    // No reader may be on the terminal while it belongs to the shell.
                    drop(input);
                    suspend(&mut terminal)?;
                    input = EventStream::new();
                    has_mouse = false;
                    pending.extend(back_again(&mut output, &crew)?.map(outside));
                    dirty = true;
                }
                Wish::Shell(program) => {
                    drop(input);
                    let ended = lend(&mut terminal, &mut signals, program.run()).await?;
                    input = EventStream::new();
                    has_mouse = false;
                    pending.extend(back_again(&mut output, &crew)?.map(outside));
                    pending.push(outside(ended));
                    dirty = true;
                }
                Wish::Quit { stop_cluster } => {
                    let stop = crew.state_dir().filter(|_| stop_cluster);
                    return Ok(Ending::Quit { stop });
                }
            }
        }
        if !pending.is_empty() {
            continue;
        }
        if dirty && Instant::now() >= next_frame {
            crew.settle();
            let state = crew.state();
            let shown = screen::screen(state);
            let (frame, cursor) = paint(state, &shown, crew.look());
            output
                .show(frame, cursor, &mut terminal)
                .context("cannot write to the terminal")?;
            dirty = false;
            next_frame = Instant::now() + FRAME;
            if has_mouse != state.wants_mouse() {
                has_mouse = state.wants_mouse();
                terminal
                    .mouse(has_mouse)
                    .context("cannot write to the terminal")?;
            }
            // After the first frame, which waits for no answer.
            if std::mem::take(&mut env.asks) {
                terminal
                    .ask(synchronised::ASK)
                    .context("cannot write to the terminal")?;
                let heard = synchronised::listen().context("cannot read the terminal")?;
                output.synchronised = heard.knows;
                let typed = heard.typed.chars();
                let typed = typed.map(|c| Event::Key(Key::plain(Code::Char(c))));
                pending.extend(typed.map(outside));
                terminal
                    .ask(replies::ASK)
                    .context("cannot write to the terminal")?;
                replies.asked(std::time::Instant::now());
            }
            // Nothing wakes up before something on the screen changes.
            let due = u64::try_from(screen::due_ms(state, &shown)).unwrap_or(1000);
            next_tick = Instant::now() + Duration::from_millis(due);
        }
        tokio::select! {
            event = input.next() => match event {
                Some(Ok(event)) => {
                    if matches!(event, Input::Resize(..)) {
                        // A terminal that shrank and grew again has lost what was beyond its edge, though its size is the
                        // same as before when several changes are told as one.
                        output.invalidate();
                    }
                    match replies.sift(event, std::time::Instant::now()) {
                        Sifted::Other(event) => pending.extend(from_terminal(event).map(outside)),
                        Sifted::Part => {}
                        Sifted::Light(light) => {
                            env.light = Some(light);
                            crew.relook(&env);
                            dirty = true;
                        }
                    }
                }
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(Ending::Ended),
            },
            Some(heard) = crew.next() => {
                pending.push(heard);
                while pending.len() < BATCH && let Some(heard) = crew.next_now() {
                    pending.push(heard);
                }
            }
            () = tokio::time::sleep_until(next_tick), if !dirty => {
                pending.push(outside(Event::Tick(crew.now_ms())));
                crew.reload(&env);
            }
            () = tokio::time::sleep_until(next_frame), if dirty => {}
            what = signals.next() => match what {
                Signal::End => return Ok(Ending::Ended),
                Signal::Stop => {
                    drop(input);
                    suspend(&mut terminal)?;
                    input = EventStream::new();
                    has_mouse = false;
                    pending.extend(back_again(&mut output, &crew)?.map(outside));
                }
                Signal::Continued => {
                    has_mouse = false;
                    // Somebody stopped us without asking; the shell has set the terminal as it likes it.
                    terminal.enter().context("cannot set up the terminal")?;
                    pending.extend(back_again(&mut output, &crew)?.map(outside));
                }
            },
        }
    }
}

fn from_terminal(event: Input) -> Option<Event> {
    match event {
        Input::Key(event) => keys::key(event).map(Event::Key),
        Input::Paste(text) => Some(Event::Paste(text)),
        Input::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
        Input::Mouse(event) => {
            let what = match event.kind {
                MouseEventKind::Down(MouseButton::Left) => Mouse::Click,
                MouseEventKind::ScrollUp => Mouse::WheelUp,
                MouseEventKind::ScrollDown => Mouse::WheelDown,
                _ => return None,
            };
            Some(Event::Mouse(what, event.column, event.row))
        }
        Input::FocusGained | Input::FocusLost => None,
    }
}

fn in_tmux() -> bool {
    std::env::var_os("TMUX").is_some()
}

/// Lets a program have the terminal, and takes it back however that leaves it.
pub(crate) async fn lend(
    terminal: &mut Terminal,
    signals: &mut Signals,
    program: impl Future<Output = Event>,
) -> anyhow::Result<Event> {
    terminal.leave().context("cannot give the terminal back")?;
    let ended = signals.while_runs(program).await?;
    terminal.take_back().context("cannot set up the terminal")?;
    Ok(ended)
}

fn suspend(terminal: &mut Terminal) -> anyhow::Result<()> {
    terminal.leave().context("cannot give the terminal back")?;
    Terminal::stop().context("cannot suspend")?;
    terminal.enter().context("cannot set up the terminal")
}

fn back_again(output: &mut Output, crew: &Crew) -> anyhow::Result<[Event; 2]> {
    output.invalidate();
    let (columns, rows) =
        crossterm::terminal::size().context("cannot learn the terminal's size")?;
    Ok([Event::Resize(columns, rows), Event::Tick(crew.now_ms())])
}

enum Signal {
    End,
    Stop,
    Continued,
}

/// What is told to this process.
pub(crate) struct Signals {
    term: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    continued: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn install() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(nix::libc::SIGTSTP))?,
            continued: signal(SignalKind::from_raw(nix::libc::SIGCONT))?,
        })
    }

    /// Waits for a program that has the terminal. What its keys send to all in the foreground is meant for it: an interrupt
    /// is not for us, and we stop when it is stopped.
    async fn while_runs(&mut self, program: impl Future<Output = Event>) -> anyhow::Result<Event> {
        tokio::pin!(program);
        let ended = loop {
            tokio::select! {
                ended = &mut program => break ended,
                _ = self.stop.recv() => Terminal::stop().context("cannot suspend")?,
            }
        };
        self.interrupt = signal(SignalKind::interrupt())?;
        self.stop = signal(SignalKind::from_raw(nix::libc::SIGTSTP))?;
        self.continued = signal(SignalKind::from_raw(nix::libc::SIGCONT))?;
        Ok(ended)
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.stop.recv() => Signal::Stop,
            _ = self.continued.recv() => Signal::Continued,
        }
    }
}
