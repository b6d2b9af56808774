//! Reads the modules, imports and paths of a Rust file from its tokens.

use std::str::FromStr;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// The modules, imports and paths in the body of a module. Code that is compiled for tests only is left out.
#[derive(Debug, Default, PartialEq)]
pub struct Body {
    pub modules: Vec<Declaration>,
    pub imports: Vec<Import>,
    /// The paths of at least two segments outside `use` items.
    pub paths: Vec<Path>,
}

/// A declared module: `mod name;` or `mod name { … }`.
#[derive(Debug, PartialEq)]
pub struct Declaration {
    pub name: String,
    /// What the braces hold; `None` for a module in a file of its own.
    pub body: Option<Body>,
}

/// One of the paths that a `use` item imports.
#[derive(Debug, PartialEq)]
pub struct Import {
    /// The name that the import declares; `None` for a glob and for `as _`.
    pub name: Option<String>,
    pub path: Path,
}

/// A path with its place in the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Path {
    pub segments: Vec<String>,
    /// The line of the last segment, counted from 1.
    pub line: usize,
}

impl Body {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// The text is not made of Rust's tokens, for example because a bracket is not closed.
    pub fn parse(text: &str) -> Result<Self, LexError> {
        Ok(Self::of(&tokens(TokenStream::from_str(text)?)))
    }

    fn of(tokens: &[Token]) -> Self {
        let mut body = Self::default();
        body.read(tokens);
        body
    }

    /// Reads all tokens, including those inside brackets.
    fn read(&mut self, mut tokens: &[Token]) {
        while !tokens.is_empty() {
            tokens = self.step(tokens);
        }
    }

    /// Reads the item or path that `tokens` start with. Returns the tokens after it.
    fn step<'a>(&mut self, tokens: &'a [Token]) -> &'a [Token] {
        match tokens {
            [Token::Sign('#'), Token::Group(_, attribute), rest @ ..]
                if is_for_tests(attribute) =>
            {
                after_item(rest)
            }
            // An attribute with `!` applies to everything around it.
            [
                Token::Sign('#'),
                Token::Sign('!'),
                Token::Group(_, attribute),
                ..,
            ] if is_for_tests(attribute) => &[],
            // `use<'a>` is not an import but a bound on `impl Trait`.
            [Token::Word(word, _), rest @ ..]
                if word == "use" && !matches!(rest, [Token::Sign('<'), ..]) =>
            {
                let end = rest.iter().position(|token| *token == Token::Sign(';'));
                let (tree, rest) = rest.split_at(end.unwrap_or(rest.len()));
                self.import(Path::default(), tree);
                rest
            }
            [
                Token::Word(word, _),
                Token::Word(name, _),
                Token::Sign(';'),
                rest @ ..,
            ] if word == "mod" => self.declare(name, None, rest),
            [
                Token::Word(word, _),
                Token::Word(name, _),
                Token::Group(Delimiter::Brace, body),
                rest @ ..,
            ] if word == "mod" => self.declare(name, Some(Self::of(body)), rest),
            [Token::Group(_, inner), rest @ ..] => {
                self.read(inner);
                rest
            }
            // In a macro, `$name` stands for any tokens and `$crate` for this crate.
            [Token::Sign('$'), Token::Word(word, _), rest @ ..] if word != "crate" => rest,
            // A path that starts with `::` belongs to another crate or continues a type, as in `Vec::<u8>::new`.
            [Token::Colons, rest @ ..] => path(rest).1,
            [Token::Word(..), ..] => {
                let (path, rest) = path(tokens);
                if path.segments.len() > 1 {
                    self.paths.push(path);
                }
                rest
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// Adds a declared module and returns `rest`.
    fn declare<'a>(&mut self, name: &str, body: Option<Body>, rest: &'a [Token]) -> &'a [Token] {
        let name = name.to_owned();
        self.modules.push(Declaration { name, body });
        rest
    }

    /// Reads a `use` item, or the part of one that follows the path `parent`.
    fn import(&mut self, parent: Path, tree: &[Token]) {
        match tree {
            [Token::Word(word, line), Token::Colons, rest @ ..] => {
                self.import(parent.join(word, *line), rest);
            }
            [Token::Word(word, _), rest @ ..] if word == "self" => {
                let name = parent.segments.last().cloned();
                self.push_import(name, parent, rest);
            }
            [Token::Word(word, line), rest @ ..] => {
                self.push_import(Some(word.clone()), parent.join(word, *line), rest);
            }
            [Token::Sign('*')] => self.imports.push(Import {
                name: None,
                path: parent,
            }),
            [Token::Sign('$'), rest @ ..] => self.import(parent, rest),
            [Token::Group(_, list)] => {
                for tree in list.split(|token| *token == Token::Sign(',')) {
                    self.import(parent.clone(), tree);
                }
            }
            _ => {}
        }
    }

    /// Adds the import of `path` as `name`, or as the alias that `rest` gives.
    fn push_import(&mut self, name: Option<String>, path: Path, rest: &[Token]) {
        let name = match rest {
            [_, Token::Word(alias, _)] => Some(alias.clone()).filter(|alias| alias != "_"),
            _ => name,
        };
        self.imports.push(Import { name, path });
    }
}

impl Path {
    fn join(mut self, segment: &str, line: usize) -> Self {
        self.segments.push(segment.to_owned());
        self.line = line;
        self
    }
}

