//! What a node or a client shows when it calls another node.
//!
//! Ballista makes the connections between executors itself, and lets us change an endpoint only. Of the headers of a
//! call, an endpoint sets one: `User-Agent`. So the token and the secret of an executor are products of that header.
//! A token is also accepted as `Authorization: Bearer TOKEN`, which Prometheus and curl send.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use ballista_core::ids::new_instance_id;
use honeyguide::Token;
use subtle::ConstantTimeEq;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::{AUTHORIZATION, USER_AGENT};
use tonic::transport::{Endpoint, Error};

use super::Tls;

/// The product of `User-Agent` whose version is the cluster's token.
const TOKEN: &str = "honeyguide-token/";
/// The product of `User-Agent` whose version is the secret of an executor.
const SECRET: &str = "honeyguide-executor/";
/// The length of an executor's secret: two UUIDs of 36 characters and a hyphen.
const SECRET_BYTES: usize = 73;

/// A secret that an executor draws when it joins. Only the executor and its scheduler know it. It is never printed.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Draws a new secret of 244 random bits.
    pub(crate) fn draw() -> Self {
        Self(format!("{}-{}", new_instance_id(), new_instance_id()).into())
    }

    /// Takes the secret that an executor has drawn. Returns `None` if it is not as long as ours are.
    pub(crate) fn from_executor(text: &str) -> Option<Self> {
        (text.len() == SECRET_BYTES).then(|| Self(text.into()))
    }

    /// Returns whether `text` is this secret, in a time that does not depend on the place of the first difference.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// What is shown in every call over one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Tls>,
    pub(crate) secret: Option<Secret>,
}

impl Credentials {
    /// Returns `endpoint` with these credentials in every call. With TLS, settings of the endpoint are made afterwards if
    /// its URL says `http`.
    ///
    /// # Errors
    /// Never, because tokens and secrets consist of characters that a header may have, and certificates were read before.
    pub(crate) fn on(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        let endpoint = match &self.tls {
            Some(tls) => tls.over(endpoint)?,
            None => endpoint,
        };
        let token = self.token.as_ref();
        let token = token.map(|token| format!("{TOKEN}{}", token.reveal()));
        let secret = self.secret.as_ref();
        let secret = secret.map(|secret| format!("{SECRET}{}", secret.0));
        let shown: Vec<String> = token.into_iter().chain(secret).collect();
        match shown.is_empty() {
            true => Ok(endpoint),
            false => endpoint.user_agent(shown.join(" ")),
        }
    }

    /// Returns the value of `Authorization` for a request over HTTP, if there is a token.
    pub(crate) fn authorization(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(format!("Bearer {}", token.reveal()))
    }
}

fn product<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    agent.split(' ').find_map(|part| part.strip_prefix(name))
}

/// Returns the token that a call shows.
pub(super) fn presented_token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| product(headers, TOKEN))
}

/// Returns the secret of an executor that a call shows.
pub(crate) fn presented_secret(headers: &HeaderMap) -> Option<&str> {
    product(headers, SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_secrets_are_found_and_not_printed() {
        let secret = Secret::draw();
        assert!(!secret.is(&Secret::draw().0));
        let mut headers = HeaderMap::new();
        assert_eq!(presented_token(&headers), None);
        let agent = format!("{TOKEN}abc/=+ {SECRET}{} tonic/0.14", secret.0);
        headers.insert(USER_AGENT, agent.parse().unwrap());
        assert_eq!(presented_token(&headers), Some("abc/=+"));
        assert!(secret.is(presented_secret(&headers).unwrap()));
        headers.insert(AUTHORIZATION, "Bearer xyz".parse().unwrap());
        assert_eq!(presented_token(&headers), Some("xyz"));
        let token = Token::new("0123456789abcdef");
        let all = Credentials {
            token,
            tls: None,
            secret: Some(secret.clone()),
        };
        let shown = format!("{all:?}");
        assert!(
            !shown.contains("0123456789abcdef") && !shown.contains(&*secret.0),
            "{shown}"
        );
        assert!(Secret::from_executor("short").is_none());
        assert!(Secret::from_executor(&secret.0).is_some());
    }
}
