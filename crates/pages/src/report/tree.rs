//! The process tree of an incident as nested lists.

use honeyguide::incident::IncidentProcess;
use honeyguide::wording::{count, of_them, printable};

use crate::chart::clip;

/// The greatest number of entries that are shown of a tree.
const MAX_ENTRIES: usize = 200;
/// The number of processes whose numbers are shown in an entry for several.
const NUMBERS: usize = 3;

/// A process tree.
pub(super) struct Tree {
    pub entries: Vec<Entry>,
    /// The number of processes that are not shown, in words; empty if there is none.
    pub not_shown: String,
}

/// A process, or several that ran the same programs, have the same parent, and started nothing in the incident.
pub(super) struct Entry {
    pub programs: String,
    pub numbers: String,
    /// The number of anomalous events; empty if there is none.
    pub events: String,
    pub has_children: bool,
    /// The number of lists that end after the entry.
    pub closes: usize,
}

/// An entry before it is worded.
struct Node<'a> {
    processes: Vec<&'a IncidentProcess>,
    depth: usize,
    children: Vec<usize>,
}

/// Returns the tree of processes that each follow their parent.
pub(super) fn tree(processes: &[IncidentProcess]) -> Tree {
    let (nodes, roots) = nodes(processes);
    let mut order: Vec<usize> = Vec::new();
    let mut stack: Vec<usize> = roots.into_iter().rev().collect();
    while let Some(node) = stack.pop() {
        if order.len() == MAX_ENTRIES {
            break;
        }
        order.push(node);
        stack.extend(nodes[node].children.iter().rev());
    }
    let shown = order.iter().map(|node| nodes[*node].processes.len());
    let hidden = processes.len() - shown.sum::<usize>();
    let depth = |place: usize| order.get(place).map_or(0, |node| nodes[*node].depth);
    let entries = order.iter().enumerate().map(|(place, node)| {
        let (here, next) = (nodes[*node].depth, depth(place + 1));
        entry(&nodes[*node], next > here, here.saturating_sub(next))
    });
    Tree {
        entries: entries.collect(),
        not_shown: match hidden {
            0 => String::new(),
            some => of_them(some as u64, "more process", "more processes"),
        },
    }
}

/// Joins processes to nodes, and returns those with the roots among them.
fn nodes(processes: &[IncidentProcess]) -> (Vec<Node<'_>>, Vec<usize>) {
    let mut nodes: Vec<Node> = Vec::new();
    let mut roots: Vec<usize> = Vec::new();
    // The last node of each depth
    let mut path: Vec<usize> = Vec::new();
    for (place, process) in processes.iter().enumerate() {
        path.truncate(process.depth);
        let is_leaf = |depth: usize| {
            let next = processes.get(place + 1);
            next.is_none_or(|next| next.depth <= depth)
        };
        let siblings = match path.last() {
            Some(parent) => &nodes[*parent].children,
            None => &roots,
        };
        let same = siblings.iter().copied().find(|sibling| {
            let sibling = &nodes[*sibling];
            sibling.children.is_empty() && sibling.processes[0].programs == process.programs
        });
        let joins = same.filter(|_| is_leaf(process.depth) && !process.programs.is_empty());
        if let Some(node) = joins {
            nodes[node].processes.push(process);
            path.push(node);
            continue;
        }
        let node = nodes.len();
        nodes.push(Node {
            processes: vec![process],
            depth: path.len(),
            children: Vec::new(),
        });
        match path.last() {
            Some(parent) => nodes[*parent].children.push(node),
            None => roots.push(node),
        }
        path.push(node);
    }
    (nodes, roots)
}

fn entry(node: &Node, has_children: bool, closes: usize) -> Entry {
    let first = node.processes[0];
    let programs = match first.programs.as_slice() {
        [] => "a process that the log does not show".to_owned(),
        names => names
            .iter()
            .map(|name| printable(&clip(name)).into_owned())
            .collect::<Vec<_>>()
            .join(" → "),
    };
    let numbers = node.processes.iter().take(NUMBERS);
    let mut numbers: Vec<String> = numbers.map(|one| one.process.to_string()).collect();
    if node.processes.len() > NUMBERS {
        numbers.push("…".to_owned());
    }
    let numbers = numbers.join(", ");
    let events: u64 = node.processes.iter().map(|process| process.events).sum();
    Entry {
        programs,
        numbers: match node.processes.len() {
            1 => format!("process {numbers}"),
            some => format!("{} processes: {numbers}", count(some as u64)),
        },
        events: match events {
            0 => String::new(),
            some => of_them(some, "anomalous event", "anomalous events"),
        },
        has_children,
        closes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(depth: usize, process: i64, program: &str) -> IncidentProcess {
        IncidentProcess {
            depth,
            process,
            programs: vec![program.to_owned()],
            events: 1,
        }
    }

    /// Writes a tree as its template does, with an opening bracket for a list that begins and a closing one for its end.
    fn written(tree: &Tree) -> String {
        let entries = tree.entries.iter().map(|entry| {
            let opens = if entry.has_children { "(" } else { "" };
            let closes = ")".repeat(entry.closes);
            format!("{} {}{opens}{closes}", entry.programs, entry.numbers)
        });
        entries.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn leaves_of_the_same_program_are_one_entry() {
        let processes = [
            process(0, 1, "bash"),
            process(1, 2, "stat"),
            process(1, 3, "sh"),
            process(2, 4, "curl"),
            process(1, 5, "stat"),
            process(1, 6, "stat"),
            process(1, 7, "stat"),
            process(0, 8, "cron"),
        ];
        let tree = tree(&processes);
        assert_eq!(
            written(&tree),
            "bash process 1( stat 4 processes: 2, 5, 6, … sh process 3( curl process 4)) cron process 8"
        );
        assert_eq!(tree.entries[1].events, "4 anomalous events");
        assert_eq!(tree.not_shown, "");
    }

    #[test]
    fn every_list_that_begins_ends_and_what_is_left_out_is_counted() {
        let mut processes = Vec::new();
        for number in 0..300_usize {
            let depth = [0, 1, 2, 3, 1][number % 5];
            processes.push(process(depth, number as i64, &format!("p{number}")));
        }
        let tree = tree(&processes);
        let opened = tree.entries.iter().filter(|entry| entry.has_children);
        let closed: usize = tree.entries.iter().map(|entry| entry.closes).sum();
        assert_eq!(opened.count(), closed);
        assert_eq!(tree.entries.len(), MAX_ENTRIES);
        assert_eq!(tree.not_shown, "100 more processes");
    }
}
