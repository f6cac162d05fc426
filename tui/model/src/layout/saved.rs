//! Layouts in files: `layouts/NAME.toml`.
//!
//! ```toml
//! [[tab]]
//! split = "right"
//! share = 60
//! first = { open = "jobs?sort=-changed" }
//! second = { open = "updates", linked = true }
//! ```

use serde::{Deserialize, Serialize};

use super::Split;

/// The layouts that are compiled in, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("single", include_str!("../../../../layouts/single.toml")),
    ("browse", include_str!("../../../../layouts/browse.toml")),
    ("watch", include_str!("../../../../layouts/watch.toml")),
];

/// A layout as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// Whether panes of output scroll together, by time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub together: bool,
    /// Its tabs, the first one shown first.
    pub tab: Vec<SavedFrame>,
}

/// A frame, or two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum SavedFrame {
    /// Two.
    Split {
        /// How they stand.
        split: Split,
        /// Hundredths of the first.
        #[serde(default = "half")]
        share: u8,
        /// The first.
        first: Box<SavedFrame>,
        /// The second.
        second: Box<SavedFrame>,
    },
    /// One.
    Frame {
        /// The link of its place, without the cluster.
        open: String,
        /// Whether it keeps its place.
        #[serde(default, skip_serializing_if = "is_false")]
        pinned: bool,
        /// Whether it shows what is selected in the frame that has the keys.
        #[serde(default, skip_serializing_if = "is_false")]
        linked: bool,
    },
}

fn half() -> u8 {
    50
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Saved {
    /// Reads a layout.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn parse(text: &str) -> Result<Saved, String> {
        let saved: Saved = toml::from_str(text).map_err(|fault| fault.to_string())?;
        match saved.tab.as_slice() {
            [] => Err("a layout has at least one [[tab]]".to_owned()),
            _ => Ok(saved),
        }
    }

    /// The text that [`Saved::parse`] reads.
    ///
    /// # Errors
    /// None that a layout of this program can have.
    pub fn write(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|fault| fault.to_string())
    }
}
