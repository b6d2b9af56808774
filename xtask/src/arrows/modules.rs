//! The modules of a crate and how they use one another.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use super::syntax::{Body, Import, Path};
use crate::error::{Error, Result};

/// The names on the way from the crate's root to a module. The root's path is empty.
pub type ModulePath = Vec<String>;

/// A place where a module uses another one with the same parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    pub from: ModulePath,
    pub to: ModulePath,
    pub file: PathBuf,
    /// The line in the file, counted from 1.
    pub line: usize,
    /// The path in the code, with the groups of a `use` item taken apart.
    pub path: String,
}

/// A function that reads the text of a file.
type ReadFile<'a> = &'a dyn Fn(&FilePath) -> io::Result<String>;

/// The modules of a crate, without those that are compiled for tests only.
#[derive(Debug, Default)]
pub struct Tree {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    imports: Vec<Import>,
    paths: Vec<Path>,
}

impl Tree {
    /// Reads the crate whose root file is `root`.
    ///
    /// # Errors
    /// The file of a declared module cannot be read, or is not made of Rust's tokens.
    pub fn read(root: &FilePath, read: ReadFile<'_>) -> Result<Self> {
        let mut tree = Self::default();
        let body = parse(root, read)?;
        let folder = root.parent().unwrap_or(root);
        tree.add(Vec::new(), root, folder, body, read)?;
        Ok(tree)
    }

    /// Returns the number of modules, the root included.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Adds the module `name` and all modules below it, whose files are in `folder`.
    fn add(
        &mut self,
        name: ModulePath,
        file: &FilePath,
        folder: &FilePath,
        body: Body,
        read: ReadFile<'_>,
    ) -> Result<()> {
        for child in body.modules {
            let path = [&name[..], std::slice::from_ref(&child.name)].concat();
            let below = folder.join(&child.name);
            match child.body {
                Some(body) => self.add(path, file, &below, body, read)?,
                None => {
                    let (file, body) = find(&below, read)?;
                    self.add(path, &file, &below, body, read)?;
                }
            }
        }
        let module = Module {
            file: file.to_owned(),
            imports: body.imports,
            paths: body.paths,
        };
        self.modules.insert(name, module);
        Ok(())
    }

    /// Returns all arrows, sorted.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (name, module) in &self.modules {
            let imports = module.imports.iter().map(|import| &import.path);
            let paths = module.paths.iter();
            let paths = paths.filter(|path| !self.repeats_an_import(name, module, path));
            arrows.extend(
                imports
                    .chain(paths)
                    .filter_map(|path| self.arrow(name, path)),
            );
        }
        arrows.sort();
        arrows.dedup();
        arrows
    }

    /// Returns whether the path starts with an imported name for which there is an arrow already.
    fn repeats_an_import(&self, user: &[String], module: &Module, path: &Path) -> bool {
        let import = module.import(&path.segments[0]);
        import.is_some_and(|import| self.arrow(user, &import.path).is_some())
    }

    /// Returns the arrow for a path in the module `user`. A path to another crate, an ancestor or a child gives `None`.
    fn arrow(&self, user: &[String], path: &Path) -> Option<Arrow> {
        let to = self.target(user, user, &path.segments, &mut Vec::new())?;
        let from = user.get(..to.len())?.to_vec();
        Some(Arrow {
            from,
            to,
            file: self.modules[user].file.clone(),
            line: path.line,
            path: path.segments.join("::"),
        })
    }

    /// Follows `path`, which is written in the module `start`, to the first module that is neither `user` nor an ancestor of
    /// it. `seen` holds the imports followed so far, because imports can lead to themselves.
    fn target<'a>(
        &'a self,
        user: &[String],
        start: &[String],
        path: &[String],
        seen: &mut Vec<&'a Import>,
    ) -> Option<ModulePath> {
        let mut module = start.to_vec();
        for (index, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()?),
                _ => {
                    module.push(segment.clone());
                    if self.modules.contains_key(&module) {
                        if !user.starts_with(&module) {
                            return Some(module);
                        }
                        continue;
                    }
                    module.pop();
                    let import = self.modules[&module].import(segment)?;
                    if seen.contains(&import) {
                        return None;
                    }
                    seen.push(import);
                    let path = [&import.path.segments, &path[index + 1..]].concat();
                    return self.target(user, &module, &path, seen);
                }
            }
        }
        None
    }
}

impl Module {
    /// Returns the import that declares `name`.
    fn import(&self, name: &str) -> Option<&Import> {
        let mut imports = self.imports.iter();
        imports.find(|import| import.name.as_deref() == Some(name))
    }
}

/// Finds and parses the file of a module: `path` with the extension `rs`, or `mod.rs` in the folder `path`.
fn find(path: &FilePath, read: ReadFile<'_>) -> Result<(PathBuf, Body)> {
    let file = path.with_extension("rs");
    match parse(&file, read) {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let file = path.join("mod.rs");
            parse(&file, read).map(|body| (file, body))
        }
        body => body.map(|body| (file, body)),
    }
}

