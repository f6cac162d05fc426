//! Tabs and panes: which one has the keys, and what the others show meanwhile.

use crate::event::{Effect, Keepsake};
use crate::layout::{Frame, Layout, Node, Parked, Saved, SavedFrame, Split, Tab, Way};
use crate::place::{Link, Place};
use crate::screen;
use crate::state::{Level, State, View};

use super::{into, notice};

/// Puts what has the keys where it waits.
fn park(state: &mut State) {
    let parked = Parked {
        view: std::mem::replace(&mut state.view, View::new(Place::Jobs)),
        back: std::mem::take(&mut state.back),
        forward: std::mem::take(&mut state.forward),
        previous: state.previous.take(),
        cache: std::mem::take(&mut state.cache),
    };
    let focus = state.layout.focus();
    if let Some(frame) = state.layout.frames.get_mut(&focus) {
        frame.parked = Some(Box::new(parked));
    }
}

fn unpark(state: &mut State) {
    let focus = state.layout.focus();
    let frame = state.layout.frames.get_mut(&focus);
    if let Some(parked) = frame.and_then(|frame| frame.parked.take()) {
        state.view = parked.view;
        state.back = parked.back;
        state.forward = parked.forward;
        state.previous = parked.previous;
        state.cache = parked.cache;
    }
}

/// Gives the keys to a pane of the tab on the screen.
pub(super) fn focus(state: &mut State, id: u32) {
    if id != state.layout.focus() && state.layout.frames.contains_key(&id) {
        park(state);
        state.layout.tab_mut().focus = id;
        unpark(state);
    }
}

/// Looks at every pane on the screen as if it had the keys.
pub(super) fn each<T>(state: &mut State, mut look: impl FnMut(&mut State) -> T) -> Vec<T> {
    let home = state.layout.focus();
    let ids = match state.hidden {
        true => Vec::new(),
        false => state.layout.visible(),
    };
    let seen = ids.into_iter().map(|id| {
        focus(state, id);
        look(state)
    });
    let seen = seen.collect();
    focus(state, home);
    seen
}

/// Brings every pane in line with its data, and keeps what the ones without the keys show.
pub(super) fn settle(state: &mut State, one: fn(&mut State)) {
    let areas = state.layout.areas(screen::panes_area(state));
    let home = state.layout.focus();
    for (id, area) in areas {
        if id == home {
            continue;
        }
        focus(state, id);
        one(state);
        let shown = Box::new(screen::frame_view(state, area, false));
        focus(state, home);
        if let Some(frame) = state.layout.frames.get_mut(&id) {
            frame.shown = Some(shown);
        }
    }
    one(state);
}

/// Linked panes go where the selection leads.
pub(super) fn follow(state: &mut State) {
    let home = state.layout.focus();
    let visible = state.layout.visible();
    let linked: Vec<u32> = visible
        .into_iter()
        .filter(|id| {
            *id != home
                && state
                    .layout
                    .frames
                    .get(id)
                    .is_some_and(|frame| frame.linked)
        })
        .collect();
    if linked.is_empty() {
        return;
    }
    let Ok(target) = into::inside(state) else {
        return;
    };
    for id in linked {
        let Some(frame) = state.layout.frames.get_mut(&id) else {
            continue;
        };
        if frame.led.as_ref() == Some(&target) {
            continue;
        }
        frame.led = Some(target.clone());
        if let Some(parked) = &mut frame.parked {
            parked.view = View::new(target.clone());
            parked.back.clear();
        }
    }
}

/// Where something is to be opened: here, or beside a pane that keeps its place.
pub(super) fn make_way(state: &mut State) {
    let is_pinned =
        |layout: &Layout, id: u32| layout.frames.get(&id).is_some_and(|frame| frame.pinned);
    let here = state.layout.focus();
    if !is_pinned(&state.layout, here) {
        return;
    }
    let free = state.layout.visible().into_iter().find(|id| {
        let frame = state.layout.frames.get(id);
        frame.is_some_and(|frame| !frame.pinned && !frame.linked)
    });
    match free {
        Some(free) => focus(state, free),
        // Where there is no room for another pane, this one moves after all.
        None => drop(split(state, Split::Right)),
    }
}

