//! Tabs, and how the screen of each is split into frames.
//!
//! A frame is a place and what its view keeps. The one that has the keys lives in [`State`](crate::state::State); the
//! others are parked here, and take its place for a moment when they are watched for, told something, or drawn. So all of
//! them go the same way.

mod saved;

use std::collections::BTreeMap;

pub use saved::{BUILT_IN, Saved, SavedFrame};

use crate::place::Place;
use crate::screen::FrameView;
use crate::state::View;
use crate::views::Cache;

/// The narrowest frame, in columns.
const MIN_WIDTH: u16 = 16;
/// The lowest, in rows, with its title.
const MIN_HEIGHT: u16 = 3;
/// At most so many frames in all tabs: each of them follows what it shows.
pub(crate) const MOST: usize = 16;

/// A rectangle of the screen, in columns and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub x: u16,
    /// First row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// How two frames stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Side by side.
    Right,
    /// One above the other.
    Down,
}

/// A way on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// How the screen is split.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Not further: a frame by its number.
    Frame(u32),
    /// In two; the first has so many hundredths.
    Split(Split, u8, Box<(Node, Node)>),
}

impl Node {
    /// Numbers of its frames, in reading order.
    pub(crate) fn frames(&self) -> Vec<u32> {
        match self {
            Node::Frame(id) => vec![*id],
            Node::Split(_, _, parts) => {
                let mut out = parts.0.frames();
                out.extend(parts.1.frames());
                out
            }
        }
    }

    /// Where its frames are. What has no room is left out.
    fn areas(&self, area: Area, out: &mut Vec<(u32, Area)>) {
        let (split, share, parts) = match self {
            Node::Frame(id) => {
                out.push((*id, area));
                return;
            }
            Node::Split(split, share, parts) => (*split, *share, parts),
        };
        let (whole, least, gap) = match split {
            // A column between them is for the line.
            Split::Right => (area.width, MIN_WIDTH, 1),
            Split::Down => (area.height, MIN_HEIGHT, 0),
        };
        if whole < 2 * least + gap {
            parts.0.areas(area, out);
            return;
        }
        let first = u16::try_from(u32::from(whole) * u32::from(share) / 100).unwrap_or(whole);
        let first = first.clamp(least, whole - least - gap);
        let rest = whole - first - gap;
        let (one, two) = match split {
            Split::Right => (
                Area {
                    width: first,
                    ..area
                },
                Area {
                    x: area.x + first + gap,
                    width: rest,
                    ..area
                },
            ),
            Split::Down => (
                Area {
                    height: first,
                    ..area
                },
                Area {
                    y: area.y + first,
                    height: rest,
                    ..area
                },
            ),
        };
        parts.0.areas(one, out);
        parts.1.areas(two, out);
    }

    /// Puts another frame beside one.
    fn split(&mut self, at: u32, split: Split, new: u32) {
        match self {
            Node::Frame(id) if *id == at => {
                *self = Node::Split(split, 50, Box::new((Node::Frame(at), Node::Frame(new))));
            }
            Node::Frame(_) => {}
            Node::Split(_, _, parts) => {
                parts.0.split(at, split, new);
                parts.1.split(at, split, new);
            }
        }
    }

    /// Without a frame; none when it was the only one.
    fn without(self, gone: u32) -> Option<Node> {
        match self {
            Node::Frame(id) => (id != gone).then_some(Node::Frame(id)),
            Node::Split(split, share, parts) => {
                let (first, second) = *parts;
                match (first.without(gone), second.without(gone)) {
                    (Some(first), Some(second)) => {
                        Some(Node::Split(split, share, Box::new((first, second))))
                    }
                    (one, two) => one.or(two),
                }
            }
        }
    }

    /// Moves the nearest line around a frame that runs in this direction. Says whether there is one.
    fn resize(&mut self, at: u32, split: Split, by: i8) -> bool {
        let Node::Split(own, share, parts) = self else {
            return false;
        };
        let (in_first, in_second) = (
            parts.0.frames().contains(&at),
            parts.1.frames().contains(&at),
        );
        if in_first && parts.0.resize(at, split, by) || in_second && parts.1.resize(at, split, by) {
            return true;
        }
        if *own != split || !(in_first || in_second) {
            return false;
        }
        let by = if in_first { by } else { -by };
        *share = share.saturating_add_signed(by).clamp(10, 90);
        true
    }
}

