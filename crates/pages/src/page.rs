//! One self-contained page: the frame around the content of every page, with what it may load and run.
//!
//! The page's policy allows the two scripts that it brings along, by their hashes, and nothing else: no request leaves
//! it, and no script within the data runs. The chart library is embedded compressed; the page's own script
//! unpacks it.

use std::io::Write;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use honeyguide::output::{Destination, PendingFile};
use honeyguide::wording::is_harmful;
use honeyguide::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chart::Chart;

const STYLE: &str = include_str!("../templates/page.css");
const SCRIPT: &str = include_str!("../templates/page.js");

/// The chart library as a page carries it.
struct Library {
    /// The script, compressed with gzip, in base64.
    packed: String,
    /// The hash of the script as the policy names it.
    hash: String,
}

static LIBRARY: LazyLock<std::result::Result<Library, String>> = LazyLock::new(Library::pack);

impl Library {
    fn pack() -> std::result::Result<Self, String> {
        let embedded = plotly::Plot::offline_js_sources();
        let script = embedded
            .split_once('>')
            .and_then(|(_, rest)| rest.split_once("</script>"))
            .map(|(script, _)| script)
            .ok_or("the chart library is not where it was")?;
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        let packed = packer
            .write_all(script.as_bytes())
            .and_then(|()| packer.finish())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            packed: BASE64_STANDARD.encode(packed),
            hash: hash(script),
        })
    }

    fn get() -> Result<&'static Self> {
        LIBRARY
            .as_ref()
            .map_err(|error| Error::internal(format!("the chart library: {error}")))
    }
}

/// Returns the hash of a script as a content security policy names it.
fn hash(script: &str) -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(script));
    format!("'sha256-{digest}'")
}

/// The parts around the content of every page.
pub(crate) struct Frame {
    pub style: &'static str,
    pub script: &'static str,
    pub policy: String,
    pub library: &'static str,
    /// The JSON of the charts and of the figures that the script works on.
    pub data: String,
    pub version: &'static str,
}

#[derive(Serialize)]
struct Data<'a, T> {
    charts: &'a [Chart],
    live: Option<&'a T>,
}

impl Frame {
    /// Creates the frame of a page with `charts`. `live` is what the script works on when the threshold moves.
    pub fn new<T: Serialize>(charts: &[Chart], live: Option<&T>) -> Result<Self> {
        let library = Library::get()?;
        let policy = format!(
            "default-src 'none'; script-src {} {}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; \
             form-action 'none'",
            hash(SCRIPT),
            library.hash
        );
        Ok(Self {
            style: STYLE,
            script: SCRIPT,
            policy,
            library: &library.packed,
            data: json(&Data { charts, live })?,
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

/// A page that is ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    html: String,
}

impl Page {
    pub(crate) fn render(template: &impl askama::Template) -> Result<Self> {
        let html = template
            .render()
            .map_err(|error| Error::internal(format!("a page: {error}")))?;
        Ok(Self { html })
    }

    /// Returns the page as HTML.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// Checks that the name of a destination does not promise another format than HTML.
    ///
    /// # Errors
    /// Fails when the name has another ending than `.html` or `.htm`.
    pub fn check_name(to: &Destination) -> Result<()> {
        let ending = to
            .path()
            .extension()
            .map(|ending| ending.to_ascii_lowercase());
        match ending {
            Some(ending) if ending != "html" && ending != "htm" => {
                let shown = to.path().display();
                let message =
                    format!("{shown}: a page is written as HTML, and its name must end in .html");
                Err(Error::usage(message)
                    .hint("a browser can print the page or save its charts in other formats"))
            }
            _ => Ok(()),
        }
    }

    /// Writes the page to `to`, where it appears only when it is complete.
    ///
    /// # Errors
    /// Fails when the name has another ending than `.html` or `.htm`, and when the file cannot be written.
    pub fn save(&self, to: impl Into<Destination>) -> Result<()> {
        let to = to.into();
        Self::check_name(&to)?;
        let mut file = PendingFile::create(to)?;
        let written = file.write_all(self.html.as_bytes());
        written.map_err(|error| file.failed(error))?;
        file.finish()
    }
}

/// Writes JSON that can be part of a script element: no character in it can end the element, begin a comment, end a line
/// or hide.
fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("a page's data: {error}")))?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            hidden if is_harmful(hidden) => {
                for unit in hidden.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn json_in_a_page_cannot_leave_its_element() {
        let hostile = "</script><!--&\u{2028}\u{2029}";
        let text = json(&[hostile]).unwrap();
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, [hostile]);
    }

    #[test]
    fn the_library_unpacks_to_what_its_hash_allows() {
        let library = Library::get().unwrap();
        let packed = BASE64_STANDARD.decode(&library.packed).unwrap();
        let mut script = String::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_string(&mut script)
            .unwrap();
        assert!(script.contains("plotly.js v"));
        assert!(
            !script.contains("MathJax="),
            "only the chart library is embedded"
        );
        assert_eq!(hash(&script), library.hash);
        assert!(library.packed.len() < 2_500_000, "{}", library.packed.len());
    }

    #[test]
    fn the_page_s_own_script_cannot_end_its_element() {
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</style"));
    }
}
