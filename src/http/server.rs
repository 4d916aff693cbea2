//! The server.

use std::net::SocketAddr;

/// What is known of the connection that a request came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    /// True when we listen on a loopback address only, which decides what needs no credentials.
    pub is_on_loopback: bool,
}
