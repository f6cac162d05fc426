//! How task ids are made.
//!
//! An id is `role-env-job-instance-UUID` (aurora: `TaskIdGenerator.java`): all of it but the UUID is known from the task's
//! configuration and instance, so a record keeps 16 bytes of it, and the text is made where somebody wants to read it.

use std::io::Write;
use std::sync::Arc;

use aurora_api::model::JobKey;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::TaskId;

/// One round of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The UUID of an instance's task. It follows from the seed and the instance: ids are part of the log's meaning, so this
/// function never changes.
pub(crate) fn task_uuid(instance: i32, seed: u128) -> Uuid {
    let salt = mix(u64::from(instance as u32));
    let high = mix((seed >> 64) as u64 ^ salt);
    let low = mix(seed as u64 ^ mix(high));
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The id of an instance's task.
pub fn task_id(job: &JobKey, instance: i32, seed: u128) -> TaskId {
    IdText::of(&id_prefix(job)).with(instance, task_uuid(instance, seed))
}

/// How the ids of a job's tasks begin; every other character than letters, digits, `_` and `-` is replaced by `-`.
pub(crate) fn id_prefix(job: &JobKey) -> Box<str> {
    let mut prefix = String::new();
    for part in [&job.role, &job.environment, &job.name] {
        prefix.extend(part.chars().map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
            _ => '-',
        }));
        prefix.push('-');
    }
    prefix.into()
}

/// Makes the texts of ids that begin alike.
pub(crate) struct IdText {
    text: String,
    prefix: usize,
}

impl IdText {
    pub(crate) fn of(prefix: &str) -> IdText {
        // Room for an instance, a hyphen and a UUID.
        let mut text = String::with_capacity(prefix.len() + IdParts::MOST);
        text.push_str(prefix);
        IdText {
            text,
            prefix: prefix.len(),
        }
    }

    pub(crate) fn with(&mut self, instance: i32, uuid: Uuid) -> TaskId {
        self.text.truncate(self.prefix);
        self.text.push_str(IdParts::of(instance, uuid).text());
        Arc::from(self.text.as_str())
    }
}

/// What follows the prefix of an id, without taking memory.
pub(crate) struct IdParts {
    text: [u8; IdParts::MOST],
    len: usize,
}

impl IdParts {
    /// The digits of an instance with a sign, a hyphen and a UUID.
    const MOST: usize = 12 + Hyphenated::LENGTH;

    pub(crate) fn of(instance: i32, uuid: Uuid) -> IdParts {
        let mut text = [0; IdParts::MOST];
        let mut rest = &mut text[..];
        // There is room for every number.
        let _ = write!(rest, "{instance}-");
        let digits = IdParts::MOST - rest.len();
        uuid.hyphenated().encode_lower(&mut text[digits..]);
        let len = digits + Hyphenated::LENGTH;
        IdParts { text, len }
    }

    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.text[..self.len].iter().copied()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

/// An id, taken apart into what comes before its UUID and the UUID; `None` when the UUID is not spelled as [`IdText`] does.
pub(crate) fn split(id: &str) -> Option<(&str, Uuid)> {
    let at = id.len().checked_sub(Hyphenated::LENGTH)?;
    let (head, tail) = id.split_at_checked(at)?;
    let is_lower = !tail.bytes().any(|byte| byte.is_ascii_uppercase());
    let uuid = Uuid::try_parse(tail).ok().filter(|_| is_lower)?;
    Some((head, uuid))
}

/// The instance in what comes before an id's UUID, when that begins like this; `None` when it is not spelled as [`IdText`]
/// does.
pub(crate) fn instance_in(head: &str, prefix: &str) -> Option<i32> {
    let number = head.strip_prefix(prefix)?.strip_suffix('-')?;
    let is_plain = number == "0" || number.starts_with(|first| matches!(first, '1'..='9'));
    number.parse().ok().filter(|_| is_plain)
}

/// The instance whose task has this id; `None` when it is not spelled as [`task_id`] does for this job.
pub(crate) fn instance_of(id: &str, job: &JobKey) -> Option<i32> {
    let (head, _) = split(id)?;
    instance_in(head, &id_prefix(job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fixed_by_seed_and_instance() {
        let job = JobKey::new("www.data", "prod", "a.b_c");
        let id = task_id(&job, 12, 42);
        let (head, uuid) = id.split_at("www-data-prod-a-b_c-12-".len());
        assert_eq!(head, "www-data-prod-a-b_c-12-");
        assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 4);
        assert_eq!(id, task_id(&job, 12, 42));
        let others = [
            task_id(&job, 13, 42),
            task_id(&job, 12, 43),
            task_id(&job, 12, 42 << 64),
        ];
        for other in others {
            assert_ne!(other[other.len() - 36..], *uuid);
        }
    }

    #[test]
    fn parts_have_room_for_every_number() {
        let uuid = task_uuid(0, 1);
        for instance in [0, 7, 1_000, i32::MAX, i32::MIN] {
            let expected = format!("{instance}-{uuid}");
            assert_eq!(IdParts::of(instance, uuid).text(), expected);
        }
    }

    #[test]
    fn an_id_gives_its_instance_in_one_spelling_only() {
        let uuid = task_uuid(7, 42);
        let check = |id: String, expected: Option<i32>| {
            let found = split(&id).and_then(|(head, _)| instance_in(head, "www-prod-a-"));
            assert_eq!(found, expected, "{id}");
        };
        check(format!("www-prod-a-7-{uuid}"), Some(7));
        check(format!("www-prod-a-0-{uuid}"), Some(0));
        check(format!("www-prod-a-120-{uuid}"), Some(120));
        for other in [
            format!("www-prod-b-7-{uuid}"),
            format!("www-prod-a-07-{uuid}"),
            format!("www-prod-a-+7-{uuid}"),
            format!("www-prod-a--0-{uuid}"),
            format!("www-prod-a--{uuid}"),
            format!("www-prod-a-7-{:X}", uuid.hyphenated()),
            format!("www-prod-a-7{uuid}"),
            format!("www-prod-a-7-é{}", &uuid.to_string()[2..]),
            "www-prod-a-7".to_owned(),
        ] {
            check(other, None);
        }
    }
}
