use super::*;

#[test]
fn shipped_themes_have_no_faults() {
    for (name, text) in BUILT_IN {
        let (theme, warnings) = Theme::load(name, text);
        assert_eq!(warnings, [], "{name}");
        assert!(!theme.entries.is_empty(), "{name} sets nothing");
    }
}

#[test]
fn in_every_theme_the_selection_differs_from_the_rest() {
    for (name, _) in BUILT_IN {
        let (theme, _) = Theme::built_in(name).unwrap();
        for depth in [Depth::True, Depth::Indexed, Depth::Sixteen] {
            assert_ne!(
                theme.style(Scope::Selection, depth),
                theme.style(Scope::Ui, depth),
                "{name} {depth:?}"
            );
        }
        assert!(
            theme.style(Scope::Selection, Depth::None).emphasis.reversed,
            "{name} without colours"
        );
    }
}

#[test]
fn parents_and_inheritance() {
    let (theme, warnings) = Theme::load(
        "mine",
        "inherits = \"16-dark\"\n[palette]\nx = { true = \"#102030\", 16 = \"light-red\" }\n[scope]\n\"state\" = \"x\"\n\"state.failed\" = { mod = [\"bold\"] }\n\"state.running\" = { fg = 120, glyph = \"R\" }\n",
    );
    assert_eq!(warnings, []);
    let failed = theme.style(Scope::StateFailed, Depth::True);
    assert!(failed.emphasis.bold);
    assert_eq!(
        theme.style(Scope::State, Depth::True).fg,
        Some(Color::Rgb(0x10, 0x20, 0x30))
    );
    assert_eq!(
        theme.style(Scope::State, Depth::Sixteen).fg,
        Some(Color::Ansi(9))
    );
    assert_eq!(
        theme.style(Scope::StateRunning, Depth::Indexed).fg,
        Some(Color::Indexed(120))
    );
    assert_eq!(theme.style(Scope::State, Depth::None).fg, None);
    assert_eq!(theme.glyph(Scope::StateRunning), "R");
    assert_eq!(theme.glyph(Scope::StateFailed), "x");
}

#[test]
fn faults_have_lines() {
    let (_, warnings) = Theme::load(
        "bad",
        "inherits = \"nope\"\n[scope]\n\"ui.nothing\" = \"red\"\n\"ui\" = { fg = \"#12\", mod = [\"blink\"] }\nextra = 300\n",
    );
    let lines: Vec<usize> = warnings.iter().map(|warning| warning.line).collect();
    for line in [1, 3, 4, 5] {
        assert!(
            lines.contains(&line),
            "no fault on line {line}: {warnings:?}"
        );
    }
    let (_, warnings) = Theme::load("worse", "a = = 1");
    assert_eq!(warnings.len(), 1);
}

#[test]
fn colours_are_brought_down() {
    let red = Choice {
        rgb: Some((255, 0, 0)),
        ..Choice::default()
    };
    assert_eq!(red.at(Depth::Indexed), Some(Color::Indexed(196)));
    assert_eq!(red.at(Depth::Sixteen), Some(Color::Ansi(9)));
}

#[test]
fn an_own_palette_reaches_inherited_scopes() {
    let (theme, warnings) = Theme::load(
        "mine",
        "inherits = \"cvd-dark\"\n[palette]\ngood = \"#010203\"\n",
    );
    assert_eq!(warnings, []);
    let fg = |scope| theme.style(scope, Depth::True).fg;
    assert_eq!(fg(Scope::StateRunning), Some(Color::Rgb(1, 2, 3)));
    assert_eq!(fg(Scope::StateFailed), Some(Color::Rgb(0xff, 0x7f, 0x50)));
    assert_eq!(fg(Scope::Header), Some(Color::Rgb(0x8e, 0xcb, 0xff)));
}