fn parse(file: &FilePath, read: ReadFile<'_>) -> Result<Body> {
    let text = read(file).map_err(Error::file(file))?;
    Body::parse(&text).map_err(|error| Error::Line {
        path: file.to_owned(),
        line: error.span().start().line,
        what: error.to_string(),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Reads a crate from pairs of a path and a text. Its root file is `lib.rs`.
    pub fn tree(files: &[(&str, &str)]) -> Tree {
        let read = |file: &FilePath| {
            let found = files.iter().find(|(path, _)| FilePath::new(path) == file);
            let text = found.map(|(_, text)| (*text).to_owned());
            text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        Tree::read(FilePath::new("lib.rs"), &read).unwrap()
    }

    /// Lists the arrows as `from → to at file:line by path`.
    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let arrows = tree(files).arrows();
        let shown = arrows.iter().map(|arrow| {
            let Arrow {
                from,
                to,
                file,
                line,
                path,
            } = arrow;
            let (from, to) = (from.join("::"), to.join("::"));
            format!("{from} → {to} at {}:{line} by {path}", file.display())
        });
        shown.collect()
    }

    #[test]
    fn a_use_counts_for_the_modules_below_the_common_parent() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            ("a/mod.rs", "pub mod c;\npub mod d;"),
            ("a/c.rs", "use super::d::D;\nuse crate::b;\nuse std::fmt;"),
            ("a/d/mod.rs", "mod e;"),
            ("a/d/e.rs", "fn f() { super::super::c::g() }"),
            ("b.rs", ""),
        ];
        assert_eq!(
            arrows(&files),
            [
                "a → b at a/c.rs:2 by crate::b",
                "a::c → a::d at a/c.rs:1 by super::d::D",
                "a::d → a::c at a/d/e.rs:1 by super::super::c::g",
            ]
        );
    }

    #[test]
    fn a_parent_and_its_child_may_use_each_other() {
        let files = [
            ("lib.rs", "mod a;\npub struct Root;"),
            ("a/mod.rs", "mod b;\nuse b::B;\npub struct A;"),
            ("a/b.rs", "use super::A;\nuse crate::Root;\npub struct B;"),
        ];
        assert_eq!(arrows(&files), [""; 0]);
    }

    #[test]
    fn names_that_a_parent_exports_stand_for_their_modules() {
        let files = [
            (
                "lib.rs",
                "mod a;\nmod b;\npub use b::{B as Renamed, c::C};\nuse serde::Value;",
            ),
            (
                "a.rs",
                "use crate::Renamed;\nuse crate::{\n    C,\n    Value,\n};",
            ),
            ("b/mod.rs", "mod c;\nmod d;\npub use self::c::C;"),
            ("b/c.rs", "pub struct C;"),
            ("b/d.rs", "fn f(c: super::C) {}"),
        ];
        assert_eq!(
            arrows(&files),
            [
                "a → b at a.rs:1 by crate::Renamed",
                "a → b at a.rs:3 by crate::C",
                "b::d → b::c at b/d.rs:1 by super::C",
            ]
        );
    }

    #[test]
    fn a_path_through_an_imported_module_is_followed() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b;\nmod c;"),
            (
                "a/b.rs",
                "use crate::a;\nuse super::c as other;\nfn f() { a::c::g(); other::g(); other::h() }",
            ),
            ("a/c.rs", ""),
        ];
        assert_eq!(
            arrows(&files),
            [
                "a::b → a::c at a/b.rs:2 by super::c",
                "a::b → a::c at a/b.rs:3 by a::c::g",
            ]
        );
    }

    #[test]
    fn imports_that_lead_to_themselves_end() {
        let files = [
            ("lib.rs", "mod a;\nuse log;\nuse x::y as x;"),
            ("a.rs", "use crate::{log, x};"),
        ];
        assert_eq!(arrows(&files), [""; 0]);
    }

    #[test]
    fn modules_of_tests_are_not_read() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod checks;"),
            ("a.rs", "#[cfg(test)]\nmod tests { use crate::b; }"),
            ("b.rs", "mod inner { pub fn f() { super::super::a::g() } }"),
        ];
        assert_eq!(arrows(&files), ["b → a at b.rs:1 by super::super::a::g"]);
    }

    #[test]
    fn an_unfinished_file_is_named_with_its_line() {
        let read = |_: &FilePath| Ok("\nfn f() { (]".to_owned());
        let error = Tree::read(FilePath::new("lib.rs"), &read).unwrap_err();
        assert!(error.to_string().starts_with("lib.rs, line 2: "), "{error}");
        let missing = |file: &FilePath| match file.ends_with("lib.rs") {
            true => Ok("mod a;".to_owned()),
            false => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let error = Tree::read(FilePath::new("lib.rs"), &missing).unwrap_err();
        assert!(error.to_string().starts_with("a/mod.rs: "), "{error}");
    }
}
