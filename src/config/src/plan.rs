//! Whether a task's processes can be run in the order that its constraints ask for (aurora: `thermos/common/planner.py`).

use std::collections::{BTreeMap, BTreeSet};

/// What a plan needs to know of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlannedProcess {
    pub(crate) name: String,
    pub(crate) is_daemon: bool,
    pub(crate) is_ephemeral: bool,
    pub(crate) is_final: bool,
}

/// Checks the ordinary and the finalizing plan.
///
/// # Errors
/// Upstream's text of what is wrong.
pub(crate) fn check(processes: &[PlannedProcess], orders: &[Vec<String>]) -> Result<(), String> {
    for is_final in [false, true] {
        check_one(processes, orders, is_final)?;
    }
    Ok(())
}

fn check_one(
    processes: &[PlannedProcess],
    orders: &[Vec<String>],
    is_final: bool,
) -> Result<(), String> {
    let planned: BTreeMap<&str, &PlannedProcess> = processes
        .iter()
        .filter(|process| process.is_final == is_final)
        .map(|process| (process.name.as_str(), process))
        .collect();
    let mut waits_for: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for order in orders {
        let known = order
            .iter()
            .filter(|name| planned.contains_key(name.as_str()))
            .count();
        // All of an order's names belong to one plan; an empty order belongs to none.
        if order.is_empty() || (known != 0 && known != order.len()) {
            return Err("Invalid process dependencies!".to_owned());
        }
        if known == 0 {
            continue;
        }
        for pair in order.windows(2) {
            let (earlier, later) = (planned[pair[0].as_str()], planned[pair[1].as_str()]);
            if earlier.is_daemon {
                return Err(format!(
                    "Process {} may not depend upon daemon process {}",
                    later.name, earlier.name
                ));
            }
            if !later.is_ephemeral && earlier.is_ephemeral {
                return Err(format!(
                    "Non-ephemeral process {} may not depend upon ephemeral process {}",
                    later.name, earlier.name
                ));
            }
            waits_for
                .entry(&later.name)
                .or_default()
                .insert(&earlier.name);
        }
    }
    let mut left: BTreeSet<&str> = planned.keys().copied().collect();
    loop {
        let ready: Vec<&str> = left
            .iter()
            .copied()
            .filter(|name| {
                waits_for
                    .get(name)
                    .is_none_or(|earlier| earlier.iter().all(|name| !left.contains(name)))
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            left.remove(name);
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err("Cycles detected in the task schedule!".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_follow_upstreams_rules() {
        // A leading letter marks a process: d daemon, e ephemeral, f final, p plain.
        let process = |name: &str| PlannedProcess {
            name: name.to_owned(),
            is_daemon: name.starts_with('d'),
            is_ephemeral: name.starts_with('e'),
            is_final: name.starts_with('f'),
        };
        let invalid = Err("Invalid process dependencies!");
        let cycle = Err("Cycles detected in the task schedule!");
        for (processes, orders, expected) in [
            ("p1 p2", "p1 p2", Ok(())),
            ("p1 p2 f1 f2", "p1 p2/f1 f2", Ok(())),
            ("p1 f1", "p1 f1", invalid),
            ("p1", "p1 p9", invalid),
            ("p1", "p8 p9", Ok(())),
            ("p1 p2", "p1 p2/p2 p1", cycle),
            ("p1", "p1 p1", cycle),
            ("d1 p1", "p1 d1", Ok(())),
            (
                "d1 p1",
                "d1 p1",
                Err("Process p1 may not depend upon daemon process d1"),
            ),
            (
                "e1 p1",
                "e1 p1",
                Err("Non-ephemeral process p1 may not depend upon ephemeral process e1"),
            ),
            ("e1 e2", "e1 e2", Ok(())),
        ] {
            let listed: Vec<PlannedProcess> = processes.split(' ').map(process).collect();
            let ordered: Vec<Vec<String>> = orders
                .split('/')
                .map(|order| order.split(' ').map(str::to_owned).collect())
                .collect();
            let expected: Result<(), String> = expected.map_err(str::to_owned);
            assert_eq!(check(&listed, &ordered), expected, "{processes}: {orders}");
        }
        assert_eq!(
            check(&[process("p1")], &[vec![]]),
            invalid.map_err(str::to_owned)
        );
    }
}
