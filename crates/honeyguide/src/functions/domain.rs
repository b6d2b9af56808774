//! What names of DNS say: their registered domain, the entropy of their labels, and the address of a reverse lookup.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The greatest length of a name without the dot at its end, and of a label, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Returns the registered domain of a name: its public suffix with one more label, in lower case and without a dot at the
/// end. Characters beyond ASCII are written as in DNS (RFC 5890). `None` for text that is no name, for an address, and for
/// a name that is only a public suffix or a single label.
///
/// The suffixes are those of the Public Suffix List (<https://publicsuffix.org>), of registries and of others. A last label
/// that the list does not have is a suffix.
pub(crate) fn registered_domain(name: &str) -> Option<Cow<'_, str>> {
    let name = Name::of(name)?;
    let start = name.text.len() - psl::domain_str(&name.text)?.len();
    Some(match name.text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..]),
        Cow::Owned(mut text) => Cow::Owned(text.split_off(start)),
    })
}

/// Returns the Shannon entropy, in bits per character, of the characters in front of a name's public suffix, without the
/// dots. Where nothing is in front of it, and in text that is no name, all characters count. `None` for text that has no
/// characters but dots.
pub(crate) fn label_entropy(name: &str) -> Option<f64> {
    match Name::of(name) {
        Some(name) => {
            let suffix = psl::suffix_str(&name.text).map_or(0, str::len);
            entropy(&name.text[..name.text.len() - suffix]).or_else(|| entropy(&name.text))
        }
        None => entropy(name),
    }
}

/// Returns the address whose name is looked up by `name`, as in `4.3.2.1.in-addr.arpa` (RFC 1035, section 3.5) or below
/// `ip6.arpa` (RFC 3596, section 2.5); `None` for any other name, and for that of a range of addresses.
pub(crate) fn reverse_ip(name: &str) -> Option<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if let Some(labels) = before(name, ".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = decimal_octet(labels.next()?)?;
        }
        return labels
            .next()
            .is_none()
            .then(|| Ipv4Addr::from(octets).into());
    }
    let labels = before(name, ".ip6.arpa")?;
    let mut address: u128 = 0;
    let mut digits = 0;
    for label in labels.split('.').rev() {
        let [digit] = label.as_bytes() else {
            return None;
        };
        address = address.checked_mul(16)? | u128::from(char::from(*digit).to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then(|| Ipv6Addr::from(address).into())
}

/// A name that DNS can have, in lower case and without a dot at its end.
struct Name<'a> {
    text: Cow<'a, str>,
}

impl<'a> Name<'a> {
    /// Returns the name that is written as `text`; `None` if it has an empty label, is too long, or is an address.
    fn of(text: &'a str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        // Characters beyond ASCII have no fewer bytes than what stands for them.
        if text.len() > 4 * MAX_NAME {
            return None;
        }
        let text = if !text.is_ascii() {
            Cow::Owned(idna::domain_to_ascii(text).ok()?)
        } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len());
        let last = text.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = text.len() <= MAX_NAME && text.split('.').all(is_label) && !is_number;
        is_name.then_some(Self { text })
    }
}

/// Returns the entropy of the characters of `text` without its dots.
fn entropy(text: &str) -> Option<f64> {
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    let mut total = 0.0;
    for character in text.chars().filter(|character| *character != '.') {
        *counts.entry(character).or_default() += 1;
        total += 1.0;
    }
    // Equal counts add up in the same order whichever characters have them.
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    let bits = counts.iter().map(|count| {
        let share = f64::from(*count) / total;
        -share * learn::real::ln(share) / std::f64::consts::LN_2
    });
    (total > 0.0).then(|| bits.sum())
}

/// Returns what stands before `end` in `name`, whatever the case.
fn before<'a>(name: &'a str, end: &str) -> Option<&'a str> {
    let (start, found) = name.split_at_checked(name.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(start)
}

