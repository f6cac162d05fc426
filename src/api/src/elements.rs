//! Answers whose elements are taken out one by one while their bytes come, so that a large one is never held whole.

use crate::binary::BinaryReader;
use crate::message::{Protocol, decode_reply, read_header_binary};
use crate::model::Response;
use crate::wire::{DecodeError, Reader, Type, Wire};

/// An element is not larger; what claims to be is not waited for.
const LARGEST: usize = 16 * 1024 * 1024;
/// Bytes of the collection's header: the type of its elements and their number.
const HEADER: usize = 5;
/// Where the collection is: the answer's success, its result, whatever the result is, and the first field of that.
const PATH: [Option<i16>; 4] = [Some(0), Some(3), None, Some(1)];

/// Takes the elements out of an answer in the binary protocol whose result is one collection of structs, such as that of
/// `getJobSummary` and `getTasksWithoutConfigs`.
#[derive(Debug, Default)]
pub struct Elements {
    /// What has come and was not read yet.
    pending: Vec<u8>,
    /// The answer without its elements.
    rest: Vec<u8>,
    /// How many elements are still to come; none: the collection was not found yet.
    left: Option<usize>,
}

impl Elements {
    /// Takes in the next bytes, and gives out the elements that are complete then.
    ///
    /// # Errors
    /// Bytes that are no element, or no answer.
    pub fn take<T: Wire>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(T),
    ) -> Result<(), DecodeError> {
        self.pending.extend_from_slice(bytes);
        if self.left.is_none() && !self.find()? {
            return Ok(());
        }
        let (mut at, mut left) = (0, self.left.unwrap_or(0));
        while left > 0 {
            let pending = &self.pending[at..];
            let mut input = BinaryReader::new(pending);
            match T::read(&mut input) {
                Ok(element) => each(element),
                Err(error) if is_incomplete(&error) && pending.len() < LARGEST => break,
                Err(error) => return Err(error),
            }
            at += input.position();
            left -= 1;
        }
        self.pending.drain(..at);
        self.left = Some(left);
        Ok(())
    }

    /// The answer without its elements.
    ///
    /// # Errors
    /// Of the answer, or that elements are missing.
    pub fn end(mut self) -> Result<Response, DecodeError> {
        if self.left.is_some_and(|left| left > 0) {
            let at = self.pending.len();
            return Err(DecodeError::Truncated { at });
        }
        self.rest.append(&mut self.pending);
        decode_reply(Protocol::Binary, &self.rest)
    }

    /// Looks for the collection. An answer without one is read at its end.
    fn find(&mut self) -> Result<bool, DecodeError> {
        let (at, count) = match collection(&self.pending) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(false),
            Err(error) if is_incomplete(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.rest.extend(self.pending.drain(..at));
        // What is left of the answer has an empty one.
        let end = self.rest.len();
        self.rest[end - 4..].fill(0);
        self.left = Some(count);
        Ok(true)
    }
}

/// Whether more bytes may make it right.
fn is_incomplete(error: &DecodeError) -> bool {
    matches!(
        error,
        DecodeError::Truncated { .. } | DecodeError::Length { length: 0.., .. }
    )
}

/// Where the elements begin, and how many there are.
fn collection(answer: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut input = BinaryReader::new(answer);
    read_header_binary(&mut input)?;
    for wanted in PATH {
        input.struct_begin()?;
        let kind = loop {
            match input.field_begin(&[])? {
                None => return Ok(None),
                Some((id, kind)) if wanted.is_none_or(|wanted| wanted == id) => break kind,
                Some((_, kind)) => input.skip(kind)?,
            }
        };
        match (kind, wanted) {
            (Type::Set | Type::List, Some(1)) => {}
            (Type::Struct, None | Some(0 | 3)) => {}
            _ => return Ok(None),
        }
    }
    let at = input.position();
    let header = input.take(HEADER)?;
    let count = i32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    match usize::try_from(count) {
        Ok(count) if Type::from_tag(header[0]) == Some(Type::Struct) => {
            Ok(Some((at + HEADER, count)))
        }
        Ok(_) => Ok(None),
        Err(_) => Err(DecodeError::Length {
            at: at + 1,
            length: i64::from(count),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::encode_reply;
    use crate::model::{
        JobKey, JobSummary, JobSummaryResult, ResponseCode, ResponseDetail, Result as Answer,
    };

    fn summary(name: &str) -> JobSummary {
        let mut summary = JobSummary::default();
        summary.job.key = JobKey {
            role: "www".to_owned(),
            environment: "prod".to_owned(),
            name: name.to_owned(),
        };
        summary
    }

    fn reply(code: ResponseCode, result: Option<Answer>) -> Vec<u8> {
        let response = Response {
            response_code: code,
            result,
            details: vec![ResponseDetail {
                message: Some("said".to_owned()),
            }],
            ..Response::default()
        };
        encode_reply(Protocol::Binary, "getJobSummary", 0, &response)
    }

    fn summaries(names: &[&str]) -> Option<Answer> {
        Some(Answer::JobSummaryResult(JobSummaryResult {
            summaries: names.iter().map(|name| summary(name)).collect(),
        }))
    }

    /// What is read of an answer that comes in pieces of this size.
    fn read(answer: &[u8], size: usize) -> (Vec<String>, Result<Response, DecodeError>) {
        let mut elements = Elements::default();
        let mut names = Vec::new();
        for piece in answer.chunks(size) {
            let each = |summary: JobSummary| names.push(summary.job.key.name);
            if let Err(error) = elements.take(piece, each) {
                return (names, Err(error));
            }
        }
        (names, elements.end())
    }

    #[test]
    fn elements_are_read_whatever_the_pieces() {
        use ResponseCode::{AuthFailed, Ok as Fine};
        for (code, result, expected) in [
            (Fine, summaries(&["a", "b", "c"]), vec!["a", "b", "c"]),
            (Fine, summaries(&[]), vec![]),
            (Fine, None, vec![]),
            (AuthFailed, None, vec![]),
        ] {
            let answer = reply(code, result);
            for size in [1, 2, 7, 64, answer.len()] {
                let (names, response) = read(&answer, size);
                let response = response.unwrap();
                assert_eq!(names, expected, "{size}");
                assert_eq!(response.response_code, code);
                assert_eq!(response.details[0].message.as_deref(), Some("said"));
            }
        }
    }

    #[test]
    fn answers_that_end_too_early_or_lie_are_refused() {
        let answer = reply(ResponseCode::Ok, summaries(&["a", "b"]));
        for end in 0..answer.len() {
            let (_, response) = read(&answer[..end], 16);
            assert!(response.is_err(), "{end} bytes of {}", answer.len());
        }
        let (found, _) = collection(&answer).unwrap().unwrap();
        for count in [-1_i32, 3, i32::MAX] {
            let mut lie = answer.clone();
            lie[found - 4..found].copy_from_slice(&count.to_be_bytes());
            assert!(read(&lie, 16).1.is_err(), "{count} elements");
        }
    }
}
