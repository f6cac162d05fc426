//! Bytes in, lines out.

use super::*;
use proptest::prelude::*;

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut buffer = LogBuffer::default();
    buffer.push(bytes);
    (0..buffer.len())
        .filter_map(|index| buffer.line(index).map(Line::text))
        .collect()
}

#[test]
fn hostile_bytes() {
    for (input, expected) in [
        (&b"plain\n"[..], vec!["plain"]),
        (b"no end", vec!["no end"]),
        (b"\x1b[2J\x1b[Hcleared\n", vec!["cleared"]),
        (b"\x1b]0;title\x07after\n", vec!["after"]),
        (b"\x1b]52;c;ZXZpbA==\x1b\\after\n", vec!["after"]),
        (b"\x1bPq#0;2;0;0;0\x1b\\x\n", vec!["x"]),
        (
            b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\n",
            vec!["link"],
        ),
        (b"\x1b(0lqk\n", vec!["lqk"]),
        (b"\x1b[?1049h\x1b[?25lx\n", vec!["x"]),
        (b"\x1bcreset\n", vec!["reset"]),
        (b"a\x07\x08\x00b\n", vec!["ab"]),
        (b"\xff\xfeok\xc3\n", vec!["\u{fffd}\u{fffd}ok\u{fffd}"]),
        (b"\xc2\x9b31mred\n", vec!["red"]),
        (b"10%\r50%\r100%\n", vec!["100%"]),
        (b"crlf\r\nnext\r\n", vec!["crlf", "next"]),
        (b"a\tb\n", vec!["a       b"]),
        ("rtl \u{202e}evil\u{2066}x\n".as_bytes(), vec!["rtl evilx"]),
        (b"\x1b]unterminated\nnext\n", vec!["", "next"]),
        (b"\x1b[12\nnext\n", vec!["", "next"]),
        (b"\x1b", vec![]),
        // Pictures, passed through a multiplexer or not; requests that a terminal would answer as if typed.
        (b"\x1b_Gf=100;AAAA\x1b\\x\n", vec!["x"]),
        (b"\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\x\n", vec!["x"]),
        (b"\x1b]1337;File=name=eA==:AAAA\x07x\n", vec!["x"]),
        (b"\x1b[6n\x1b[c\x1b[21t\x1bZ\x05x\n", vec!["x"]),
        (b"\x1b]10;?\x1b\\\x1bP$qm\x1b\\x\n", vec!["x"]),
        (b"\x1b[?2004h\x1b[?1000;1006h\x1b[2 qx\n", vec!["x"]),
        // Keys, margins, another character set, VT52, a device control string begun by a byte of its own.
        (b"\x1b[>4;2m\x1b[3;9r\x0e\x0fx\n", vec!["x"]),
        (b"\xc2\x90q\xc2\x9cx\n", vec!["x"]),
        (b"\xc2\x9d0;title\xc2\x9cx\n", vec!["x"]),
        (
            "a\u{ad}b\u{feff}c\u{e0041}d\u{2028}e\n".as_bytes(),
            vec!["abcde"],
        ),
    ] {
        assert_eq!(
            lines(input),
            expected,
            "{:?}",
            String::from_utf8_lossy(input)
        );
    }
}

#[test]
fn colours_become_styles() {
    let mut buffer = LogBuffer::default();
    buffer.push(b"a\x1b[1;31mb\x1b[0mc\x1b[38;5;12md\x1b[38;2;1;2;3me\x1b[48;5;1;4mf\x1b[>4;1mg\n");
    let line = buffer.line(0).unwrap();
    let seen: Vec<(&str, Option<u8>, bool, bool)> = line
        .spans
        .iter()
        .map(|span| {
            (
                span.text.as_str(),
                span.sgr.color,
                span.sgr.bold,
                span.sgr.underlined,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a", None, false, false),
            ("b", Some(1), true, false),
            ("c", None, false, false),
            ("d", Some(4), false, false),
            ("e", None, false, false),
            ("fg", None, false, true),
        ]
    );
}

#[test]
fn sizes_are_bounded() {
    let mut buffer = LogBuffer::default();
    buffer.push(&vec![b'x'; 100_000]);
    assert_eq!(buffer.line(0).unwrap().cut, 100_000 - MAX_LINE);
    buffer.push(b"\n");
    for _ in 0..MAX_LINES + 10 {
        buffer.push(b"y\n");
    }
    assert_eq!(buffer.len(), MAX_LINES);
    assert_eq!(buffer.dropped(), 11);
    let mut wide = LogBuffer::default();
    let line = [vec![b'z'; MAX_LINE], vec![b'\n']].concat();
    for _ in 0..2 * MAX_CHARACTERS / MAX_LINE {
        wide.push(&line);
    }
    assert!(wide.characters <= MAX_CHARACTERS);
}

#[test]
fn remarks_stand_on_their_own_line() {
    let mut buffer = LogBuffer::default();
    buffer.push(b"half");
    buffer.notice("run 1 begins");
    buffer.push(b"more\n");
    let texts: Vec<String> = (0..3).map(|at| buffer.line(at).unwrap().text()).collect();
    assert_eq!(texts, ["half", "run 1 begins", "more"]);
    assert!(buffer.line(1).unwrap().notice);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let cut = cut.min(bytes.len());
        let mut whole = LogBuffer::default();
        whole.push(&bytes);
        let mut pieces = LogBuffer::default();
        pieces.push(&bytes[..cut]);
        pieces.push(&bytes[cut..]);
        prop_assert_eq!(&whole.lines, &pieces.lines);
        prop_assert_eq!(&whole.open, &pieces.open);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left(bytes in proptest::collection::vec(prop_oneof![Just(0x1bu8), Just(b'['), Just(b']'), Just(0x9b), any::<u8>()], 0..300)) {
        for line in lines(&bytes) {
            prop_assert!(line.chars().all(is_printable), "{:?}", line);
        }
    }
}
