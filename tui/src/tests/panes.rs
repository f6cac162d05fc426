//! Several panes, tabs and shipped layouts as they are drawn.

use aurora_tui_model::event::Event;
use aurora_tui_model::layout::BUILT_IN;
use aurora_tui_model::theme::Depth;
use aurora_tui_model::update::{settle, update};

use super::{at, dump, frame, look};

#[test]
fn frames_of_panes() {
    for (name, lines) in [
        (
            "split",
            "split-right; instances www-data/devel/hello; split-down; hosts; focus left",
        ),
        ("tabs", "tab-new; hosts; tab-new; audit; tab-previous"),
        ("find", "find web|host"),
        ("related", "related job www-data/devel/hello"),
    ] {
        for size in [(80, 24), (120, 40), (40, 10)] {
            let state = at(size, lines, "");
            let dumped = dump(&frame(&state, &look("dark", Depth::Indexed)), size.0 == 80);
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), dumped);
        }
    }
}

#[test]
fn shipped_layouts_are_drawn_at_any_size() {
    for (name, text) in BUILT_IN {
        for size in [(200, 50), (80, 24), (40, 10), (10, 4), (1, 1)] {
            let mut state = at((80, 24), "jobs", "");
            state.layouts.insert((*name).to_owned(), (*text).to_owned());
            update(&mut state, Event::Run(format!("layout {name}")));
            update(&mut state, Event::Resize(size.0, size.1));
            settle(&mut state);
            let drawn = frame(&state, &look("mono", Depth::None));
            assert_eq!((drawn.area.width, drawn.area.height), size, "{name}");
        }
    }
}

#[test]
fn a_terminal_that_is_too_small_is_told_what_is_needed() {
    for (size, expected) in [
        ((0, 0), ""),
        ((0, 5), ""),
        ((5, 1), "needs\n"),
        ((15, 4), "needs 16x4\n\n\n\n"),
        ((80, 3), "needs 16x4\n\n\n"),
    ] {
        let state = at(size, "jobs", "");
        let drawn = crate::output::as_text(&frame(&state, &look("dark", Depth::Indexed)));
        assert_eq!(drawn.trim_start_matches('\n'), expected, "{size:?}");
    }
    let state = at((16, 4), "jobs", "");
    let drawn = crate::output::as_text(&frame(&state, &look("dark", Depth::Indexed)));
    assert!(drawn.starts_with(" devcluster"), "{drawn}");
}
