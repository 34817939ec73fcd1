//! Decompression on a thread of its own, a few pieces ahead of the reader.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::mpsc::{
    channel, sync_channel, Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError,
};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;

use super::input::{Filled, Reader};
use super::zstandard::ZstandardReader;
use crate::error::SourceFaultKind;
use crate::source::{StopHandle, STOP_CHECK};

/// Bytes of decompressed data that go from thread to thread at once.
const PIECE: usize = 256 * 1024;

/// Pieces that may lie between the threads: enough that neither waits for each hand-over.
const PIECES: usize = 4;

/// Bytes of compressed data read at once.
const COMPRESSED: usize = 128 * 1024;

/// The compressions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstandard,
}

impl Compression {
    /// Bytes that [`Compression::of`] looks at.
    pub(super) const MAGIC: usize = 4;

    /// Tells the compression by the first bytes; `None` where there is none.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            // A skippable frame may come first.
            [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50 => Some(Self::Zstandard),
            _ => None,
        }
    }
}

type Piece = Result<Vec<u8>, SourceFaultKind>;

/// The reader's side of a decompressing thread. The thread ends by itself when this is dropped.
pub(super) struct Decompressor {
    pieces: Receiver<Piece>,
    spent: Sender<Vec<u8>>,
    piece: Vec<u8>,
    used: usize,
    stop: StopHandle,
}

impl Decompressor {
    /// Starts decompressing what begins with `head` and goes on in `reader`.
    pub(super) fn start(
        compression: Compression,
        head: Vec<u8>,
        reader: Reader,
        stop: StopHandle,
    ) -> io::Result<Self> {
        let (give, pieces) = sync_channel(PIECES);
        let (spent, reuse) = channel();
        std::thread::Builder::new()
            .name("phage-unpack".to_owned())
            .spawn(move || {
                let source = BufReader::with_capacity(COMPRESSED, Cursor::new(head).chain(reader));
                let worker = Worker { give, reuse };
                match compression {
                    Compression::Gzip => worker.forward(MultiGzDecoder::new(source)),
                    Compression::Zstandard => worker.forward(ZstandardReader::new(source)),
                }
            })?;
        Ok(Self {
            pieces,
            spent,
            piece: Vec::new(),
            used: 0,
            stop,
        })
    }

    /// Copies decompressed bytes into `room`, waiting for them at most `wait`.
    pub(super) fn fill(
        &mut self,
        room: &mut [u8],
        wait: Duration,
    ) -> Result<Filled, SourceFaultKind> {
        if self.used >= self.piece.len() {
            // A thread that is gone wants nothing back.
            let _ = self.spent.send(std::mem::take(&mut self.piece));
            self.used = 0;
            match self.receive(wait) {
                Ok(piece) => self.piece = piece?,
                Err(RecvTimeoutError::Timeout) => return Ok(Filled::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Filled::End),
            }
        }
        let rest = self.piece.get(self.used..).unwrap_or(&[]);
        let count = rest.len().min(room.len());
        if let (Some(into), Some(from)) = (room.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(from);
        }
        self.used += count;
        Ok(Filled::Bytes(count))
    }

    fn receive(&self, wait: Duration) -> Result<Piece, RecvTimeoutError> {
        let until = Instant::now().checked_add(wait);
        loop {
            let left = until.map_or(STOP_CHECK, |until| {
                until.saturating_duration_since(Instant::now())
            });
            match self.pieces.recv_timeout(left.min(STOP_CHECK)) {
                Err(RecvTimeoutError::Timeout) if !left.is_zero() && !self.stop.is_stopped() => {}
                other => return other,
            }
        }
    }
}

/// The thread's side.
struct Worker {
    give: SyncSender<Piece>,
    reuse: Receiver<Vec<u8>>,
}

impl Worker {
    fn forward(&self, mut decoder: impl Read) {
        loop {
            let mut piece = match self.reuse.try_recv() {
                Ok(piece) if piece.len() == PIECE => piece,
                Ok(_) | Err(TryRecvError::Empty) => vec![0; PIECE],
                Err(TryRecvError::Disconnected) => return,
            };
            let (filled, outcome) = fill(&mut decoder, &mut piece);
            piece.truncate(filled);
            if filled > 0 && self.give.send(Ok(piece)).is_err() {
                return;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let fault = SourceFaultKind::Compression(error.to_string());
                    // Nobody to tell: the reader is gone.
                    let _ = self.give.send(Err(fault));
                    return;
                }
            }
        }
    }
}

/// Reads until the piece is full (true) or the stream ends (false); what came before an error
/// counts.
fn fill(decoder: &mut impl Read, piece: &mut [u8]) -> (usize, io::Result<bool>) {
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest) {
            Ok(0) => return (filled, Ok(false)),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
        // What a live pipe has given is handed on; a piece need not be full for that.
        if filled >= PIECE / 4 {
            break;
        }
    }
    (filled, Ok(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_compressions_by_their_first_bytes() {
        assert_eq!(
            Compression::of(&[0x1f, 0x8b, 8, 0]),
            Some(Compression::Gzip)
        );
        assert_eq!(
            Compression::of(&[0x28, 0xb5, 0x2f, 0xfd]),
            Some(Compression::Zstandard)
        );
        assert_eq!(
            Compression::of(&[0x5e, 0x2a, 0x4d, 0x18]),
            Some(Compression::Zstandard)
        );
        assert_eq!(Compression::of(&[0xd4, 0xc3, 0xb2, 0xa1]), None);
        assert_eq!(Compression::of(&[0x1f]), None);
    }
}
