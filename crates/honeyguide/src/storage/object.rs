//! Object stores, which are opened from a URL and credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use datafusion::object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use datafusion::object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ClientOptions, Error as StoreError, ObjectStore};
use url::Url;

use super::listing::{Connector, OddKeys};
use super::redirect;
use super::retries::{self, Retries};
use crate::error::{Error, Result};
use crate::naming::parameter;
use crate::secret::{Secret, redacted};

/// The longest time in which a connection must be made.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The longest time that a request for at most a few MiB may take.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(60);

/// The settings of object stores by name, such as `aws_access_key_id`. The names are those of object_store, which
/// delta-rs and polars use too. The `Debug` form shows values as stars.
#[derive(Clone, Default)]
pub struct StorageOptions {
    /// The options that the caller sets. A name that no store knows is an error.
    named: BTreeMap<String, Secret>,
    /// The settings found in the environment or in a profile. Unknown names are ignored.
    found: BTreeMap<String, Secret>,
}

/// An object, or a prefix of objects, in an object store.
#[derive(Clone)]
pub(crate) struct ObjectPlace {
    pub store: Arc<dyn ObjectStore>,
    pub path: ObjectPath,
    /// The path with its percent-encoded bytes decoded, where that is another one. A name in a bucket can have percent
    /// signs of its own, so the path as it is written comes first.
    pub decoded: Option<Box<ObjectPath>>,
    pub about: Arc<About>,
}

impl fmt::Debug for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store holds credentials.
        f.debug_struct("ObjectPlace")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The name of a place in messages, and the secrets that messages about it must not contain.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The path, or the URL without secrets.
    pub shown: PathBuf,
    /// The texts that are replaced by stars in messages.
    secrets: Vec<Secret>,
    /// The keys that lists of the store are without.
    pub odd_keys: OddKeys,
}

impl StorageOptions {
    /// Sets an option, given as `KEY=VALUE`. The last value set for a key counts.
    ///
    /// # Errors
    /// Fails when `option` has no equals sign.
    pub fn set(&mut self, option: &str) -> Result<()> {
        // The message must not repeat what may be a secret.
        let (key, value) = option.split_once('=').ok_or_else(|| {
            Error::usage("a storage option without an equals sign").hint(format!(
                "write KEY=VALUE, as in {} aws_region=eu-west-1",
                parameter("storage_option")
            ))
        })?;
        let key = key.trim().to_ascii_lowercase();
        self.named.insert(key, Secret::new(value));
        Ok(())
    }

    /// Adds a setting found in the environment or in a profile. The first value added for a key counts.
    pub fn add_found(&mut self, key: &str, value: &str) {
        let key = key.to_ascii_lowercase();
        self.found.entry(key).or_insert_with(|| Secret::new(value));
    }

    /// Returns the settings that the store of `url` knows, with the caller's options last.
    ///
    /// # Errors
    /// Fails when the caller set an option that no store knows.
    fn keys<K: FromStr>(&self, url: &Url) -> Result<Vec<(K, String)>> {
        let parsed =
            |(key, value): (&String, &Secret)| Some((key.parse().ok()?, value.reveal().into()));
        let mut keys: Vec<_> = self.found.iter().filter_map(parsed).collect();
        for (key, value) in &self.named {
            match key.parse() {
                Ok(parsed) => keys.push((parsed, value.reveal().into())),
                Err(_) if is_known_to_any_store(key) => {}
                Err(_) => {
                    return Err(Error::usage(format!(
                        "unknown storage option `{key}` for {}://",
                        url.scheme()
                    ))
                    .hint("the names are those of object_store, delta-rs and polars, such as aws_access_key_id, azure_storage_account_name, google_service_account"));
                }
            }
        }
        Ok(keys)
    }

    /// Returns the hosts to which a web server may redirect.
    pub(super) fn redirect_hosts(&self) -> Vec<String> {
        let hosts = self.named.get(redirect::OPTION);
        let hosts = hosts
            .into_iter()
            .flat_map(|hosts| hosts.reveal().split(','));
        hosts.map(|host| host.trim().to_owned()).collect()
    }

