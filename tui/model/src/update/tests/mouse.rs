//! The mouse.

use super::*;
use crate::event::Mouse;

#[test]
fn the_mouse_selects_rows_and_panes_and_leaves_text_to_the_terminal() {
    let mut bench = Bench::with_jobs();
    bench.event(Event::Run(":mouse".trim_start_matches(':').to_owned()));
    assert!(bench.state.wants_mouse());
    let selected = |bench: &Bench| bench.state.view.selected.clone().unwrap_or_default();
    // Status, crumb and header are above the rows.
    for (what, y, id) in [
        (Mouse::Click, 4, "w/prod/web"),
        (Mouse::Click, 3, "w/devel/hello"),
        (Mouse::Click, 2, "w/devel/hello"),
        (Mouse::Click, 20, "w/devel/hello"),
        (Mouse::WheelDown, 3, "w/prod/web"),
        (Mouse::WheelUp, 3, "w/devel/hello"),
    ] {
        bench.event(Event::Mouse(what, 5, y));
        assert_eq!(selected(&bench), id, "{what:?} {y}");
    }
    bench.event(Event::Resize(120, 40));
    bench.keys("ctrl-w v g h ctrl-w h");
    bench.event(Event::Mouse(Mouse::Click, 80, 5));
    assert_eq!(bench.state.view.place, Place::Hosts);
    bench.event(Event::Mouse(Mouse::Click, 5, 4));
    assert_eq!(
        (bench.state.view.place.view(), selected(&bench).as_str()),
        ("jobs", "w/prod/web")
    );
    // A click answers no question.
    bench.keys("/");
    bench.event(Event::Mouse(Mouse::Click, 80, 5));
    assert_eq!(bench.state.view.place, Place::Jobs);
    bench.keys("esc");
    bench.event(Event::Run("instances w/devel/hello".to_owned()));
    bench.hello_tasks();
    bench.event(Event::Run("logs w/devel/hello/0".to_owned()));
    assert!(!bench.state.wants_mouse());
}
