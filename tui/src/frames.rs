//! Frames without a terminal: the way in for benchmarks.

use aurora_tui_model::screen;
use aurora_tui_model::state::State;
use aurora_tui_model::theme::{Depth, Theme};
use aurora_tui_model::update::settle;

use crate::output::Output;
use crate::paint::{Look, paint};

/// Draws states one after the other, as the loop on a screen does, into a buffer.
pub struct Frames {
    look: Look,
    output: Output,
    bytes: Vec<u8>,
}

impl Default for Frames {
    /// The dark theme in 256 colours.
    fn default() -> Frames {
        Frames {
            look: Look {
                theme: Theme::default(),
                depth: Depth::Indexed,
                unicode: true,
            },
            output: Output::new(),
            bytes: Vec::new(),
        }
    }
}

impl Frames {
    /// Draws a state. Returns how many bytes a terminal would have been sent; 0 when nothing changed.
    ///
    /// # Errors
    /// None that can happen: it is written to memory.
    pub fn draw(&mut self, state: &mut State) -> std::io::Result<usize> {
        settle(state);
        let (frame, cursor) = paint(state, &screen::screen(state), &self.look);
        self.bytes.clear();
        self.output.show(frame, cursor, &mut self.bytes)
    }
}
