//! Binary trees that halve their points until the leaves are small. The positions of nodes follow
//! from their numbers, so no links are stored.

/// A node, numbered in breadth-first order, and the range of the points below it in the order of
/// the leaves.
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

    /// Returns the root of a tree of `n` points.
    pub fn root(n: usize) -> Part {
        Part {
            node: 0,
            start: 0,
            end: n,
        }
    }

    /// Returns the number of levels below the root of a tree of `n` points whose leaves hold at
    /// most `leaf` points.
    pub fn depth(n: usize, leaf: usize) -> u32 {
        n.div_ceil(leaf).next_power_of_two().trailing_zeros()
    }

    /// Returns the two children of the node.
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
