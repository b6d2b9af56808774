//! A walk over values of Thrift's compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>), in which the metadata of Parquet is
//! written. It allocates nothing, and finds lists that claim more elements than there are bytes.

/// The most structs and lists within each other.
const MAX_DEPTH: usize = 32;

/// The types of fields that are read.
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// The rest of some bytes.
pub(super) struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the number of bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Walks over the fields of a struct. `field` gets the number and the type of each, and returns whether it has read the
    /// value; `None` from it or from here means damage.
    pub fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, u8) -> Option<bool>,
    ) -> Option<()> {
        self.fields_within(MAX_DEPTH, &mut field)
    }

    fn fields_within(
        &mut self,
        depth: usize,
        field: &mut dyn FnMut(&mut Self, i16, u8) -> Option<bool>,
    ) -> Option<()> {
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Some(());
            }
            number = match head >> 4 {
                0 => i16::try_from(self.integer()?).ok()?,
                step => number.checked_add(i16::from(step))?,
            };
            if !field(self, number, kind)? {
                self.skip(kind, depth)?;
            }
        }
    }

    /// Reads the type and the number of the elements of a list, which take a byte each at least.
    pub fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            count => usize::from(count),
        };
        (count <= self.left()).then_some((head & 0x0f, count))
    }

    /// Reads a number of up to 64 bits.
    pub fn integer(&mut self) -> Option<i64> {
        let folded = self.unsigned()?;
        Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.advance(8),
            8 => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.advance(length)
            }
            9 | 10 => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(kind, depth))
            }
            11 => self.skip_map(depth),
            12 => self.fields_within(depth, &mut |_, _, _| Some(false)),
            _ => None,
        }
    }

    /// Skips an element of a list, where a truth value takes a byte.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.advance(1),
            kind => self.skip(kind, depth),
        }
    }

    fn skip_map(&mut self, depth: usize) -> Option<()> {
        let count = usize::try_from(self.unsigned()?).ok()?;
        if count == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (0..count).try_for_each(|_| {
            self.skip_element(kinds >> 4, depth)?;
            self.skip_element(kinds & 0x0f, depth)
        })
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbered_and_skipped() {
        // 1: i32 -3; 3: list of two texts; 4: struct { 1: true }; 5: i32 64.
        let bytes = [
            0x15, 0x05, 0x29, 0x28, 1, b'a', 0, 0x1c, 0x11, 0, 0x15, 0x80, 0x01, 0, 0xff,
        ];
        let mut walk = Walk::new(&bytes);
        let mut found = Vec::new();
        walk.fields(|walk, number, kind| {
            if kind == I32 {
                found.push((number, walk.integer()?));
            }
            Some(kind == I32)
        })
        .unwrap();
        assert_eq!(found, [(1, -3), (5, 64)]);
        assert_eq!(walk.left(), 1);
    }

    #[test]
    fn what_is_cut_off_or_too_long_or_too_deep_is_damage() {
        let skipped = |bytes: &[u8]| Walk::new(bytes).fields(|_, _, _| Some(false));
        assert_eq!(skipped(&[0x15, 0x05]), None);
        // A list of 2^28 structs.
        assert_eq!(
            skipped(&[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x01, 0]),
            None
        );
        assert_eq!(skipped(&[&[0x1c; 100][..], &[0; 101]].concat()), None);
        assert_eq!(skipped(&[&[0x1c; 10][..], &[0; 11]].concat()), Some(()));
    }
}
