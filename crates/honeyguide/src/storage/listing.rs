//! Lists of objects without the keys that cannot be named.
//!
//! The client of object stores takes a key for a path, and fails on a whole list if one of its keys is none, such as `a//b`
//! or `a/./b`. Such objects are taken out of the answers of a store before the client reads them, and are remembered.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::object_store::path::Path as ObjectPath;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// The elements of an answer that describe one object, with the one inside that holds its key: in the answers of S3 and
/// Google, and in those of Azure.
const ELEMENTS: [[&str; 2]; 2] = [["Contents", "Key"], ["Blob", "Name"]];
/// The most keys that are remembered.
const MAX_REMEMBERED: usize = 3;

/// The keys that were taken out of lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct OddKeys(Arc<Mutex<Odd>>);

#[derive(Debug, Default)]
struct Odd {
    count: u64,
    first: Vec<String>,
}

impl OddKeys {
    fn add(&self, key: String) {
        let mut odd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        odd.count += 1;
        if odd.first.len() < MAX_REMEMBERED {
            odd.first.push(key);
        }
    }

    /// Returns a sentence about the objects that were left out since the last call, if there were any.
    pub fn take_remark(&self) -> Option<String> {
        let odd = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let shown = odd
            .first
            .iter()
            .map(|key| format!("`{}`", key.escape_debug()));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if odd.count > odd.first.len() as u64 {
            ", …"
        } else {
            ""
        };
        let what = match odd.count {
            0 => return None,
            1 => "1 object was left out, because its key is not a path".to_owned(),
            count => format!("{count} objects were left out, because their keys are not paths"),
        };
        Some(format!("{what}: {shown}{more}"))
    }
}

/// A connector whose client takes odd keys out of lists.
#[derive(Debug)]
pub(super) struct Connector(pub OddKeys);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let odd = self.0.clone();
        Ok(HttpClient::new(Filter { inner, odd }))
    }
}

#[derive(Debug)]
struct Filter {
    inner: HttpClient,
    odd: OddKeys,
}

#[async_trait::async_trait]
impl HttpService for Filter {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let is_list = query
            .split('&')
            .any(|part| part == "list-type=2" || part == "comp=list");
        let response = self.inner.execute(request).await?;
        if !is_list || !response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let bytes = body.bytes().await?;
        let body = match std::str::from_utf8(&bytes) {
            Ok(text) => without_odd_keys(text, |key| self.odd.add(key)).into(),
            Err(_) => bytes.into(),
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// Returns a list without the objects whose keys are not paths, which are passed to `odd`.
fn without_odd_keys(list: &str, mut odd: impl FnMut(String)) -> String {
    let mut kept = String::with_capacity(list.len());
    let mut rest = list;
    while let Some((before, object, after)) = next_object(rest) {
        kept.push_str(before);
        match key_of(object).filter(|key| !is_path(key)) {
            Some(key) => odd(key),
            None => kept.push_str(object),
        }
        rest = after;
    }
    kept + rest
}

/// Returns the first element of an object with what is before and after it.
fn next_object(list: &str) -> Option<(&str, &str, &str)> {
    ELEMENTS.into_iter().find_map(|[element, _]| {
        let start = list.find(&format!("<{element}>"))?;
        let closing = format!("</{element}>");
        let end = start + list[start..].find(&closing)? + closing.len();
        Some((&list[..start], &list[start..end], &list[end..]))
    })
}

fn key_of(object: &str) -> Option<String> {
    ELEMENTS.into_iter().find_map(|[_, element]| {
        let (_, rest) = object.split_once(&format!("<{element}>"))?;
        let (key, _) = rest.split_once(&format!("</{element}>"))?;
        unescaped(key)
    })
}

/// Returns the text that a text of XML stands for.
fn unescaped(text: &str) -> Option<String> {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';')?;
        unescaped.push_str(before);
        unescaped.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        rest = after;
    }
    Some(unescaped + rest)
}

/// Returns whether the client finds the object of this key again by the path that it makes of it. A key that ends with a
/// slash marks a folder, and has no rows.
fn is_path(key: &str) -> bool {
    let marked = key.strip_suffix('/').unwrap_or(key);
    ObjectPath::parse(key).is_ok_and(|path| path.as_ref() == marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_with_odd_keys_are_taken_out_of_lists() {
        let keys = [
            ("a/b.csv", true),
            ("a/b c%3A+&amp;&#233;.csv", true),
            ("a/", true),
            ("a//b.csv", false),
            ("/a.csv", false),
            ("a/./b.csv", false),
            ("a/../b.csv", false),
            ("a&#10;b.csv", false),
        ];
        for [element, inner] in ELEMENTS {
            let object = |key: &str| {
                format!("<{element}><{inner}>{key}</{inner}><Size>1</Size></{element}>")
            };
            let list = |filter: &dyn Fn(bool) -> bool| {
                let kept = keys.iter().filter(|(_, is_kept)| filter(*is_kept));
                let objects = kept.map(|(key, _)| object(key)).collect::<String>();
                format!("<R><Name>bucket</Name>{objects}<More>false</More></R>")
            };
            let mut odd = Vec::new();
            let found = without_odd_keys(&list(&|_| true), |key| odd.push(key));
            assert_eq!(found, list(&|is_kept| is_kept));
            assert_eq!(
                odd,
                ["a//b.csv", "/a.csv", "a/./b.csv", "a/../b.csv", "a\nb.csv"]
            );
        }
    }

    #[test]
    fn what_was_left_out_is_said_once() {
        let odd = OddKeys::default();
        assert_eq!(odd.take_remark(), None);
        for key in ["a//1", "a//2", "a//3", "a//4"] {
            odd.add(key.to_owned());
        }
        let expected =
            "4 objects were left out, because their keys are not paths: `a//1`, `a//2`, `a//3`, …";
        assert_eq!(odd.take_remark().as_deref(), Some(expected));
        assert_eq!(odd.take_remark(), None);
    }
}
