//! Credentials and settings of object stores from environment variables and from the profiles of AWS.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use honeyguide::StorageOptions;

/// The prefixes of environment variables that are settings of object stores.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// The files in which AWS's tools keep profiles: the variable that names the file, its path in the home folder, and the
/// prefix of a profile's section. The first file takes precedence.
const PROFILE_FILES: [(&str, &str, &str); 2] = [
    ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", ""),
    ("AWS_CONFIG_FILE", ".aws/config", "profile "),
];
/// The keys of a profile that are settings.
const PROFILE_KEYS: [&str; 5] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "region",
    "endpoint_url",
];

/// Adds the settings from environment variables and profiles to `options`. Environment variables take precedence.
pub fn add_found(options: &mut StorageOptions) {
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let settings = variables
        .iter()
        .filter(|(key, _)| PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
    for (key, value) in settings {
        options.add_found(key, value);
    }
    // With keys in the environment, a profile would mix the settings of two accounts.
    if variables.contains_key("AWS_ACCESS_KEY_ID") {
        return;
    }
    let profile = variables
        .get("AWS_PROFILE")
        .map_or("default", String::as_str);
    for (variable, in_home, prefix) in PROFILE_FILES {
        let named = variables.get(variable).map(PathBuf::from);
        let in_home = || Some(PathBuf::from(variables.get("HOME")?).join(in_home));
        let text = named
            .or_else(in_home)
            .and_then(|path| fs::read_to_string(path).ok());
        for (key, value) in text
            .iter()
            .flat_map(|text| settings_of(text, profile, prefix))
        {
            let prefixed = key.starts_with("aws_");
            options.add_found(
                &if prefixed {
                    key.into()
                } else {
                    format!("aws_{key}")
                },
                value,
            );
        }
    }
}

/// Returns the settings in a profile's section of an INI file.
fn settings_of<'a>(
    text: &'a str,
    profile: &str,
    prefix: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut is_inside = false;
    let names = [profile.to_owned(), format!("{prefix}{profile}")];
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']').trim();
            is_inside = names.iter().any(|name| name == section);
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        (is_inside && PROFILE_KEYS.contains(&key)).then_some((key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_its_own_section() {
        let text = "[default]\naws_access_key_id = one\n\n[profile lab]\nregion=eu-west-1\n# a = b\noutput = json\n[other]\nregion = x\n";
        let lab: Vec<_> = settings_of(text, "lab", "profile ").collect();
        assert_eq!(lab, [("region", "eu-west-1")]);
        let default: Vec<_> = settings_of(text, "default", "profile ").collect();
        assert_eq!(default, [("aws_access_key_id", "one")]);
    }
}
