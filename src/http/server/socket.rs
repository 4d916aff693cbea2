//! A connection's socket, which neither waits for ever nor hangs up too early.
//!
//! hyper bounds how long it waits for headers, not how long it waits for a peer that does not read
//! its answer; here a write that makes no progress ends the connection. And when an answer is given
//! before the body was read (413, 401), closing at once would make the kernel send a reset, which
//! can destroy the answer on its way: so what still comes in is read and thrown away for a while
//! first, as other servers do (a lingering close).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a peer may leave us waiting with an answer half written.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// How long the peer may pause while its left-over body is thrown away.
pub(super) const LINGER_PAUSE_MAX: Duration = Duration::from_millis(200);
/// How long throwing it away may take altogether.
pub(super) const LINGER_MAX: Duration = Duration::from_secs(5);
/// How much is thrown away at a time.
const SCRATCH_BYTES: usize = 16 * 1024;

/// A stream with these two manners.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    /// Runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set once our side is closed.
    lingering: Option<Lingering>,
}

#[derive(Debug)]
struct Lingering {
    pause: Pin<Box<Sleep>>,
    whole: Pin<Box<Sleep>>,
}

impl<S> Socket<S> {
    /// Wraps a stream.
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, stalled: None, lingering: None }
    }

    /// Ends a write that has made no progress for too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Throws away what comes in, until the end, an error, or the time is up.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = &mut self.lingering else { return Poll::Ready(()) };
        let mut scratch = [0; SCRATCH_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    lingering.pause.as_mut().reset(Instant::now() + LINGER_PAUSE_MAX);
                }
                Poll::Ready(Ok(()) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let is_over = lingering.pause.as_mut().poll(context).is_ready()
            || lingering.whole.as_mut().poll(context).is_ready();
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.lingering = Some(Lingering {
                pause: Box::pin(sleep(LINGER_PAUSE_MAX)),
                whole: Box::pin(sleep(LINGER_MAX)),
            });
        }
        ready!(self.poll_linger(context));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_the_peer_still_sends_is_read_before_the_close() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut socket = Socket::new(ours);
        let closing = async {
            socket.write_all(b"413").await.unwrap();
            socket.shutdown().await.unwrap();
            drop(socket);
        };
        let sending = async {
            // Far more than the pipe holds: the peer blocks unless somebody reads.
            peer.write_all(&vec![b'x'; 100 * 1024]).await.unwrap();
            let mut answer = String::new();
            peer.read_to_string(&mut answer).await.unwrap();
            drop(peer);
            answer
        };
        let ((), answer) = tokio::join!(closing, sending);
        assert_eq!(answer, "413");
    }
}
