//! How task ids are made.

use std::fmt::Write;
use std::sync::Arc;

use aurora_api::model::JobKey;

use super::TaskId;

/// One round of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The id of an instance's task: `role-env-job-instance-UUID`, every other character than letters, digits, `_` and `-`
/// replaced by `-` (aurora: `TaskIdGenerator.java`). The UUID follows from the seed and the instance: ids are part of the
/// log's meaning, so this function never changes.
pub fn task_id(job: &JobKey, instance: i32, seed: u128) -> TaskId {
    let salt = mix(u64::from(instance as u32));
    let high = mix((seed >> 64) as u64 ^ salt);
    let low = mix(seed as u64 ^ mix(high));
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let mut id =
        String::with_capacity(job.role.len() + job.environment.len() + job.name.len() + 50);
    for part in [&job.role, &job.environment, &job.name] {
        id.extend(part.chars().map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
            _ => '-',
        }));
        id.push('-');
    }
    // Writing into a string cannot fail.
    let _ = write!(id, "{instance}-{uuid}");
    Arc::from(id)
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
}
