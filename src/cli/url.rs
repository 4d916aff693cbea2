//! Where the server is, and paths below it.
//!
//! Pure. What is neither `http` nor `https` is refused here, in words.

use std::fmt;
use std::str::FromStr;

/// Unless told otherwise: where `scribed serve` listens by default.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:7274";

/// The address of a server: `http://host:port/prefix`, or `https` likewise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerUrl {
    is_encrypted: bool,
    host: String,
    port: u16,
    prefix: String,
}

/// The text is not an address that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnusableUrl {
    /// Not an address at all.
    #[error("`{0}` is not a URL; write it like {DEFAULT_URL}")]
    Unreadable(String),
    /// Neither http nor https.
    #[error("`{0}` is not a scheme that can be asked; the URL begins with http:// or https://")]
    Scheme(String),
    /// Credentials in the address.
    #[error("a URL holds no credentials; put the token into a file and name it with --token-file")]
    Credentials,
    /// A query or fragment.
    #[error("the URL of a server has no query; write it like {DEFAULT_URL}")]
    Query,
}

impl FromStr for ServerUrl {
    type Err = UnusableUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || UnusableUrl::Unreadable(text.chars().take(128).collect());
        let (scheme, _) = text.split_once("://").ok_or_else(unreadable)?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UnusableUrl::Scheme(scheme.chars().take(32).collect())),
        };
        if text.contains(['?', '#']) {
            return Err(UnusableUrl::Query);
        }
        let uri: http::Uri = text.parse().map_err(|_| unreadable())?;
        let authority = uri.authority().ok_or_else(unreadable)?;
        if authority.as_str().contains('@') {
            return Err(UnusableUrl::Credentials);
        }
        let host = authority.host();
        let after_host = &authority.as_str()[host.len()..];
        let port = match after_host.strip_prefix(':') {
            None => default_port(is_encrypted),
            Some(digits) => digits.parse().map_err(|_| unreadable())?,
        };
        if host.is_empty() || port == 0 {
            return Err(unreadable());
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { is_encrypted, host: host.to_owned(), port, prefix })
    }
}

const fn default_port(is_encrypted: bool) -> u16 {
    if is_encrypted { 443 } else { 80 }
}

impl ServerUrl {
    /// The address of a listening socket.
    pub(super) fn of_socket(address: std::net::SocketAddr) -> Self {
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { is_encrypted: false, host, port: address.port(), prefix: String::new() }
    }

    /// True for `https`.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Host and port for connecting: an IPv6 address without its brackets.
    pub(super) fn endpoint(&self) -> (&str, u16) {
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }

    /// The value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        if self.port == default_port(self.is_encrypted) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// A path of the server with the prefix before it.
    pub(super) fn path(&self, target: &Target) -> String {
        format!("{}{}", self.prefix, target.text)
    }

    /// The full URL of a path, for people to open.
    pub(super) fn full(&self, target: &Target) -> String {
        format!("{self}{}", target.text)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

/// A path with its query, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// A path that needs no escaping.
    pub(super) fn new(path: &str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// One incident.
    pub(super) fn incident(id: u64) -> Self {
        Self::new("/api/v1/incidents").segment(&id.to_string())
    }

    /// Adds one segment of the path, whatever it holds.
    pub(super) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        escape(segment, &mut self.text);
        self
    }

    /// Adds one parameter.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        escape(name, &mut self.text);
        self.text.push('=');
        escape(value, &mut self.text);
        self
    }

    /// Adds one parameter where there is a value.
    pub(super) fn query_opt(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// The text, for messages.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, endpoint, shown) in [
            (DEFAULT_URL, ("127.0.0.1", 7274), "http://127.0.0.1:7274"),
            ("http://scribed", ("scribed", 80), "http://scribed"),
            ("HTTP://scribed:80/", ("scribed", 80), "http://scribed"),
            ("http://[::1]:7274", ("::1", 7274), "http://[::1]:7274"),
            ("http://host:81/on/call/", ("host", 81), "http://host:81/on/call"),
            ("https://scribed", ("scribed", 443), "https://scribed"),
            ("HTTPS://scribed:443/", ("scribed", 443), "https://scribed"),
            ("https://[::1]:80/pre", ("::1", 80), "https://[::1]:80/pre"),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.endpoint(), endpoint, "{text}");
            assert_eq!(url.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_the_reason() {
        for (text, word) in [
            ("127.0.0.1:7274", "not a URL"),
            ("ftp://host", "scheme"),
            ("http://user:secret@host", "--token-file"),
            ("http://host/?a=b", "query"),
            ("http://", "not a URL"),
            ("http://host:0", "not a URL"),
            ("http://host:99999", "not a URL"),
            ("http://ho st", "not a URL"),
            ("", "not a URL"),
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn segments_and_parameters_cannot_change_the_path() {
        let target = Target::new("/api/v1/alerts")
            .segment("../e1?x")
            .query("filter", "service=\"a b\"")
            .query_opt("cursor", None)
            .query_opt("tz", Some("Africa/Lagos"));
        assert_eq!(
            target.as_str(),
            "/api/v1/alerts/..%2Fe1%3Fx?filter=service%3D%22a%20b%22&tz=Africa%2FLagos"
        );
        let url: ServerUrl = "http://host:81/pre".parse().unwrap();
        assert_eq!(url.path(&Target::incident(3)), "/pre/api/v1/incidents/3");
        assert_eq!(url.full(&Target::new("/incidents/3")), "http://host:81/pre/incidents/3");
    }

    #[test]
    fn a_socket_that_listens_everywhere_is_asked_on_loopback() {
        for (socket, shown) in [
            ("127.0.0.1:7274", "http://127.0.0.1:7274"),
            ("0.0.0.0:1", "http://127.0.0.1:1"),
            ("[::1]:2", "http://[::1]:2"),
        ] {
            assert_eq!(ServerUrl::of_socket(socket.parse().unwrap()).to_string(), shown);
        }
    }
}