    /// Returns when a request is repeated.
    ///
    /// # Errors
    /// Fails when the caller set an option for it that is out of range.
    pub(super) fn retries(&self) -> Result<Retries> {
        Retries::of(|name| self.named.get(name).map(Secret::reveal))
    }

    /// Returns the values of the settings whose keys suggest a secret.
    fn secrets(&self) -> Vec<Secret> {
        let is_secret = |(key, _): &(&String, &Secret)| {
            ["key", "token", "secret", "password", "sas", "signature"]
                .iter()
                .any(|word| key.contains(word))
        };
        let all = self.named.iter().chain(&self.found).filter(is_secret);
        all.map(|(_, secret)| secret.clone()).collect()
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.named).finish()
    }
}

/// Returns whether some kind of store, or all of them, know `key`. The data of one call may be in several stores, so an
/// option of another store is not an error.
fn is_known_to_any_store(key: &str) -> bool {
    key == redirect::OPTION
        || retries::is_option(key)
        || AmazonS3ConfigKey::from_str(key).is_ok()
        || AzureConfigKey::from_str(key).is_ok()
        || GoogleConfigKey::from_str(key).is_ok()
}

/// Opens the store that a URL names, and returns the place in it.
///
/// # Errors
/// Fails when `text` is not a URL, or when no store can be opened with the options.
pub(crate) fn open(text: &str, options: &StorageOptions) -> Result<ObjectPlace> {
    let about = About {
        shown: redacted(text).into(),
        secrets: options.secrets(),
        odd_keys: OddKeys::default(),
    };
    let unusable = |error: &dyn fmt::Display| {
        let why = about.clean(&error.to_string());
        Error::usage(format!("{}: {why}", about.shown.display()))
    };
    let url = Url::parse(text).map_err(|error| unusable(&error))?;
    let store = match url.scheme() {
        "s3" | "s3a" => amazon(&url, options, &about.odd_keys)?,
        "gs" | "gcs" => google(&url, options, &about.odd_keys)?,
        _ => azure(&url, options, &about.odd_keys)?,
    };
    let store = store.map_err(|error| unusable(&error))?;
    let written = object_path(text);
    let path = ObjectPath::parse(written).map_err(|_| {
        Error::usage(format!(
            "{}: not a path in a bucket: its parts must not be empty, `.` or `..`, nor have control characters",
            about.shown.display()
        ))
        .hint("name the folder above it, or copy the object to another key")
    })?;
    let decoded = ObjectPath::from_url_path(written).ok();
    Ok(ObjectPlace {
        store,
        decoded: decoded.filter(|decoded| *decoded != path).map(Box::new),
        path,
        about: Arc::new(about),
    })
}

/// Returns the path after the bucket or container. It may contain wildcards such as `?`, so it is not parsed as a URL.
fn object_path(text: &str) -> &str {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    after_scheme.split_once('/').map_or("", |(_, path)| path)
}

/// The result of building a store.
type Built = std::result::Result<Arc<dyn ObjectStore>, StoreError>;

/// Returns a builder with the timeouts, the retries and the options that it knows. This is a macro because the builders
/// have the same methods but no common trait.
macro_rules! configured {
    ($builder:expr, $url:expr, $options:expr, $odd_keys:expr) => {{
        let builder = $builder
            .with_client_options(client())
            .with_retry($options.retries()?.of_store())
            .with_http_connector(Connector($odd_keys.clone()));
        let keys = $options.keys($url)?.into_iter();
        keys.fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        })
    }};
}

fn amazon(url: &Url, options: &StorageOptions, odd_keys: &OddKeys) -> Result<Built> {
    let builder = configured!(AmazonS3Builder::new(), url, options, odd_keys);
    let bucket = url.host_str().unwrap_or_default();
    Ok(builder
        .with_bucket_name(bucket)
        .build()
        .map(|store| Arc::new(store) as _))
}

fn google(url: &Url, options: &StorageOptions, odd_keys: &OddKeys) -> Result<Built> {
    let builder = configured!(GoogleCloudStorageBuilder::new(), url, options, odd_keys);
    let bucket = url.host_str().unwrap_or_default();
    Ok(builder
        .with_bucket_name(bucket)
        .build()
        .map(|store| Arc::new(store) as _))
}

