//! The target `domain`: what names of DNS say, compared with what must hold for it.

use crate::functions::domain;

/// Reads a name.
pub fn run(input: &[u8]) {
    let Ok(name) = std::str::from_utf8(input) else {
        return;
    };
    if let Some(found) = domain::registered_domain(name) {
        assert!(found.is_ascii() && found.contains('.'), "{found}");
        assert!(!found.ends_with('.') && found.len() <= 253, "{found}");
        let own = domain::registered_domain(&found);
        assert_eq!(own.as_deref(), Some(&*found), "a domain is its own");
        if name.is_ascii() {
            let lower = name.to_ascii_lowercase();
            let lower = lower.strip_suffix('.').unwrap_or(&lower);
            assert!(lower == found || lower.ends_with(&format!(".{found}")));
            let more = format!("x.{lower}");
            let more = domain::registered_domain(&more);
            assert!(more.is_none_or(|more| more == found), "a label in front");
        }
    }
    if let Some(bits) = domain::label_entropy(name) {
        // No text of so many characters has more; a character beyond ASCII becomes several.
        let most = (8.0 * name.len() as f64).log2();
        assert!((0.0..=most + 1e-9).contains(&bits), "{bits}");
    }
    if let Some(address) = domain::reverse_ip(name) {
        let labels: Vec<String> = match address {
            std::net::IpAddr::V4(four) => four.octets().iter().map(u8::to_string).collect(),
            std::net::IpAddr::V6(six) => format!("{:032x}", u128::from(six))
                .chars()
                .map(String::from)
                .collect(),
        };
        let labels: Vec<String> = labels.into_iter().rev().collect();
        let start = labels.join(".");
        assert!(
            name.to_ascii_lowercase().starts_with(&start),
            "{address} of {name}"
        );
    }
}