/// What a frame that has not the keys keeps.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) view: View,
    pub(crate) back: Vec<View>,
    pub(crate) forward: Vec<View>,
    pub(crate) previous: Option<Place>,
    pub(crate) cache: Cache,
}

/// A frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// Whether it keeps its place: what is opened from it opens beside it.
    pub(crate) pinned: bool,
    /// Whether it shows what is selected in the frame that has the keys.
    pub(crate) linked: bool,
    /// Where a linked one was led last: it may go further by itself until the selection leads elsewhere.
    pub(crate) led: Option<Place>,
    /// What it keeps while it has not the keys.
    pub(crate) parked: Option<Box<Parked>>,
    /// What it showed when it was last looked at.
    pub(crate) shown: Option<Box<FrameView>>,
}

/// A tab.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tab {
    pub(crate) tree: Node,
    /// The frame that has the keys when the tab is shown.
    pub(crate) focus: u32,
    /// Whether that is alone on the screen.
    pub(crate) zoomed: bool,
}

/// A place in time of a pane of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instant {
    /// What is written now.
    End,
    /// Milliseconds since 1970.
    At(i64),
}

/// All tabs and frames.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Whether panes of output scroll together, by time.
    pub(crate) together: bool,
    /// Where that is now: of which pane (its frame, its place among the outputs there), and which instant.
    pub(crate) instant: Option<((u32, usize), Instant)>,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) at: usize,
    pub(crate) frames: BTreeMap<u32, Frame>,
    next: u32,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            together: false,
            instant: None,
            tabs: vec![Tab {
                tree: Node::Frame(0),
                focus: 0,
                zoomed: false,
            }],
            at: 0,
            frames: BTreeMap::from([(0, Frame::default())]),
            next: 1,
        }
    }
}