/// A token, with no more detail than the search for modules needs.
#[derive(Debug, PartialEq)]
enum Token {
    /// An identifier without `r#` or a keyword, and its line.
    Word(String, usize),
    /// `::`
    Colons,
    /// Any other punctuation.
    Sign(char),
    /// Tokens in brackets.
    Group(Delimiter, Vec<Token>),
    Literal,
}

fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    for tree in stream {
        let token = match tree {
            TokenTree::Group(group) => {
                Token::Group(group.delimiter(), self::tokens(group.stream()))
            }
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                Token::Word(ident.to_string().trim_start_matches("r#").to_owned(), line)
            }
            TokenTree::Punct(sign)
                if sign.as_char() == ':' && tokens.last() == Some(&Token::Sign(':')) =>
            {
                tokens.pop();
                Token::Colons
            }
            TokenTree::Punct(sign) => Token::Sign(sign.as_char()),
            TokenTree::Literal(_) => Token::Literal,
        };
        tokens.push(token);
    }
    tokens
}

/// Returns the path that `tokens` start with, up to generic arguments, and the tokens after it.
fn path(mut tokens: &[Token]) -> (Path, &[Token]) {
    let mut path = Path::default();
    while let [Token::Word(word, line), rest @ ..] = tokens {
        path = path.join(word, *line);
        tokens = rest;
        match rest {
            [Token::Colons, after @ ..] if matches!(after, [Token::Word(..), ..]) => tokens = after,
            _ => break,
        }
    }
    (path, tokens)
}

/// Returns whether the attribute is `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let is_test = |token: &Token| matches!(token, Token::Word(word, _) if word == "test");
    let [Token::Word(cfg, _), Token::Group(_, condition)] = attribute else {
        return false;
    };
    cfg == "cfg"
        && match &condition[..] {
            [condition] => is_test(condition),
            [Token::Word(all, _), Token::Group(_, list)] => {
                all == "all" && list.iter().any(is_test)
            }
            _ => false,
        }
}

/// Returns the tokens after the item that `tokens` start with. An item ends with a semicolon, with braces or with both.
fn after_item(tokens: &[Token]) -> &[Token] {
    let is_end =
        |token: &Token| matches!(token, Token::Sign(';') | Token::Group(Delimiter::Brace, _));
    let end = tokens.iter().position(is_end);
    match end.map_or(&[][..], |end| &tokens[end + 1..]) {
        [Token::Sign(';'), rest @ ..] => rest,
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists the imports as `line: path as name` and the paths as `line: path`.
    fn found(text: &str) -> Vec<String> {
        let body = Body::parse(text).unwrap();
        let shown = |path: &Path| format!("{}: {}", path.line, path.segments.join("::"));
        let imports = body.imports.iter().map(|Import { name, path }| {
            let name = name.as_deref().unwrap_or("_");
            format!("{} as {name}", shown(path))
        });
        imports.chain(body.paths.iter().map(shown)).collect()
    }

    #[test]
    fn groups_of_imports_are_taken_apart() {
        let text =
            "use crate::{\n    a,\n    b::{self, c::*, D as E},\n};\npub use self::f::G as _;";
        assert_eq!(
            found(text),
            [
                "2: crate::a as a",
                "3: crate::b as b",
                "3: crate::b::c as _",
                "3: crate::b::D as E",
                "5: self::f::G as _",
            ]
        );
    }

    #[test]
    fn paths_in_code_and_in_macros_are_found() {
        let text = "fn f(x: &crate::a::X) -> impl Fn() + use<'_> {\n  format!(\"{}\", super::b::hex(x));\n  \
                    Vec::<self::c::Y>::new()\n}\nmacro_rules! m { ($x:ty) => { $crate::d::e::<$x>() } }";
        assert_eq!(
            found(text),
            [
                "1: crate::a::X",
                "2: super::b::hex",
                "3: self::c::Y",
                "5: crate::d::e"
            ]
        );
    }

    #[test]
    fn comments_strings_and_paths_of_other_crates_do_not_count() {
        let text = "// crate::a::X\n/// [`crate::a::X`]\nfn f() { /* crate::a */ \"crate::a::X\"; ::crate_a::b::c(); }";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn code_for_tests_does_not_count() {
        let text = "#[cfg(test)]\nmod tests { use crate::a; }\n#[cfg(test)]\nuse crate::{b};\n\
                    #[cfg(all(test, unix))]\nfn f() { crate::c::d() }\n#[cfg(test)]\nmod checks;\n\
                    #[cfg(not(test))]\nuse crate::e;\nmod g { #![cfg(test)] use crate::h; }";
        assert_eq!(found(text), ["10: crate::e as e"]);
        let modules = Body::parse(text).unwrap().modules;
        assert_eq!(modules.len(), 1);
        assert_eq!(modules[0].body, Some(Body::default()));
    }

    #[test]
    fn modules_are_in_files_or_in_braces() {
        let modules = Body::parse("pub mod a;\nmod r#type { use super::b; }")
            .unwrap()
            .modules;
        assert_eq!(
            modules[0],
            Declaration {
                name: "a".to_owned(),
                body: None
            }
        );
        assert_eq!(modules[1].name, "type");
        assert_eq!(modules[1].body.as_ref().unwrap().imports.len(), 1);
    }
}
