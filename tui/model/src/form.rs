//! Forms: fields that make up a command line, with what each of them allows.

use crate::filter;
use crate::state::Input;
use crate::views::{bytes, cores};

/// What a field takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Takes {
    /// Cores; so many are used.
    Cores(Option<f64>),
    /// Bytes with a unit; so many are used.
    Bytes(Option<f64>),
    /// One of these words.
    OneOf(Vec<&'static str>),
    /// A file on this machine.
    Path,
    /// A job of the file that the field before names.
    Job,
}

/// A field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub label: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What is typed in it.
    pub input: Input,
}

/// A form.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Its title.
    pub title: String,
    /// The command line that the fields' values are appended to.
    pub line: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The one that has the keys.
    pub focus: usize,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl Field {
    /// A field with something in it.
    pub(crate) fn new(label: &'static str, takes: Takes, text: &str) -> Field {
        Field {
            label,
            takes,
            input: Input::of(text),
        }
    }

    /// What is wrong with what is typed; else what it means.
    pub fn remark(&self) -> Result<String, String> {
        let typed = self.input.text.trim();
        match &self.takes {
            Takes::Cores(used) => {
                let value = typed.parse().ok().filter(|value: &f64| value.is_finite());
                amount(value, *used, cores).ok_or("a number of cores, such as 2.5".to_owned())?
            }
            Takes::Bytes(used) => {
                let with_unit = typed.ends_with(|c: char| c.is_ascii_alphabetic());
                let typed: String = typed.split_whitespace().collect();
                let value = filter::quantity(&typed).filter(|_| with_unit);
                let shape = "an amount with its unit, such as 512MiB or 4GiB";
                amount(value, *used, bytes).ok_or(shape.to_owned())?
            }
            Takes::OneOf(words) => match words.contains(&typed) {
                true => Ok("tab turns to the next one".to_owned()),
                false => Err(format!("one of {}", words.join(", "))),
            },
            Takes::Path => match typed {
                "" => Err("a job file; tab completes it".to_owned()),
                path if path.contains('"') => Err("its name has a quotation mark".to_owned()),
                _ => Ok("tab completes it, down goes on".to_owned()),
            },
            Takes::Job => match typed.split('/').count() {
                3 | 4 => Ok("tab completes it".to_owned()),
                _ => Err("ROLE/ENVIRONMENT/NAME; tab completes it".to_owned()),
            },
        }
    }

    /// The next of the words that it takes; false where it takes other things.
    pub(crate) fn turn(&mut self, forwards: bool) -> bool {
        let Takes::OneOf(words) = &self.takes else {
            return false;
        };
        let at = words.iter().position(|word| *word == self.input.text);
        let count = words.len().max(1);
        let next = match (at, forwards) {
            (Some(at), true) => (at + 1) % count,
            (Some(at), false) => (at + count - 1) % count,
            (None, _) => 0,
        };
        self.input = Input::of(words.get(next).unwrap_or(&""));
        true
    }
}

/// What an amount means beside what is used; nothing when it is none.
fn amount(
    value: Option<f64>,
    used: Option<f64>,
    shown: fn(f64) -> String,
) -> Option<Result<String, String>> {
    let value = value.filter(|value| *value >= 0.0)?;
    Some(match used {
        None => Ok("what is used is not known".to_owned()),
        Some(used) if value < used => Err(format!(
            "{} are used: at least that much is needed",
            shown(used)
        )),
        Some(used) => Ok(format!(
            "{} used, {} left; at least {}",
            shown(used),
            shown(value - used),
            shown(used)
        )),
    })
}

impl Form {
    /// The command line that it makes, when every field has what it takes.
    pub fn command(&self) -> Result<String, String> {
        let mut line = self.line.clone();
        for field in &self.fields {
            let wrong = |why: String| format!("{}: {why}", field.label);
            field.remark().map_err(wrong)?;
            line.push(' ');
            match field.takes {
                // Names of files may have blanks in them.
                Takes::Path => line.push_str(&format!("\"{}\"", field.input.text.trim())),
                _ => line.extend(field.input.text.chars().filter(|c| !c.is_whitespace())),
            }
        }
        Ok(line)
    }

    /// To the next field, or the one before.
    pub(crate) fn step(&mut self, forwards: bool) {
        let count = self.fields.len().max(1);
        self.focus = match forwards {
            true => (self.focus + 1) % count,
            false => (self.focus + count - 1) % count,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_say_what_they_allow() {
        let mib = |count: f64| count * 1024.0 * 1024.0;
        let states = || Takes::OneOf(vec!["LOST", "KILLED"]);
        for (takes, text, expected) in [
            (
                Takes::Cores(Some(2.5)),
                "4",
                Ok("2.5 used, 1.5 left; at least 2.5"),
            ),
            (Takes::Cores(Some(2.5)), "2", Err("2.5 are used")),
            (Takes::Cores(None), "2", Ok("not known")),
            (Takes::Cores(None), "-1", Err("a number of cores")),
            (Takes::Cores(None), "NaN", Err("a number of cores")),
            (
                Takes::Bytes(Some(mib(512.0))),
                "1 GiB",
                Ok("512 MiB used, 512 MiB left"),
            ),
            (
                Takes::Bytes(Some(mib(512.0))),
                "511MiB",
                Err("512 MiB are used"),
            ),
            (Takes::Bytes(None), "2048", Err("with its unit")),
            (Takes::Path, "a b.aurora", Ok("tab")),
            (Takes::Path, " ", Err("a job file")),
            (Takes::Job, "w/devel/hello/0-2", Ok("tab")),
            (Takes::Job, "hello", Err("ROLE/ENVIRONMENT/NAME")),
            (states(), "LOST", Ok("tab")),
            (states(), "DEAD", Err("one of LOST, KILLED")),
        ] {
            let remark = Field::new("x", takes, text).remark();
            let (Ok(said) | Err(said)) = &remark;
            let (Ok(part) | Err(part)) = expected;
            assert!(said.contains(part), "{text}: {said}");
            assert_eq!(remark.is_ok(), expected.is_ok(), "{text}: {said}");
        }
        let mut form = Form {
            title: String::new(),
            line: "quota-set w".to_owned(),
            fields: vec![
                Field::new("cpus", Takes::Cores(None), "3"),
                Field::new("ram", Takes::Bytes(None), "2 GiB"),
            ],
            focus: 0,
            error: None,
        };
        assert_eq!(form.command().as_deref(), Ok("quota-set w 3 2GiB"));
        form.fields[1].input = Input::of("2");
        assert!(form.command().unwrap_err().starts_with("ram: "));
        form.fields = vec![
            Field::new("file", Takes::Path, "my jobs/x.aurora"),
            Field::new("job", Takes::Job, "w/devel/x"),
        ];
        let line = "quota-set w \"my jobs/x.aurora\" w/devel/x";
        assert_eq!(form.command().as_deref(), Ok(line));
    }
}
