//! The order of a task's processes, drawn as a tree.

use serde_json::Value;

use super::inspect::{is_true, items};

/// One process of the drawing.
struct Node<'a> {
    name: &'a str,
    is_final: bool,
    /// The processes that have to end before this one, by their places.
    after: Vec<usize>,
}

/// The processes of a task: each below the last of those that it waits for, the final ones at the end.
pub(super) fn tree(task: &Value) -> Vec<String> {
    let nodes = nodes(task);
    let depths = depths(&nodes);
    // Below the deepest; the first of those.
    let parents: Vec<Option<usize>> = nodes
        .iter()
        .map(|node| {
            let last = node.after.iter().copied();
            let last = last.max_by_key(|at| (depths[*at], usize::MAX - at));
            last.filter(|last| !node.is_final && depths[*last] != IN_CYCLE)
        })
        .collect();
    let mut drawing = Drawing {
        nodes: &nodes,
        children: children(&parents),
        depths: &depths,
        lines: Vec::new(),
    };
    let roots = |is_final: bool| {
        let nodes = &nodes;
        let parents = &parents;
        (0..nodes.len()).filter(move |at| nodes[*at].is_final == is_final && parents[*at].is_none())
    };
    for root in roots(false) {
        drawing.draw(root, "", "");
    }
    let finals: Vec<usize> = roots(true).collect();
    if !finals.is_empty() {
        drawing.lines.push("finally".to_owned());
    }
    drawing.draw_all(&finals, "");
    drawing.lines
}

struct Drawing<'a> {
    nodes: &'a [Node<'a>],
    children: Vec<Vec<usize>>,
    depths: &'a [usize],
    lines: Vec<String>,
}

impl Drawing<'_> {
    fn draw(&mut self, at: usize, branch: &str, indent: &str) {
        let node = &self.nodes[at];
        let mut line = format!("{branch}{}", node.name);
        if self.depths[at] == IN_CYCLE {
            line.push_str(" (waits for itself)");
        } else if node.after.len() > 1 {
            let names: Vec<&str> = node.after.iter().map(|at| self.nodes[*at].name).collect();
            line.push_str(&format!(" (after {})", names.join(", ")));
        }
        self.lines.push(line);
        let below = std::mem::take(&mut self.children[at]);
        self.draw_all(&below, indent);
    }

    fn draw_all(&mut self, all: &[usize], indent: &str) {
        for (place, at) in all.iter().enumerate() {
            let (branch, bar) = if place + 1 == all.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let (branch, deeper) = (format!("{indent}{branch}"), format!("{indent}{bar}"));
            self.draw(*at, &branch, &deeper);
        }
    }
}

fn nodes(task: &Value) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = items(&task["processes"])
        .iter()
        .map(|process| Node {
            name: process["name"].as_str().unwrap_or_default(),
            is_final: is_true(&process["final"]),
            after: Vec::new(),
        })
        .collect();
    for constraint in items(&task["constraints"]) {
        for pair in items(&constraint["order"]).windows(2) {
            let place = |name: &Value| nodes.iter().position(|node| *name == *node.name);
            if let (Some(before), Some(after)) = (place(&pair[0]), place(&pair[1]))
                && !nodes[after].after.contains(&before)
            {
                nodes[after].after.push(before);
            }
        }
    }
    nodes
}

/// The depth of a process that waits for itself.
const IN_CYCLE: usize = usize::MAX;

/// How many processes run one after the other before each.
fn depths(nodes: &[Node<'_>]) -> Vec<usize> {
    let mut depths = vec![IN_CYCLE; nodes.len()];
    loop {
        let mut changed = false;
        for (at, node) in nodes.iter().enumerate() {
            let ready = depths[at] == IN_CYCLE
                && node.after.iter().all(|before| depths[*before] != IN_CYCLE);
            if ready {
                let deepest = node.after.iter().map(|before| depths[*before] + 1).max();
                depths[at] = deepest.unwrap_or(0);
                changed = true;
            }
        }
        if !changed {
            return depths;
        }
    }
}

/// Who is drawn below whom.
fn children(parents: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); parents.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(at);
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(processes: &[&str], orders: &[&[&str]], expected: &[&str]) {
        let processes: Vec<Value> = processes
            .iter()
            .map(|name| json!({"name": name, "final": name.starts_with("final")}))
            .collect();
        let constraints: Vec<Value> = orders.iter().map(|order| json!({"order": order})).collect();
        let task = json!({"processes": processes, "constraints": constraints});
        assert_eq!(tree(&task), expected);
    }

    #[test]
    fn processes_stand_below_what_they_wait_for() {
        check(&["a", "b"], &[], &["a", "b"]);
        check(
            &["c", "b", "a", "x"],
            &[&["a", "b", "c"]],
            &["a", "└─ b", "   └─ c", "x"],
        );
        check(
            &["a", "b", "c", "d", "e"],
            &[&["a", "b", "d"], &["a", "c", "d"], &["b", "e"]],
            &["a", "├─ b", "│  ├─ d (after b, c)", "│  └─ e", "└─ c"],
        );
        check(
            &["a", "final-1", "final-2"],
            &[&["a", "gone"]],
            &["a", "finally", "├─ final-1", "└─ final-2"],
        );
        // x comes after c, so y is drawn below x.
        check(
            &["a", "b", "c", "x", "y"],
            &[&["a", "b", "c", "x", "y"], &["a", "x"], &["c", "y"]],
            &[
                "a",
                "└─ b",
                "   └─ c",
                "      └─ x (after c, a)",
                "         └─ y (after x, c)",
            ],
        );
        check(&[], &[], &[]);
    }

    #[test]
    fn processes_that_wait_for_each_other_are_said() {
        check(
            &["a", "b", "c"],
            &[&["a", "b", "a"]],
            &["a (waits for itself)", "b (waits for itself)", "c"],
        );
    }
}