/// Builds the store of `az://CONTAINER/PATH` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`.
fn azure(url: &Url, options: &StorageOptions, odd_keys: &OddKeys) -> Result<Built> {
    let builder = configured!(MicrosoftAzureBuilder::new(), url, options, odd_keys);
    let base = format!("{}://{}", url.scheme(), url.authority());
    Ok(builder
        .with_url(base)
        .build()
        .map(|store| Arc::new(store) as _))
}

fn client() -> ClientOptions {
    ClientOptions::new()
        .with_timeout(REQUEST_TIME)
        .with_connect_timeout(CONNECT_TIME)
}

impl About {
    /// Creates the description of a place named `shown` that has no secrets.
    pub fn new(shown: PathBuf) -> Self {
        Self {
            shown,
            secrets: Vec::new(),
            odd_keys: OddKeys::default(),
        }
    }

    /// Returns a description of a place named `shown` with the same secrets.
    pub fn of(&self, shown: PathBuf) -> Self {
        Self {
            shown,
            ..self.clone()
        }
    }

    /// Returns the first line of `text` without secrets.
    fn clean(&self, text: &str) -> String {
        let line = redacted(text.lines().next().unwrap_or_default());
        self.secrets
            .iter()
            .fold(line, |line, secret| secret.strike_out(&line))
    }

    /// Returns the error that reports a store's `error`, met while doing `what` here.
    pub fn refused(&self, what: &str, error: &StoreError) -> Error {
        let shown = self.shown.display();
        let cause = innermost(error).to_string();
        // The error of a refused listing has its status only in its text.
        let answers = |statuses: [&str; 2]| statuses.iter().any(|status| cause.contains(status));
        match error {
            StoreError::Precondition { .. } => self.replaced(),
            StoreError::NotFound { .. } => self.absent(),
            StoreError::Generic { .. } if answers(["404 Not Found", "NoSuchBucket"]) => {
                self.absent()
            }
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                self.unauthorised(what)
            }
            StoreError::Generic { .. } if answers(["403 Forbidden", "401 Unauthorized"]) => {
                self.unauthorised(what)
            }
            _ => Error::refused(format!("cannot {what} {shown}: {}", self.clean(&cause)))
                .hint("check the network, the address of the store and its credentials"),
        }
    }

    fn absent(&self) -> Error {
        let shown = self.shown.display();
        Error::usage(format!("{shown}: no such file, bucket or container"))
            .hint("check the spelling; the bucket must exist")
    }

    fn unauthorised(&self, what: &str) -> Error {
        let shown = self.shown.display();
        Error::refused(format!("cannot {what} {shown}: the store refuses the credentials"))
            .hint(format!("check the credentials in the environment variables, the profile and {option}, and the permissions of the account; public data needs {option} {}_skip_signature=true", self.cloud(), option = parameter("storage_option")))
    }

    /// Returns the prefix of the storage options of this kind of store.
    fn cloud(&self) -> &'static str {
        match self.shown.to_string_lossy().split_once("://") {
            Some(("s3" | "s3a", _)) => "aws",
            Some(("gs" | "gcs", _)) => "google",
            _ => "azure",
        }
    }

    /// Returns the error for a file that was replaced while it was read.
    pub fn replaced(&self) -> Error {
        Error::data(format!(
            "{}: the file was replaced while it was read",
            self.shown.display()
        ))
        .hint("run the command again; nothing was written")
    }
}