/// Whether the pane with the keys keeps its place.
pub(super) fn is_pinned(state: &State) -> bool {
    let frame = state.layout.frames.get(&state.layout.focus());
    frame.is_some_and(|frame| frame.pinned)
}

/// Splits the pane with the keys; the new one begins at the same place and gets them.
pub(super) fn split(state: &mut State, split: Split) -> Result<(), String> {
    let mut view = View::new(state.view.place.clone());
    view.filter = state.view.filter.clone();
    view.sort = state.view.sort.clone();
    view.selected = state.view.selected.clone();
    let id = state.layout.split(split, frame_of(view))?;
    focus(state, id);
    Ok(())
}

fn frame_of(view: View) -> Frame {
    let parked = Parked {
        view,
        back: Vec::new(),
        forward: Vec::new(),
        previous: None,
        cache: Default::default(),
    };
    Frame {
        parked: Some(Box::new(parked)),
        ..Frame::default()
    }
}

/// Closes the pane with the keys, its tab with its last pane.
pub(super) fn close(state: &mut State) -> Result<(), String> {
    let gone = state.layout.focus();
    let frames = state.layout.tab().tree.frames();
    let next = frames
        .iter()
        .position(|id| *id == gone)
        .map_or(0, |at| if at == 0 { 1 } else { at - 1 });
    if let Some(next) = frames.get(next).filter(|next| **next != gone) {
        focus(state, *next);
        state.layout.tab_mut().zoomed = false;
    } else if state.layout.tabs.len() > 1 {
        park(state);
        let at = state.layout.at;
        state.layout.tabs.remove(at);
        state.layout.at = at.min(state.layout.tabs.len() - 1);
        unpark(state);
    } else {
        return Err("this is the last pane".to_owned());
    }
    state.layout.remove(gone);
    Ok(())
}

/// `focus next | left | right | up | down`.
pub(super) fn move_focus(state: &mut State, to: &str) -> Result<(), String> {
    let area = screen::panes_area(state);
    let found = match to {
        "next" => {
            let frames = state.layout.tab().tree.frames();
            let at = frames.iter().position(|id| *id == state.layout.focus());
            let next = at.map_or(0, |at| (at + 1) % frames.len());
            frames.get(next).copied().filter(|_| frames.len() > 1)
        }
        "left" => state.layout.towards(Way::Left, area),
        "right" => state.layout.towards(Way::Right, area),
        "up" => state.layout.towards(Way::Up, area),
        "down" => state.layout.towards(Way::Down, area),
        other => {
            return Err(format!(
                "`{other}`: focus takes next, left, right, up or down"
            ));
        }
    };
    focus(state, found.ok_or("there is no pane there")?);
    Ok(())
}

/// `resize wider | narrower | taller | lower`.
pub(super) fn resize(state: &mut State, how: &str) -> Result<(), String> {
    let (split, by) = match how {
        "wider" => (Split::Right, 5),
        "narrower" => (Split::Right, -5),
        "taller" => (Split::Down, 5),
        "lower" => (Split::Down, -5),
        other => {
            return Err(format!(
                "`{other}`: resize takes wider, narrower, taller or lower"
            ));
        }
    };
    if state.layout.resize(split, by) {
        Ok(())
    } else {
        Err("there is no line to move in that direction".to_owned())
    }
}

/// The pane with the keys alone on the screen, or all.
pub(super) fn zoom(state: &mut State) -> Result<(), String> {
    let tab = state.layout.tab_mut();
    if matches!(tab.tree, Node::Frame(_)) {
        return Err("there is one pane here".to_owned());
    }
    tab.zoomed = !tab.zoomed;
    Ok(())
}

/// The pane with the keys keeps its place, or no longer.
pub(super) fn pin(state: &mut State) {
    let id = state.layout.focus();
    let Some(frame) = state.layout.frames.get_mut(&id) else {
        return;
    };
    frame.pinned = !frame.pinned;
    frame.linked = false;
    let text = if frame.pinned {
        "this pane keeps its place; what is opened from it opens beside it"
    } else {
        "this pane moves again"
    };
    notice(state, Level::Info, text);
}

