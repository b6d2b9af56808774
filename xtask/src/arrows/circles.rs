//! Circles in the graph of modules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::modules::{Arrow, ModulePath};

/// Modules of which each uses the next one and the last uses the first.
#[derive(Debug)]
pub struct Circle {
    /// The modules in this order. The first module has the fewest arrows to the next one.
    modules: Vec<ModulePath>,
    /// The arrows between them, in the same order.
    arrows: Vec<Arrow>,
}

/// Finds circles, shortest first.
///
/// The arrows from the first to the second module of a circle are left out of the search for the next one. This keeps the
/// list short; a crate without these arrows has no circle.
pub fn find(mut arrows: Vec<Arrow>) -> Vec<Circle> {
    let mut circles = Vec::new();
    while let Some(modules) = shortest(&arrows) {
        let circle = Circle::new(modules, &arrows);
        let is_first =
            |arrow: &Arrow| arrow.from == circle.modules[0] && arrow.to == circle.modules[1];
        arrows.retain(|arrow| !is_first(arrow));
        circles.push(circle);
    }
    circles
}

/// Which modules each module uses.
type Graph<'a> = BTreeMap<&'a ModulePath, BTreeSet<&'a ModulePath>>;

/// Returns the modules on the shortest circle. Of circles of the same length, it takes the first by name.
fn shortest(arrows: &[Arrow]) -> Option<Vec<ModulePath>> {
    let mut graph = Graph::new();
    for arrow in arrows {
        graph.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let circles = graph
        .keys()
        .filter_map(|start| shortest_through(start, &graph));
    circles.min_by_key(Vec::len)
}

/// Returns the modules on the shortest circle through `start`, which a breadth-first search finds.
fn shortest_through(start: &ModulePath, graph: &Graph<'_>) -> Option<Vec<ModulePath>> {
    let mut before = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for &next in graph.get(module).into_iter().flatten() {
            if next == start {
                let way = std::iter::successors(Some(module), |module| before.get(module).copied());
                let mut way: Vec<_> = way.cloned().collect();
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

impl Circle {
    /// Makes the circle of `modules`, with its arrows out of `arrows`.
    fn new(mut modules: Vec<ModulePath>, arrows: &[Arrow]) -> Self {
        let between = |modules: &[ModulePath], index: usize| -> Vec<Arrow> {
            let (from, to) = (&modules[index], &modules[(index + 1) % modules.len()]);
            let between = arrows
                .iter()
                .filter(|arrow| arrow.from == *from && arrow.to == *to);
            between.cloned().collect()
        };
        let fewest = (0..modules.len()).min_by_key(|&index| between(&modules, index).len());
        modules.rotate_left(fewest.unwrap_or_default());
        let arrows = (0..modules.len()).flat_map(|index| between(&modules, index));
        Self {
            arrows: arrows.collect(),
            modules,
        }
    }

    /// Names the modules and lists every arrow. `package` is the crate's folder.
    pub fn report(&self, package: &Path) -> String {
        let modules = self.modules.iter().chain(self.modules.first());
        let names: Vec<_> = modules.map(|module| module.join("::")).collect();
        let mut text = format!("{}: {}\n", package.display(), names.join(" → "));
        for Arrow {
            file, line, path, ..
        } in &self.arrows
        {
            text += &format!("  {}:{line} uses {path}\n", file.display());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::tree;
    use super::*;

    fn reports(files: &[(&str, &str)]) -> Vec<String> {
        let circles = find(tree(files).arrows());
        let package = Path::new("crates/x");
        circles
            .iter()
            .map(|circle| circle.report(package))
            .collect()
    }

    #[test]
    fn a_circle_is_reported_with_every_arrow_from_the_fewest_on() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\npub use c::C;"),
            (
                "a.rs",
                "use crate::b::{\n    B,\n    E,\n};\nuse crate::d::D;",
            ),
            ("b.rs", "use crate::C;"),
            ("c.rs", "fn f() { super::a::g() }"),
            ("d.rs", ""),
        ];
        let report = "crates/x: b → c → a → b\n  b.rs:1 uses crate::C\n  c.rs:1 uses super::a::g\n  \
                      a.rs:2 uses crate::b::B\n  a.rs:3 uses crate::b::E\n";
        assert_eq!(reports(&files), [report]);
    }

    #[test]
    fn a_tree_of_imports_has_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "use crate::{b, c};"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "#[cfg(test)]\nmod tests { use crate::a; }"),
        ];
        assert_eq!(reports(&files), [""; 0]);
    }

    #[test]
    fn every_circle_is_reported_the_shortest_first() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod f;"),
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::c;"),
            ("c/mod.rs", "mod d;\nmod e;\nuse crate::{a, f};"),
            ("c/d.rs", "use super::e;"),
            ("c/e.rs", "use super::d;"),
            ("f.rs", "use crate::c::d;"),
        ];
        let found: Vec<_> = reports(&files)
            .into_iter()
            .map(|report| report.lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(
            found,
            [
                "crates/x: c → f → c",
                "crates/x: c::d → c::e → c::d",
                "crates/x: a → b → c → a",
            ]
        );
    }
}
