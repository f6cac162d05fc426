//! A program in a real pseudo-terminal, and the screen that it draws.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::{process, wait};

/// So many of the last bytes that were written are kept.
const RECENT: usize = 64 * 1024;

/// A program and its screen.
pub struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    written: Arc<AtomicU64>,
    recent: Arc<Mutex<Vec<u8>>>,
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    /// Starts a command on a screen of this size. Only the environment given is passed on.
    ///
    /// # Panics
    /// When there is no pseudo-terminal to be had, or the program cannot be run.
    pub fn start(
        program: &std::path::Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        columns: u16,
        rows: u16,
    ) -> Terminal {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the program can be run");
        let mut reader = pair
            .master
            .try_clone_reader()
            .expect("the terminal can be read");
        let writer = pair
            .master
            .take_writer()
            .expect("the terminal can be written");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let drawn = screen.clone();
        let written = Arc::new(AtomicU64::new(0));
        let counter = written.clone();
        let recent = Arc::new(Mutex::new(Vec::new()));
        let kept = recent.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                counter.fetch_add(count as u64, Ordering::SeqCst);
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&bytes[..count]);
                let excess = kept.len().saturating_sub(RECENT);
                kept.drain(..excess);
                drop(kept);
                drawn
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .process(&bytes[..count]);
            }
        });
        Terminal {
            screen,
            written,
            recent,
            writer,
            master: pair.master,
            child,
        }
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen().contents()
    }

    /// The background of a cell, as it was asked for.
    pub fn background(&self, column: u16, row: u16) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = screen.screen().cell(row, column);
        cell.map_or_else(String::new, |cell| format!("{:?}", cell.bgcolor()))
    }

    /// How many bytes the program has written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The last bytes that the program has written, at most 64 KiB.
    pub fn recent(&self) -> String {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&recent).into_owned()
    }

    /// Whether the alternate screen is shown.
    pub fn is_alternate(&self) -> bool {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen().alternate_screen()
    }

    /// Types.
    ///
    /// # Panics
    /// When the program does not read any more.
    pub fn keys(&mut self, keys: &str) {
        self.writer
            .write_all(keys.as_bytes())
            .expect("the program reads");
        self.writer.flush().expect("the program reads");
    }

    /// Makes the screen another size.
    ///
    /// # Panics
    /// When the terminal refuses.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .screen_mut()
            .set_size(rows, columns);
        self.master
            .resize(size)
            .expect("the terminal can be resized");
    }

    /// Waits until the screen shows a text; the whole screen.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(&format!("`{text}` on the screen"), |screen| {
            screen.contains(text)
        })
    }

    /// Waits until the screen fits; the whole screen.
    pub fn wait_until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        wait::until(what, || {
            let screen = self.text();
            if fits(&screen) {
                Ok(screen)
            } else {
                Err(format!("\n{screen}"))
            }
        })
    }

    /// The program's process id.
    ///
    /// # Panics
    /// When it has none.
    pub fn pid(&self) -> i32 {
        self.child
            .process_id()
            .expect("the program runs")
            .cast_signed()
    }

    /// Waits for the program's end; its exit code.
    pub fn wait_for_end(&mut self) -> u32 {
        let child = &mut self.child;
        wait::until("the program to end", || match child.try_wait() {
            Ok(Some(status)) => Ok(status.exit_code()),
            Ok(None) => Err("still running".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            process::signal(self.pid(), Signal::SIGKILL);
        }
        // Over either way.
        drop(self.child.wait());
    }
}