/// The pane with the keys shows what is selected in the others, or no longer.
pub(super) fn link(state: &mut State) -> Result<(), String> {
    if state.layout.tab().tree.frames().len() < 2 {
        return Err("a linked pane follows another one; split first".to_owned());
    }
    let id = state.layout.focus();
    let Some(frame) = state.layout.frames.get_mut(&id) else {
        return Ok(());
    };
    frame.linked = !frame.linked;
    frame.pinned = false;
    let text = if frame.linked {
        "this pane shows what is selected in the pane with the keys"
    } else {
        "this pane is on its own again"
    };
    notice(state, Level::Info, text);
    Ok(())
}

/// Another tab, with the same place.
pub(super) fn new_tab(state: &mut State) -> Result<(), String> {
    let id = state
        .layout
        .new_frame(frame_of(View::new(state.view.place.clone())))?;
    let at = state.layout.at + 1;
    park(state);
    state.layout.tabs.insert(at, tab_of(Node::Frame(id)));
    state.layout.at = at;
    unpark(state);
    Ok(())
}

fn tab_of(tree: Node) -> Tab {
    let focus = tree.frames().first().copied().unwrap_or_default();
    Tab {
        tree,
        focus,
        zoomed: false,
    }
}

/// Shows a tab by its number from 1.
pub(super) fn show_tab(state: &mut State, number: usize) -> Result<(), String> {
    let count = state.layout.tabs.len();
    let at = number.checked_sub(1).filter(|at| *at < count);
    let at = at.ok_or_else(|| format!("there are {count} tab(s)"))?;
    park(state);
    state.layout.at = at;
    unpark(state);
    Ok(())
}

/// Shows the tab after or before this one. Beyond the last one are the tabs of the next cluster that is open.
pub(super) fn turn_tabs(state: &mut State, forward: bool) -> Result<Vec<Effect>, String> {
    let count = state.layout.tabs.len();
    let is_edge = state.layout.at == if forward { count - 1 } else { 0 };
    if let Some(peer) = neighbour(state, forward).filter(|_| is_edge) {
        let tab = if forward { "tab 1" } else { "tab last" };
        return Ok(vec![Effect::Cluster {
            name: peer,
            then: Some(tab.to_owned()),
        }]);
    }
    let step = if forward { 1 } else { count - 1 };
    show_tab(state, (state.layout.at + step) % count + 1)?;
    Ok(Vec::new())
}

/// The cluster that was opened after or before this one.
fn neighbour(state: &State, forward: bool) -> Option<String> {
    let peers = &state.peers;
    let at = peers
        .iter()
        .position(|peer| peer.name == state.setup.cluster)?;
    let step = if forward { 1 } else { peers.len() - 1 };
    let next = &peers[(at + step) % peers.len()];
    (next.name != state.setup.cluster).then(|| next.name.clone())
}

/// Lays the screen out as a file says.
pub(super) fn arrange(state: &mut State, name: &str) -> Result<(), String> {
    let known = state.layouts.keys().cloned().collect::<Vec<_>>().join(", ");
    let text = state.layouts.get(name);
    let text = text.ok_or_else(|| format!("there is no layout `{name}`; there are {known}"))?;
    let saved = Saved::parse(text).map_err(|fault| format!("layout `{name}`: {fault}"))?;
    lay_out(state, &saved)
}

/// Lays the screen out as a link says, the keys where its place is.
pub(super) fn restore(state: &mut State, link: &Link) -> Result<(), String> {
    let saved: Saved = serde_json::from_str(&link.layout)
        .map_err(|fault| format!("the link's layout: {fault}"))?;
    if saved.tab.is_empty() {
        return Err("the link's layout has no tab".to_owned());
    }
    lay_out(state, &saved)?;
    let alike = |state: &State| {
        let here = state.link_here();
        here.place == link.place && here.filter == link.filter
    };
    for tab in 1..=state.layout.tabs.len() {
        show_tab(state, tab)?;
        for id in state.layout.tab().tree.frames() {
            focus(state, id);
            if alike(state) {
                return Ok(());
            }
        }
    }
    show_tab(state, 1)
}

