//! Help, made from the key map and the table of commands.

use crate::command::{COMMANDS, Weight};
use crate::key::show_sequence;
use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::theme::Scope;

pub(super) fn help(state: &State, view: &str) -> Table {
    let columns = vec![
        Column::text("keys", 0),
        Column::text("command", 0),
        Column::text("meaning", 0),
        Column::text("arguments", 1),
    ];
    let mut rows: Vec<Row> = Vec::new();
    let bindings = state.setup.keymap.bindings(view);
    for spec in COMMANDS {
        if state.setup.read_only && spec.weight == Weight::Changes {
            continue;
        }
        let own: Vec<_> = bindings
            .iter()
            .filter(|(_, binding, _)| {
                binding
                    .run
                    .first()
                    .and_then(|line| line.split_whitespace().next())
                    == Some(spec.name)
            })
            .collect();
        // Keys that run exactly the bare command share a line; others have their own.
        let bare: Vec<String> = own
            .iter()
            .filter(|(_, binding, _)| binding.run == [spec.name])
            .map(|(keys, _, _)| show_sequence(keys))
            .collect();
        let meaning = own
            .iter()
            .find(|(_, binding, _)| binding.run == [spec.name] && !binding.desc.is_empty())
            .map_or(spec.summary, |(_, binding, _)| binding.desc.as_str());
        let mut row = |keys: &str, command: &str, meaning: &str, arguments: &str| {
            rows.push(Row {
                id: format!("{keys} {command}"),
                problem: false,
                cells: vec![
                    Cell::text(keys).scope(Scope::HintKey),
                    Cell::text(command),
                    Cell::text(meaning),
                    Cell::text(arguments).scope(Scope::Dim),
                ],
                attributes: Vec::new(),
            });
        };
        row(&bare.join(", "), spec.name, meaning, spec.args);
        for (keys, binding, _) in own
            .iter()
            .filter(|(_, binding, _)| binding.run != [spec.name])
        {
            row(
                &show_sequence(keys),
                &binding.run.join("; "),
                &binding.describe(),
                "",
            );
        }
    }
    // What has a key comes first; the order of the table is kept inside both halves.
    rows.sort_by_key(|row| row.cells.first().is_none_or(|cell| cell.text.is_empty()));
    Table::new(columns, rows)
}