impl Layout {
    /// Without a tab; one has to be added before it is used.
    pub(crate) fn empty() -> Layout {
        Layout {
            together: false,
            instant: None,
            tabs: Vec::new(),
            at: 0,
            frames: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn tab(&self) -> &Tab {
        // There is always a tab, and `at` is one of them.
        &self.tabs[self.at]
    }

    pub(crate) fn tab_mut(&mut self) -> &mut Tab {
        &mut self.tabs[self.at]
    }

    /// The frame that has the keys.
    pub(crate) fn focus(&self) -> u32 {
        self.tab().focus
    }

    /// The frames of the tab on the screen, in reading order.
    pub(crate) fn visible(&self) -> Vec<u32> {
        let tab = self.tab();
        if tab.zoomed {
            vec![tab.focus]
        } else {
            tab.tree.frames()
        }
    }

    /// Where the frames of the tab on the screen are; empty when one has all of it.
    pub(crate) fn areas(&self, area: Area) -> Vec<(u32, Area)> {
        let tab = self.tab();
        if tab.zoomed || matches!(tab.tree, Node::Frame(_)) {
            return Vec::new();
        }
        let mut out = Vec::new();
        tab.tree.areas(area, &mut out);
        // The frame with the keys is always seen.
        if !out.iter().any(|(id, _)| *id == tab.focus) {
            return Vec::new();
        }
        out
    }

    /// A frame more, not yet on any tab.
    pub(crate) fn new_frame(&mut self, frame: Frame) -> Result<u32, String> {
        if self.frames.len() >= MOST {
            return Err(format!("there are {MOST} panes; close one first"));
        }
        let id = self.next;
        self.next += 1;
        self.frames.insert(id, frame);
        Ok(id)
    }

    /// Puts a new frame beside the one that has the keys.
    pub(crate) fn split(&mut self, split: Split, frame: Frame) -> Result<u32, String> {
        let id = self.new_frame(frame)?;
        let tab = self.tab_mut();
        tab.zoomed = false;
        tab.tree.split(tab.focus, split, id);
        Ok(id)
    }

    /// Takes a frame away that has not the keys.
    pub(crate) fn remove(&mut self, gone: u32) {
        for tab in &mut self.tabs {
            if let Some(tree) = tab.tree.clone().without(gone) {
                tab.tree = tree;
            }
        }
        self.frames.remove(&gone);
    }

    /// Moves the line beside the frame that has the keys by hundredths.
    pub(crate) fn resize(&mut self, split: Split, by: i8) -> bool {
        let tab = self.tab_mut();
        tab.tree.resize(tab.focus, split, by)
    }

    /// The frame that lies in this direction of the one that has the keys.
    pub(crate) fn towards(&self, way: Way, area: Area) -> Option<u32> {
        let areas = self.areas(area);
        let (_, from) = *areas.iter().find(|(id, _)| *id == self.focus())?;
        let beyond = |to: &Area| match way {
            Way::Left => to.x + to.width <= from.x,
            Way::Right => to.x >= from.x + from.width,
            Way::Up => to.y + to.height <= from.y,
            Way::Down => to.y >= from.y + from.height,
        };
        let apart = |to: &Area| u32::from(to.x.abs_diff(from.x)) + u32::from(to.y.abs_diff(from.y));
        let found = areas.iter().filter(|(_, to)| beyond(to));
        found.min_by_key(|(_, to)| apart(to)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Area = Area {
        x: 0,
        y: 1,
        width: 81,
        height: 22,
    };

    fn rects(layout: &Layout) -> Vec<(u32, u16, u16, u16, u16)> {
        let areas = layout.areas(SCREEN).into_iter();
        areas
            .map(|(id, a)| (id, a.x, a.y, a.width, a.height))
            .collect()
    }

    #[test]
    fn a_screen_is_split_and_whole_again() {
        let mut layout = Layout::default();
        assert_eq!(rects(&layout), []);
        assert_eq!(layout.split(Split::Right, Frame::default()), Ok(1));
        assert_eq!(rects(&layout), [(0, 0, 1, 40, 22), (1, 41, 1, 40, 22)]);
        layout.tab_mut().focus = 1;
        assert_eq!(layout.split(Split::Down, Frame::default()), Ok(2));
        assert_eq!(
            rects(&layout),
            [(0, 0, 1, 40, 22), (1, 41, 1, 40, 11), (2, 41, 12, 40, 11)]
        );
        for (way, to) in [
            (Way::Left, Some(0)),
            (Way::Down, Some(2)),
            (Way::Up, None),
            (Way::Right, None),
        ] {
            assert_eq!(layout.towards(way, SCREEN), to, "{way:?}");
        }
        // The line at its left goes to the left.
        assert!(layout.resize(Split::Right, 10));
        assert_eq!(rects(&layout)[0], (0, 0, 1, 32, 22));
        assert!(layout.resize(Split::Down, 10));
        assert_eq!(rects(&layout)[1].4, 13);
        layout.remove(2);
        assert!(!layout.resize(Split::Down, 10));
        layout.tab_mut().focus = 0;
        layout.remove(1);
        assert_eq!(rects(&layout), []);
        assert_eq!(layout.frames.len(), 1);
    }

    #[test]
    fn what_has_no_room_is_left_out_and_the_keys_are_always_seen() {
        let mut layout = Layout::default();
        for _ in 0..5 {
            layout.split(Split::Right, Frame::default()).unwrap();
        }
        for (width, height) in [(0, 0), (20, 5), (33, 3), (60, 10), (200, 50)] {
            let area = Area {
                x: 0,
                y: 1,
                width,
                height,
            };
            let areas = layout.areas(area);
            assert!(areas.is_empty() || areas.iter().any(|(id, _)| *id == layout.focus()));
            for (_, at) in &areas {
                assert!(
                    at.x + at.width <= width && at.y + at.height <= height + 1,
                    "{at:?}"
                );
            }
        }
        while layout.new_frame(Frame::default()).is_ok() {}
        assert_eq!(layout.frames.len(), MOST);
    }
}
