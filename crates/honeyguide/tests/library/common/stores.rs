//! The object stores on loopback that tests use.
#![allow(
    dead_code,
    reason = "every test program uses some of these helpers, none uses all"
)]

/// An object store that `cargo xtask test` started.
pub struct Store {
    /// The beginning of the URLs of its objects.
    pub base: &'static str,
    /// The storage options with which commands reach it.
    pub options: Vec<String>,
    /// A storage option with credentials that it refuses, or none if it does not check them.
    pub wrong_option: Option<&'static str>,
}

/// Returns the stores that are running. Without npm there are none, and `cargo xtask test` says so.
pub fn stores() -> Vec<Store> {
    let s3 = std::env::var("HONEYGUIDE_TEST_S3").map(|endpoint| Store {
        base: "s3://lake",
        options: vec![
            format!("aws_endpoint_url={endpoint}"),
            "aws_allow_http=true".into(),
            "aws_access_key_id=S3RVER".into(),
            "aws_secret_access_key=S3RVER".into(),
            "aws_region=us-east-1".into(),
        ],
        wrong_option: Some("aws_access_key_id=wrong-key-id"),
    });
    let azure = std::env::var("HONEYGUIDE_TEST_AZURE").map(|endpoint| Store {
        base: "az://lake",
        options: vec![
            format!("azure_storage_endpoint={endpoint}"),
            "azure_allow_http=true".into(),
            "azure_storage_account_name=devstoreaccount1".into(),
            "azure_storage_account_key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==".into(),
        ],
        wrong_option: Some("azure_storage_account_key=d3Jvbmctc2VjcmV0"),
    });
    let google = std::env::var("HONEYGUIDE_TEST_GOOGLE").map(|endpoint| Store {
        base: "gs://lake-of-google",
        options: vec![
            format!(
                r#"google_service_account_key={{"gcs_base_url":"{endpoint}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#
            ),
            "google_allow_http=true".into(),
        ],
        wrong_option: None,
    });
    s3.into_iter().chain(azure).chain(google).collect()
}
