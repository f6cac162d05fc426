//! Quotas: what roles may use, and what is used of it.

use crate::chart;
use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

const MIB: f64 = 1024.0 * 1024.0;
/// Columns of a bar.
const BAR: usize = 6;
/// From this part on a resource is nearly used up.
const NEARLY: f64 = 0.9;

/// Bytes as a cell shows them.
pub(crate) fn bytes(count: f64) -> String {
    // The cast saturates.
    text::bytes(count.max(0.0) as u64)
}

/// Cores as a cell shows them.
pub(crate) fn cores(count: f64) -> String {
    format!("{}", (count * 1000.0).round() / 1000.0)
}

/// What is used of a limit, with a bar; nothing where it is not known.
fn used(amount: Option<f64>, limit: f64, shown: fn(f64) -> String) -> Cell {
    let Some(amount) = amount else {
        return Cell::none();
    };
    let part = match (limit > 0.0, amount > 0.0) {
        (true, _) => amount / limit,
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    // The number comes first: it is what is left when there is little room.
    let text = format!("{:>8} {}", shown(amount), chart::bar(part, BAR));
    Cell::number(amount, text).scope(match part {
        1.0.. => Scope::Bad,
        NEARLY.. => Scope::Warn,
        _ => Scope::None,
    })
}

pub(super) fn quotas(state: &State) -> Table {
    let columns = vec![
        Column::text("role", 0),
        Column::number("cpus", 0),
        Column::text("cpus_used", 0),
        Column::number("ram", 1),
        Column::text("ram_used", 1),
        Column::number("disk", 2),
        Column::text("disk_used", 2),
        Column::number("other_cpus", 3),
        Column::number("other_ram", 4),
        Column::number("other_disk", 5),
    ];
    let known = state.store.answers.quotas();
    let rows = state.store.quotas.values().map(|quota| {
        let ours = known.and_then(|known| known.get(&quota.role));
        let counted = ours.map(|ours| ours.counted);
        let (ram, disk) = (quota.ram_mb as f64 * MIB, quota.disk_mb as f64 * MIB);
        let amount = |value: f64, shown: fn(f64) -> String| Cell::number(value, shown(value));
        let other = |value: Option<f64>, shown: fn(f64) -> String| {
            value.map_or_else(Cell::none, |value| amount(value, shown).dim_zero())
        };
        let uses = [
            used(counted.map(|used| used.cpus), quota.cpus, cores),
            used(counted.map(|used| used.ram), ram, bytes),
            used(counted.map(|used| used.disk), disk, bytes),
        ];
        let problem = uses.iter().any(|cell| cell.scope != Scope::None);
        let [cpus_used, ram_used, disk_used] = uses;
        Row {
            id: quota.role.clone(),
            problem,
            cells: vec![
                Cell::text(&quota.role),
                amount(quota.cpus, cores),
                cpus_used,
                amount(ram, bytes),
                ram_used,
                amount(disk, bytes),
                disk_used,
                other(ours.map(|ours| ours.other.cpus), cores),
                other(ours.map(|ours| ours.other.ram), bytes),
                other(ours.map(|ours| ours.other.disk), bytes),
            ],
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}
