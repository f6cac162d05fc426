//! Pages as all daemons have them, and times as upstream's observer writes them.

use aurora_thermos::clock;

pub(crate) use aurora_daemon::html::{
    Markup, address, escape_markup, link, page, style, table, text,
};

/// `MM/DD HH:MM:SS` in UTC, as upstream's pages.
pub(crate) fn time(seconds: i64) -> Markup {
    let at = clock::civil(seconds).strftime("%m/%d %H:%M:%S");
    text(&at.to_string())
}
