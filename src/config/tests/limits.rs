//! Files that would never end, or take everything, end with an answer.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use std::time::{Duration, Instant};

use aurora_api::eval::{DiagnosticKind, Limits};
use common::{answer, fault, run, text};

fn limited(source: &str) -> aurora_api::eval::EvalRequest {
    let mut request = text(source);
    // Loops are to meet the first limit, growing data the second: each is far below the other's reach.
    let grows = source.contains("x + x") || source.contains("'a' *");
    request.limits = Limits {
        cpu_secs: if grows { 20 } else { 2 },
        memory_mb: if grows { 600 } else { 2048 },
    };
    request
}

#[test]
fn traps_end_with_a_clear_message() {
    let nested =
        |open: &str, close: &str, n: usize| format!("x = {}1{}", open.repeat(n), close.repeat(n));
    for (source, message) in [
        (
            "while True: pass".to_owned(),
            "took more than 2 seconds of processor time",
        ),
        (
            "while True:\n  try:\n    while True: pass\n  except BaseException: pass".to_owned(),
            "took more than 2 seconds of processor time",
        ),
        (
            "sum(range(10**12))".to_owned(),
            "took more than 2 seconds of processor time",
        ),
        (
            "x = [1]\nwhile True: x = x + x".to_owned(),
            "needs more than 600 MiB of memory",
        ),
        (
            "x = 'a' * 10**12".to_owned(),
            "needs more than 600 MiB of memory",
        ),
        (nested("-", "", 3_000_000), "nests too deeply"),
        (
            "x = []\nfor i in range(100000): x = [x]\nList(String)(x)".to_owned(),
            "nests deeper than 200 levels",
        ),
        (
            "T = String\nfor i in range(100000): T = List(T)".to_owned(),
            "nests more than 40 types",
        ),
        (
            "def f(): f()\nf()".to_owned(),
            "maximum recursion depth exceeded",
        ),
    ] {
        let start = Instant::now();
        let found = fault(&limited(&source));
        assert_eq!(found.kind, DiagnosticKind::Limit, "{found:?}");
        assert!(found.message.contains(message), "{message}: {found:?}");
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{message} took {:?}",
            start.elapsed()
        );
    }
    let found = fault(&limited(&format!("x = 1\n{}", nested("(", ")", 201))));
    assert_eq!(found.message, "too many nested parentheses");
    assert_eq!(found.line, Some(2));
    // As deep as Python itself goes, with brackets that are none beside.
    let many = "[".repeat(300);
    let fits = format!("{}\ny = '''{many}''' # {many}", nested("(", ")", 200));
    assert_eq!(answer(&limited(&fits)).errors, []);
}

#[test]
fn references_that_multiply_are_stopped() {
    let source = "d = {}\nfor i in range(70): d['a%d' % i] = '{{a%d}}{{a%d}}' % (i + 1, i + 1)\n\
                  d['a70'] = 'lol'\nstr(String('{{a0}}').bind(d))";
    let found = answer(&limited(source));
    let message = &found.errors[0].message;
    assert_eq!(
        message,
        "Unable to interpolate: the text has more than 65536 references"
    );
}

#[test]
fn standard_output_belongs_to_the_answer() {
    let source = "import atexit\natexit.register(print, 'said at the end', end='')\nimport os\nprint('printed')\nos.write(1, b'written\\n')\nos.system('echo from a child')\njobs = []";
    let (code, answer, errors) = run(&limited(source));
    assert_eq!(code, Some(0));
    assert!(answer.expect("an answer").errors.is_empty());
    for part in ["printed", "written", "from a child", "said at the end"] {
        assert!(errors.contains(part), "{errors}");
    }
}