fn lay_out(state: &mut State, saved: &Saved) -> Result<(), String> {
    let mut layout = Layout::empty();
    let mut links = Vec::new();
    for tab in &saved.tab {
        let tree = plant(&mut layout, tab, &state.setup.cluster, &mut links)?;
        layout.tabs.push(tab_of(tree));
    }
    layout.together = saved.together;
    state.layout = layout;
    for at in (0..state.layout.tabs.len()).rev() {
        state.layout.at = at;
        unpark(state);
        for (id, link) in &links {
            if state.layout.tab().tree.frames().contains(id) {
                focus(state, *id);
                into::dress(state, link)?;
            }
        }
        let first = state.layout.tab().tree.frames()[0];
        focus(state, first);
        if at > 0 {
            park(state);
        }
    }
    Ok(())
}

fn plant(
    layout: &mut Layout,
    saved: &SavedFrame,
    cluster: &str,
    links: &mut Vec<(u32, Link)>,
) -> Result<Node, String> {
    match saved {
        SavedFrame::Split {
            split,
            share,
            first,
            second,
        } => {
            let first = plant(layout, first, cluster, links)?;
            let second = plant(layout, second, cluster, links)?;
            Ok(Node::Split(
                *split,
                (*share).clamp(10, 90),
                Box::new((first, second)),
            ))
        }
        SavedFrame::Frame {
            open,
            pinned,
            linked,
        } => {
            let link: Link = format!("aurora://{cluster}/{open}")
                .parse()
                .map_err(|fault| format!("{fault}"))?;
            let frame = Frame {
                pinned: *pinned,
                linked: *linked,
                ..frame_of(View::new(link.place.clone()))
            };
            let id = layout.new_frame(frame)?;
            links.push((id, link));
            Ok(Node::Frame(id))
        }
    }
}

/// Keeps the layout on the screen under a name.
pub(super) fn save(state: &mut State, name: &str) -> Result<Vec<Effect>, String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(is_good) {
        return Err(format!(
            "`{name}`: a name has letters, digits, - and _ alone"
        ));
    }
    let text = saved(state).write()?;
    state.layouts.insert(name.to_owned(), text.clone());
    notice(state, Level::Good, &format!("layout `{name}` is kept"));
    Ok(vec![Effect::Keep(Keepsake::Layout(name.to_owned(), text))])
}

/// All tabs and panes.
fn saved(state: &State) -> Saved {
    let tabs = state.layout.tabs.iter();
    Saved {
        together: state.layout.together,
        tab: tabs.map(|tab| write(state, &tab.tree)).collect(),
    }
}

/// The address of the place on the screen, with all tabs and panes where there are several.
pub(super) fn link_of_screen(state: &State) -> Link {
    let layout = match state.layout.frames.len() {
        0 | 1 => String::new(),
        // A layout has nothing that JSON cannot have.
        _ => serde_json::to_string(&saved(state)).unwrap_or_default(),
    };
    Link {
        layout,
        ..state.link_here()
    }
}

fn write(state: &State, node: &Node) -> SavedFrame {
    match node {
        Node::Split(split, share, parts) => SavedFrame::Split {
            split: *split,
            share: *share,
            first: Box::new(write(state, &parts.0)),
            second: Box::new(write(state, &parts.1)),
        },
        Node::Frame(id) => {
            let frame = state.layout.frames.get(id);
            let parked = frame.and_then(|frame| frame.parked.as_ref());
            let view = parked.map_or(&state.view, |parked| &parked.view);
            let link = state.link_of(view).to_string();
            SavedFrame::Frame {
                open: link.splitn(4, '/').nth(3).unwrap_or("jobs").to_owned(),
                pinned: frame.is_some_and(|frame| frame.pinned),
                linked: frame.is_some_and(|frame| frame.linked),
            }
        }
    }
}
