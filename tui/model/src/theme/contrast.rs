//! How well a theme can be read, by the contrast ratio of WCAG 2 (1 to 21).

use super::{Color, Depth, Scope, Style, Theme, indexed_rgb, is_for_light};

type Rgb = (u8, u8, u8);

/// A part of a colour as light, 0 to 1 (IEC 61966-2-1).
fn linear(part: u8) -> f64 {
    let part = f64::from(part) / 255.0;
    if part <= 0.04045 {
        part / 12.92
    } else {
        ((part + 0.055) / 1.055).powf(2.4)
    }
}

fn luminance((r, g, b): Rgb) -> f64 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// The contrast ratio of two colours.
pub(crate) fn ratio(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn rgb(color: Color, default: Rgb) -> Rgb {
    match color {
        Color::Default => default,
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Indexed(index) | Color::Ansi(index) => indexed_rgb(index),
    }
}

impl Theme {
    /// Foreground and background of a scope, with the terminal's own colours where the theme sets none: black on white
    /// where the theme is for light backgrounds, else light grey on black.
    pub(crate) fn colors(&self, scope: Scope, depth: Depth) -> (Rgb, Rgb) {
        let light = is_for_light(&self.name);
        let (ink, paper) = match light {
            true => ((0, 0, 0), (255, 255, 255)),
            false => ((229, 229, 229), (0, 0, 0)),
        };
        let under = self.style(Scope::Ui, depth);
        let Style { fg, bg, .. } = self.style(scope, depth);
        (
            fg.or(under.fg).map_or(ink, |color| rgb(color, ink)),
            bg.or(under.bg).map_or(paper, |color| rgb(color, paper)),
        )
    }

    /// The contrast ratio of a scope's text.
    pub fn contrast(&self, scope: Scope, depth: Depth) -> f64 {
        let (fg, bg) = self.colors(scope, depth);
        ratio(fg, bg)
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUILT_IN;
    use super::*;

    #[test]
    fn ratios_are_those_of_the_standard() {
        // 21 is the greatest there is; #767676 is the lightest grey that WCAG 2 takes on white (4.54).
        assert!((ratio((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
        assert!((ratio((0x76, 0x76, 0x76), (255, 255, 255)) - 4.54).abs() < 0.005);
    }

    #[test]
    fn every_text_of_every_theme_can_be_read() {
        let mut faults = Vec::new();
        for (name, _) in BUILT_IN {
            let (theme, _) = Theme::built_in(name).unwrap();
            for depth in [Depth::True, Depth::Indexed, Depth::Sixteen] {
                for (scope, scope_name, _) in Scope::ALL {
                    let least = match scope {
                        // A line is no text.
                        Scope::Border => continue,
                        _ if *name == "high-contrast" && depth != Depth::Sixteen => 7.0,
                        Scope::BorderFocus | Scope::Dim | Scope::Hint => 3.0,
                        // Sixteen colours leave little choice, and are what the terminal makes of them.
                        _ if depth == Depth::Sixteen || name.starts_with("16-") => 3.7,
                        _ => 4.5,
                    };
                    let found = theme.contrast(*scope, depth);
                    if found < least {
                        faults.push(format!(
                            "{name} {depth:?} {scope_name}: {found:.2} < {least}"
                        ));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// What people without one kind of cones see, in linear light (Machado, Oliveira and Fernandes 2009, severity 1).
    const EYES: [(&str, [[f64; 3]; 3]); 4] = [
        ("all", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "no red",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "no green",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.01182, 0.04294, 0.968881],
            ],
        ),
        (
            "no blue",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.3039],
            ],
        ),
    ];

    /// CIE L*a*b* (D65) of a colour seen with such eyes.
    fn seen(eyes: &[[f64; 3]; 3], (r, g, b): Rgb) -> [f64; 3] {
        let light = [linear(r), linear(g), linear(b)];
        let [r, g, b] = eyes.map(|row| {
            let sum: f64 = row
                .iter()
                .zip(light)
                .map(|(weight, part)| weight * part)
                .sum();
            sum.clamp(0.0, 1.0)
        });
        let curve = |t: f64| {
            if t > 0.008856 {
                t.cbrt()
            } else {
                7.787 * t + 16.0 / 116.0
            }
        };
        let x = curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
        let y = curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn states_differ_for_everybodys_eyes_in_the_themes_made_for_that() {
        for name in ["cvd-dark", "cvd-light"] {
            let (theme, _) = Theme::built_in(name).unwrap();
            let states = [Scope::StateRunning, Scope::StateWaiting, Scope::StateFailed];
            for (kind, eyes) in &EYES {
                for (at, one) in states.iter().enumerate() {
                    for other in &states[at + 1..] {
                        let color = |scope| seen(eyes, theme.colors(scope, Depth::True).0);
                        let (a, b) = (color(*one), color(*other));
                        let distance: f64 = a
                            .iter()
                            .zip(b)
                            .map(|(a, b)| (a - b).powi(2))
                            .sum::<f64>()
                            .sqrt();
                        assert!(
                            distance > 20.0,
                            "{name}, {kind}: {one:?} and {other:?} {distance:.1}"
                        );
                    }
                }
            }
        }
    }
}
