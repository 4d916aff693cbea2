//! The TLS handshake of a connection, in bounded time.
//!
//! Whoever speaks plain HTTP is told so in plain HTTP, for people mistype `http` for `https`. What
//! a failed handshake leaves behind is closed gently, so that the alert that says why reaches the
//! client. Caller: the parent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use crate::config::Tls;
use crate::domain::Name;

/// A connection over TLS.
pub(super) type Stream = TlsStream<Socket<TcpStream>>;

/// The answer to plain HTTP.
const NOT_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 47\r\nconnection: close\r\n\r\n\
    this port speaks https; write https in the URL\n";

/// Why there is no TLS on a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The peer left without a word, as checks of a port do.
    #[error("the peer sent nothing")]
    Silent,
    /// It speaks plain HTTP.
    #[error("the client speaks plain http; it must be told https")]
    PlainHttp,
    /// It took too long.
    #[error("the handshake took longer than web.timeouts.header")]
    TooSlow,
    /// Anything that TLS itself complains of.
    #[error("the handshake failed: {0}")]
    Failed(#[from] io::Error),
}

impl HandshakeError {
    /// True unless nobody tried.
    pub(super) const fn is_failure(&self) -> bool {
        !matches!(self, Self::Silent)
    }
}

/// Makes a connection one over TLS.
pub(super) async fn shake_hands(
    stream: TcpStream,
    tls: &Tls,
    patience: Duration,
) -> Result<Stream, HandshakeError> {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.server));
    tokio::time::timeout(patience, accept(stream, acceptor))
        .await
        .unwrap_or(Err(HandshakeError::TooSlow))
}

async fn accept(stream: TcpStream, acceptor: TlsAcceptor) -> Result<Stream, HandshakeError> {
    let mut first = [0];
    let is_silent = stream.peek(&mut first).await? == 0;
    if is_silent {
        return Err(HandshakeError::Silent);
    }
    let mut socket = Socket::new(stream);
    // Methods begin with a capital letter; no record of TLS does.
    if first[0].is_ascii_uppercase() {
        socket.write_all(NOT_HTTPS).await?;
        socket.shutdown().await?;
        return Err(HandshakeError::PlainHttp);
    }
    match acceptor.accept(socket).into_fallible().await {
        Ok(stream) => Ok(stream),
        Err((error, mut socket)) => {
            socket.shutdown().await.ok();
            Err(error.into())
        }
    }
}

/// True when client and server agreed on HTTP/2.
pub(super) fn has_chosen_http2(stream: &Stream) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// The name in the client's certificate, if it showed one that was checked.
pub(super) fn client(stream: &Stream, tls: &Tls) -> Option<Name> {
    tls.client(stream.get_ref().1.peer_certificates()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_tells_its_length() {
        let text = std::str::from_utf8(NOT_HTTPS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    }
}
