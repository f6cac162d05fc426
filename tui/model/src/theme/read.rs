//! Colours and scopes from TOML values.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::{ANSI_NAMES, Choice, Emphasis, Entry};

/// Reads one scope's table over what is inherited; faults come with their place.
pub(super) fn read_entry(
    value: &DeValue<'_>,
    at: usize,
    palette: &BTreeMap<String, Choice>,
    entry: &mut Entry,
) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let Some(table) = value.as_table() else {
        match choice(value, palette) {
            Ok(choice) => entry.fg = Some(choice),
            Err(message) => faults.push((at, message)),
        }
        return faults;
    };
    for (key, value) in table.iter() {
        let at = value.span().start;
        match key.get_ref().as_ref() {
            "fg" => match choice(value.get_ref(), palette) {
                Ok(choice) => entry.fg = Some(choice),
                Err(message) => faults.push((at, message)),
            },
            "bg" => match choice(value.get_ref(), palette) {
                Ok(choice) => entry.bg = Some(choice),
                Err(message) => faults.push((at, message)),
            },
            "glyph" => match value.get_ref().as_str() {
                Some(glyph) if crate::text::width(glyph) == 1 => {
                    entry.glyph = Some(glyph.to_owned())
                }
                _ => faults.push((
                    at,
                    "a glyph is one character that takes one column".to_owned(),
                )),
            },
            "mod" => {
                let mut emphasis = Emphasis::default();
                for item in value
                    .get_ref()
                    .as_array()
                    .into_iter()
                    .flat_map(|array| array.iter())
                {
                    match item.get_ref().as_str() {
                        Some("bold") => emphasis.bold = true,
                        Some("dim") => emphasis.dim = true,
                        Some("italic") => emphasis.italic = true,
                        Some("underlined") => emphasis.underlined = true,
                        Some("reversed") => emphasis.reversed = true,
                        _ => faults.push((
                            item.span().start,
                            "`mod` is a list of bold, dim, italic, underlined, reversed".to_owned(),
                        )),
                    }
                }
                entry.emphasis = Some(emphasis);
            }
            other => faults.push((
                at,
                format!("`{other}` is not known here; a scope has fg, bg, mod, glyph"),
            )),
        }
    }
    faults
}

/// Reads a colour.
pub(super) fn choice(
    value: &DeValue<'_>,
    palette: &BTreeMap<String, Choice>,
) -> Result<Choice, String> {
    if let Some(text) = value.as_str() {
        if let Some(known) = palette.get(text) {
            return Ok(*known);
        }
        if text == "default" {
            return Ok(Choice {
                default: true,
                ..Choice::default()
            });
        }
        if let Some(number) = ansi_number(text) {
            return Ok(Choice {
                ansi: Some(number),
                ..Choice::default()
            });
        }
        if let Some(rgb) = hex(text) {
            return Ok(Choice {
                rgb: Some(rgb),
                ..Choice::default()
            });
        }
        return Err(format!(
            "`{text}` is neither in [palette], nor #rrggbb, nor `default`, nor one of {}",
            ANSI_NAMES.join(", ")
        ));
    }
    let small = |value: &DeValue<'_>| {
        let integer = value.as_integer()?;
        u8::from_str_radix(integer.as_str(), integer.radix()).ok()
    };
    if let Some(index) = small(value) {
        return Ok(Choice {
            indexed: Some(index),
            ..Choice::default()
        });
    }
    let Some(table) = value.as_table() else {
        return Err(
            "a colour is a name, \"#rrggbb\", a number from 0 to 255, or a table of true, 256, 16"
                .to_owned(),
        );
    };
    let mut out = Choice::default();
    for (key, value) in table.iter() {
        let value = value.get_ref();
        match key.get_ref().as_ref() {
            "true" => {
                out.rgb = Some(
                    value
                        .as_str()
                        .and_then(hex)
                        .ok_or("`true` takes \"#rrggbb\"")?,
                )
            }
            "256" => out.indexed = Some(small(value).ok_or("`256` takes a number from 0 to 255")?),
            "16" => {
                out.ansi = Some(
                    value
                        .as_str()
                        .and_then(ansi_number)
                        .ok_or_else(|| format!("`16` takes one of {}", ANSI_NAMES.join(", ")))?,
                );
            }
            other => {
                return Err(format!(
                    "`{other}` is not known here; a colour has true, 256, 16"
                ));
            }
        }
    }
    Ok(out)
}

fn ansi_number(name: &str) -> Option<u8> {
    ANSI_NAMES
        .iter()
        .position(|known| *known == name)
        .and_then(|index| u8::try_from(index).ok())
}

fn hex(text: &str) -> Option<(u8, u8, u8)> {
    let digits = text.strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some((part(0)?, part(2)?, part(4)?))
}