/// Returns the number from 0 to 255 that a label is, written without zeros in front.
fn decimal_octet(label: &str) -> Option<u8> {
    let is_canonical = label == "0" || !label.starts_with(['0', '+']);
    is_canonical.then(|| label.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_domain_is_a_public_suffix_with_one_more_label() {
        for (name, domain) in [
            ("www.example.com", Some("example.com")),
            ("Example.COM.", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("ssm.us-east-2.amazonaws.com", Some("amazonaws.com")),
            // A suffix below which others than a registry give out names.
            ("d111.cloudfront.net", Some("d111.cloudfront.net")),
            ("_dmarc.example.org", Some("example.org")),
            // The list has no such suffix.
            (
                "ip-10-1-2-3.us-east-2.compute.internal",
                Some("compute.internal"),
            ),
            ("4.3.2.1.in-addr.arpa", Some("1.in-addr.arpa")),
            ("com", None),
            ("co.uk", None),
            ("localhost", None),
            ("", None),
            (".", None),
            ("..", None),
            ("a..com", None),
            (".example.com", None),
            ("192.168.1.7", None),
        ] {
            assert_eq!(registered_domain(name).as_deref(), domain, "{name:?}");
        }
    }

    #[test]
    fn a_name_beyond_ascii_is_the_same_in_both_forms() {
        let domain = Some("xn--bcher-kva.example");
        for name in [
            "www.bücher.example",
            "WWW.BÜCHER.EXAMPLE.",
            "www.xn--bcher-kva.example",
        ] {
            assert_eq!(registered_domain(name).as_deref(), domain, "{name}");
        }
        let [written, encoded] = ["食狮.中国", "xn--85x722f.xn--fiqs8s"].map(registered_domain);
        assert_eq!(written, encoded);
        assert!(written.is_some());
        // U+FFFD is not allowed in names.
        assert_eq!(registered_domain("a\u{fffd}b.example.com"), None);
    }

    #[test]
    fn names_and_labels_have_a_greatest_length() {
        let label = "a".repeat(MAX_LABEL);
        let longest = [label.as_str(); 3].join(".") + "." + &"b".repeat(58) + ".com.";
        assert_eq!(longest.len(), MAX_NAME + 2);
        let name = &longest[1..];
        let domain = "b".repeat(58) + ".com";
        assert_eq!(registered_domain(name).as_deref(), Some(domain.as_str()));
        assert_eq!(registered_domain(&longest), None);
        assert_eq!(registered_domain(&format!("a{label}.com")), None);
        assert_eq!(registered_domain(&"ü".repeat(100_000)), None);
        assert!(label_entropy(&"ab".repeat(100_000)).is_some());
    }

    #[test]
    fn entropy_is_that_of_the_labels_before_the_suffix() {
        for (name, bits) in [
            ("aaaa.com", Some(0.0)),
            ("abab.com", Some(1.0)),
            ("ab.cd.co.uk", Some(2.0)),
            ("AB.cd.CO.UK.", Some(2.0)),
            ("abcdefgh.com", Some(3.0)),
            // Nothing is before the suffix.
            ("co.uk", Some(2.0)),
            ("abab", Some(1.0)),
            ("a..b", Some(1.0)),
            ("..", None),
            ("", None),
        ] {
            let found = label_entropy(name);
            let is_close = found
                .zip(bits)
                .map(|(found, bits)| (found - bits).abs() < 1e-12);
            assert!(is_close.unwrap_or(found == bits), "{name}: {found:?}");
        }
    }

    #[test]
    fn reverse_names_tell_their_addresses() {
        let six = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        for (name, address) in [
            ("4.3.2.1.in-addr.arpa", Some("1.2.3.4")),
            ("213.1.168.192.IN-ADDR.ARPA.", Some("192.168.1.213")),
            (six, Some("2001:db8::567:89ab")),
            (&six[2..], None),
            ("1.168.192.in-addr.arpa", None),
            ("9.4.3.2.1.in-addr.arpa", None),
            ("04.3.2.1.in-addr.arpa", None),
            ("+4.3.2.1.in-addr.arpa", None),
            ("256.3.2.1.in-addr.arpa", None),
            ("1/25.3.2.1.in-addr.arpa", None),
            ("in-addr.arpa", None),
            (".in-addr.arpa", None),
            ("ip6.arpa", None),
            ("x.ip6.arpa", None),
            ("ü.in-addr.arpa", None),
            ("arpa", None),
            ("", None),
        ] {
            let found = reverse_ip(name).map(|address| address.to_string());
            assert_eq!(found.as_deref(), address, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_domain_is_its_own_and_ends_the_name(name in "([a-z0-9_-]{1,12}\\.){0,5}(com|co\\.uk|internal|x7)") {
            if let Some(domain) = registered_domain(&name) {
                prop_assert!(name.ends_with(&*domain));
                let own = registered_domain(&domain);
                prop_assert_eq!(own.as_deref(), Some(&*domain));
            }
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            let _ = registered_domain(&text);
            let bits = label_entropy(&text);
            prop_assert!(bits.is_none_or(|bits| (0.0..=21.0).contains(&bits)));
        }

        #[test]
        fn every_address_comes_back(four in any::<u32>(), six in any::<u128>()) {
            let [four, six] = [IpAddr::V4(four.into()), IpAddr::V6(six.into())];
            let IpAddr::V4(address) = four else { unreachable!() };
            let [a, b, c, d] = address.octets();
            let found = reverse_ip(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"));
            prop_assert_eq!(found, Some(four));
            let IpAddr::V6(address) = six else { unreachable!() };
            let digits = format!("{:032x}", u128::from(address));
            let labels: Vec<String> = digits.chars().rev().map(String::from).collect();
            prop_assert_eq!(reverse_ip(&(labels.join(".") + ".ip6.arpa")), Some(six));
        }
    }
}
