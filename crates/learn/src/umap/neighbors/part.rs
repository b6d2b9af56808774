//! Trees that halve their points until leaves are small: nodes need no links.

/// A node, in breadth-first order, and the points below it, as places in the order of the leaves.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub node: usize,
    pub start: usize,
    pub end: usize,
}

impl Part {
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// The root of a tree of `n` points.
    pub fn root(n: usize) -> Part {
        Part {
            node: 0,
            start: 0,
            end: n,
        }
    }

    /// Levels below the root of a tree of `n` points whose leaves have at most `leaf`.
    pub fn depth(n: usize, leaf: usize) -> u32 {
        n.div_ceil(leaf).next_power_of_two().trailing_zeros()
    }

    pub fn halves(self) -> (Part, Part) {
        let middle = self.start + self.len() / 2;
        let (left, right) = (2 * self.node + 1, 2 * self.node + 2);
        (
            Part {
                node: left,
                end: middle,
                ..self
            },
            Part {
                node: right,
                start: middle,
                ..self
            },
        )
    }
}