/// Returns the innermost source of an error.
fn innermost<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(named: &[&str]) -> StorageOptions {
        let mut options = StorageOptions::default();
        named.iter().for_each(|option| options.set(option).unwrap());
        options
    }

    /// Returns how many of the options the store of `url` is given. The others are of other stores, or of all.
    fn n_given<K: FromStr>(url: &str, names: &[&str]) -> usize {
        let settings: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let url = Url::parse(url).expect("a URL");
        let keys = options(&settings).keys::<K>(&url);
        keys.expect("every name is known to some store").len()
    }

    #[test]
    fn the_names_that_polars_documents_are_known() {
        let amazon = "aws_access_key_id aws_secret_access_key aws_region aws_default_region aws_endpoint_url aws_endpoint \
                      aws_session_token aws_imdsv1_fallback aws_virtual_hosted_style_request aws_unsigned_payload \
                      aws_checksum_algorithm aws_metadata_endpoint aws_container_credentials_relative_uri \
                      aws_web_identity_token_file aws_role_arn aws_skip_signature aws_copy_if_not_exists \
                      aws_conditional_put aws_disable_tagging aws_s3_express aws_request_payer aws_allow_http \
                      aws_server_side_encryption access_key_id secret_access_key region endpoint_url token";
        let google = "google_service_account google_service_account_path google_service_account_key google_bucket \
                      google_application_credentials google_skip_signature service_account";
        let azure = "azure_storage_account_name azure_storage_account_key azure_storage_access_key azure_client_id \
                     azure_client_secret azure_tenant_id azure_authority_host azure_storage_sas_key azure_storage_token \
                     azure_storage_use_emulator azure_storage_endpoint azure_msi_endpoint azure_object_id \
                     azure_msi_resource_id azure_federated_token_file azure_use_azure_cli azure_skip_signature \
                     azure_container_name azure_disable_tagging account_name account_key tenant_id sas_token";
        let client = "allow_http allow_invalid_certificates connect_timeout timeout proxy_url user_agent http1_only \
                      pool_idle_timeout";
        let all = "max_retries retry_timeout_ms retry_init_backoff_ms retry_max_backoff_ms retry_base_multiplier \
                   file_cache_ttl http_redirect_hosts";
        let names = |texts: [&'static str; 3]| -> Vec<&str> {
            texts
                .iter()
                .flat_map(|text| text.split_whitespace())
                .collect()
        };
        let n_client = client.split_whitespace().count();
        let count = |own: &str| own.split_whitespace().count() + n_client;
        let given = n_given::<AmazonS3ConfigKey>("s3://b/x", &names([amazon, client, all]));
        assert_eq!(given, count(amazon));
        let given = n_given::<GoogleConfigKey>("gs://b/x", &names([google, client, all]));
        assert_eq!(given, count(google));
        let given = n_given::<AzureConfigKey>("az://b/x", &names([azure, client, all]));
        assert_eq!(given, count(azure));
        for name in ["rate_read_init", "rate_write_ceiling", "nonsense"] {
            let url = Url::parse("s3://b/x").expect("a URL");
            let refused = options(&[&format!("{name}=1")]).keys::<AmazonS3ConfigKey>(&url);
            let error = refused.expect_err(name).to_string();
            assert!(
                error.contains(&format!("unknown storage option `{name}`")),
                "{error}"
            );
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "abcdefghijklmnop";
        let options = options(&[
            "AWS_SECRET_ACCESS_KEY=abcdefghijklmnop",
            "aws_access_key_id=AKID",
        ]);
        assert!(!format!("{options:?}").contains(secret), "{options:?}");
        let place = open("s3://bucket/a.csv", &options).unwrap();
        let error = place.about.refused(
            "read",
            &StoreError::Generic {
                store: "S3",
                source: format!("signed with {secret} at https://me:pw@h/?sig=1").into(),
            },
        );
        for part in [secret, "pw", "sig=1"] {
            assert!(!format!("{error:?}").contains(part), "{error:?}");
        }
    }

    #[test]
    fn unknown_options_are_refused_without_their_value() {
        let error = open("s3://b/a.csv", &options(&["aws_regio=hidden-value"]));
        let error = error.expect_err("the option is unknown").to_string();
        assert!(
            error.contains("aws_regio") && !error.contains("hidden-value"),
            "{error}"
        );
        let of_another = options(&["azure_storage_account_name=x", "aws_region=us-east-1"]);
        assert!(open("s3://b/a.csv", &of_another).is_ok());
        let error = StorageOptions::default().set("hidden-value").unwrap_err();
        assert!(!error.to_string().contains("hidden-value"));
    }

    #[test]
    fn the_callers_options_override_found_settings() {
        let mut options = options(&["aws_region=named"]);
        options.add_found("AWS_REGION", "found");
        options.add_found("AWS_ENDPOINT_URL", "http://first");
        options.add_found("aws_endpoint_url", "http://second");
        let url = Url::parse("s3://b/").unwrap();
        let keys: Vec<(AmazonS3ConfigKey, String)> = options.keys(&url).unwrap();
        let values: Vec<_> = keys.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["http://first", "found", "named"]);
    }
}
