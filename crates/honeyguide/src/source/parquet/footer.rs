//! Checks of the footer of a Parquet file before the engine parses it: the engine allocates what a list claims, and walks
//! the tree of columns recursively.

use super::thrift::{I32, LIST, STRUCT, Walk};

/// The most bytes of a footer that is read.
const MAX_FOOTER_BYTES: u64 = 256 << 20;
/// The most columns and groups of columns.
const MAX_NODES: usize = 1 << 16;
/// The most groups of columns within each other.
const MAX_DEPTH: usize = 64;
/// The bytes after the footer: its length and a magic number.
pub(super) const TRAILER_BYTES: u64 = 8;

/// Returns the length of the footer of a file of `bytes` bytes that ends with `trailer`. Another magic number is left to
/// the engine's message.
///
/// # Errors
/// Fails when the footer would be longer than the file or the limit.
pub(super) fn length(trailer: [u8; TRAILER_BYTES as usize], bytes: u64) -> Result<u64, String> {
    let [a, b, c, d, ..] = trailer;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let most = bytes
        .saturating_sub(2 * TRAILER_BYTES - 4)
        .min(MAX_FOOTER_BYTES);
    if length > most {
        return Err(format!(
            "its footer claims {length} bytes; the file has {bytes}, and the limit is {MAX_FOOTER_BYTES}"
        ));
    }
    Ok(length)
}

/// Checks the structure of a footer, and the depth of its columns.
///
/// # Errors
/// Fails when it is damaged or too deep.
pub(super) fn check(footer: &[u8]) -> Result<(), String> {
    let mut tree = Ok(());
    let walked = Walk::new(footer).fields(|walk, number, kind| {
        if (number, kind) != (2, LIST) {
            return Some(false);
        }
        let children = children(walk)?;
        tree = check_tree(&children);
        Some(true)
    });
    walked.ok_or("its footer is damaged")?;
    tree
}

/// Returns the number of children of each node of the schema, in the order of the nodes.
fn children(walk: &mut Walk<'_>) -> Option<Vec<i64>> {
    let (kind, count) = walk.list()?;
    if kind != STRUCT || count > MAX_NODES {
        return None;
    }
    let mut all = Vec::new();
    for _ in 0..count {
        let mut children = 0;
        walk.fields(|walk, number, kind| {
            let is_count = (number, kind) == (5, I32);
            if is_count {
                children = walk.integer()?;
            }
            Some(is_count)
        })?;
        all.push(children);
    }
    Some(all)
}

/// Checks a tree whose nodes come before their children.
fn check_tree(children: &[i64]) -> Result<(), String> {
    let mut open: Vec<i64> = Vec::new();
    for (index, count) in children.iter().enumerate() {
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if index > 0 => return Err("its columns are no tree".into()),
            None => {}
        }
        if !(0..=MAX_NODES as i64).contains(count) {
            return Err(format!("its columns have a group of {count}"));
        }
        open.push(*count);
        if open.len() > MAX_DEPTH {
            return Err(format!("its columns are nested more than {MAX_DEPTH} deep"));
        }
    }
    match open.iter().all(|left| *left == 0) {
        true => Ok(()),
        false => Err("its columns are incomplete".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_complete_and_shallow() {
        assert!(check_tree(&[2, 0, 1, 0]).is_ok());
        assert!(check_tree(&[0]).is_ok());
        assert!(check_tree(&[]).is_ok());
        assert!(check_tree(&[2, 0]).is_err());
        assert!(check_tree(&[1, 0, 0]).is_err());
        assert!(check_tree(&[1, -1]).is_err());
        let mut deep = vec![1; 100];
        deep.push(0);
        assert!(check_tree(&deep).is_err());
    }

    #[test]
    fn a_footer_fits_the_file() {
        let trailer = |length: u32| {
            let mut trailer = *b"0000PAR1";
            trailer[..4].copy_from_slice(&length.to_le_bytes());
            trailer
        };
        assert_eq!(length(trailer(88), 100), Ok(88));
        assert!(length(trailer(89), 100).is_err());
        assert!(length(trailer(1 << 31), u64::MAX).is_err());
    }
}
