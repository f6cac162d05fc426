//! How many tasks of round sizes the held offers have room for (aurora: `SlotSizeCounter.java`, `ResourceBag.java`).

use super::Core;
use super::classes::Likeness;
use super::config::Config;
use super::resources::Bag;

/// Sizes by name: cores, and MiB of memory and disk.
const SIZES: [(&str, [i64; 3]); 4] = [
    ("small", [1, 1024, 4096]),
    ("medium", [4, 8192, 16384]),
    ("large", [8, 16384, 32768]),
    ("xlarge", [16, 32768, 65536]),
];

/// Who may use a slot, with what its counter's name says of that: dedicated, revocable.
const GROUPS: [(&str, bool, bool); 4] = [
    ("", false, false),
    ("dedicated_", true, false),
    ("revocable_", false, true),
    ("dedicated_revocable_", true, true),
];

impl Core {
    /// Upstream's gauges of free slots, also of those of which there are none. Offers that are alike are looked at once.
    pub(super) fn empty_slots(&self) -> impl Iterator<Item = (String, u64)> {
        GROUPS
            .iter()
            .flat_map(move |(group, dedicated, revocable)| {
                SIZES.iter().map(move |(name, size)| {
                    let classes = self.offers.classes.iter();
                    let of_group = classes.filter(|(class, _)| class.is_dedicated == *dedicated);
                    let slots = of_group.map(|(class, offers)| {
                        let has = room(class, *revocable, &self.config);
                        has.map_or(0, |has| fitting(has, *size)) * offers as u64
                    });
                    (format!("empty_slots_{group}{name}"), slots.sum())
                })
            })
    }
}

/// What an offer has for slots of a kind. There are revocable ones only where there is something that Mesos may take back:
/// the kinds that it may not are counted with them.
fn room<'a>(class: &'a Likeness, revocable: bool, config: &Config) -> Option<&'a Bag> {
    let has = class.has(revocable);
    (!revocable || *has != has.without_revocable(config)).then_some(has)
}

fn fitting(has: &Bag, [cpus, ram, disk]: [i64; 3]) -> u64 {
    let times = [(has.cpus, cpus), (has.ram, ram), (has.disk, disk)];
    let times = times.map(|(has, size)| u64::try_from(has / (size * 1000)).unwrap_or(0));
    times.into_iter().min().unwrap_or(0)
}
