//! The executor's own log: a line an event on standard error, which the agent keeps as `stderr` of the run.
//!
//! A subscriber of fifty lines in place of tracing-subscriber, whose registry, formats and filters would be a tenth of the
//! program: spans are not used, and the level is fixed.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aurora_thermos::clock::civil;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Says each attempt to connect; our own ZooKeeper session says what there is to say.
const QUIET: &str = "zookeeper_async";

/// Writes events of level INFO and above to standard error.
pub(crate) struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
            && metadata.is_event()
            && !metadata.target().starts_with(QUIET)
    }

    fn event(&self, event: &Event<'_>) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let text = line(now.as_micros(), event);
        // A line that cannot be written is lost; there is nobody else to tell.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// `2026-11-23T04:05:06.000007Z  INFO aurora_executor: message key=value`.
fn line(micros: u128, event: &Event<'_>) -> String {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let at = civil(seconds);
    let mut text = Text::default();
    event.record(&mut text);
    format!(
        "{}.{:06}Z {:>5} {}: {}{}\n",
        at.strftime("%FT%T"),
        micros % 1_000_000,
        event.metadata().level().as_str(),
        event.metadata().target(),
        text.message,
        text.fields
    )
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// As [`Lines`], into a list.
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            Lines.enabled(metadata)
        }
        fn event(&self, event: &Event<'_>) {
            self.0
                .lock()
                .unwrap()
                .push(line(1_700_000_000_000_007, event));
        }
        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            Lines.new_span(attributes)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_line_an_event() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Kept(Arc::clone(&lines)), || {
            let name = "a\u{1b}b";
            tracing::info!(pid = 7, name, state = %"UP", "a {} text", "formatted");
            tracing::warn!(target: "zookeeper_async::io", "not shown");
            tracing::debug!("nor this");
            tracing::error!("no fields");
        });
        // date -u -d @1700000000
        assert_eq!(
            *lines.lock().unwrap(),
            [
                "2023-11-14T22:13:20.000007Z  INFO aurora_executor::log::tests: a formatted text pid=7 name=\"a\\u{1b}b\" state=UP\n",
                "2023-11-14T22:13:20.000007Z ERROR aurora_executor::log::tests: no fields\n",
            ]
        );
    }
}
