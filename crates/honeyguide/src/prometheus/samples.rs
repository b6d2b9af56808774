//! Reading metrics, for the tests of all crates that write them.

use std::collections::BTreeMap;

/// Reads the values of a text by their names with labels. Panics if the text does not have the format.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut described = None;
    let mut typed = None;
    assert!(text.ends_with('\n'), "the last line is not ended: {text}");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            described = rest.split_once(' ').map(|(name, _)| name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert_eq!(described, Some(name), "{line}");
            typed = Some((name, kind));
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
            let name = sample.split('{').next().expect("a name");
            let (typed, kind) = typed.expect("a type");
            let rest = name.strip_prefix(typed).expect("samples of the metric");
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&rest), "{line}"),
                _ => assert_eq!(rest, "", "{line}"),
            }
            let value = value.parse().expect("a number");
            assert!(samples.insert(sample.to_owned(), value).is_none(), "{line}");
        }
    }
    samples
}
