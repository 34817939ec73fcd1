//! Zstandard streams (RFC 8878): frames one after the other, given out to the last byte that can
//! be decoded.

use std::io::{self, BufRead, Cursor, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// First bytes of a frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An empty last block and a checksum, which is not compared. It closes a frame that is cut, so
/// that the decoder gives out the last window, which it otherwise keeps.
const CLOSING: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decompresses one or several frames; skippable frames are passed over.
///
/// Memory is one window and one block: the decoder refuses windows above 100 MiB.
pub(super) struct ZstandardReader<R> {
    source: R,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    Between,
    Within,
    /// The stream is damaged; what was decoded is given out first.
    Damaged(io::Error),
    End,
}

impl<R: BufRead> ZstandardReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            state: State::Between,
        }
    }

    /// Opens the next frame.
    fn open(&mut self) -> io::Result<State> {
        if self.source.fill_buf()?.is_empty() {
            return Ok(State::End);
        }
        let mut magic = [0; 4];
        self.source.read_exact(&mut magic)?;
        if magic == MAGIC {
            self.decoder
                .reset(Cursor::new(magic).chain(&mut self.source))
                .map_err(|_| self.damage())?;
            return Ok(State::Within);
        }
        let [low, rest @ ..] = magic;
        if low & 0xf0 != 0x50 || rest != [0x2a, 0x4d, 0x18] {
            return Err(io::Error::other("something else follows the stream"));
        }
        let mut length = [0; 4];
        self.source.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if skipped < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(State::Between)
    }

    /// Decodes one block more.
    fn decode(&mut self) -> State {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        if self.decoder.decode_blocks(&mut self.source, one).is_ok() {
            return State::Within;
        }
        let damage = self.damage();
        let closed = self
            .decoder
            .decode_blocks(CLOSING.as_slice(), BlockDecodingStrategy::All);
        if closed.is_err() {
            self.decoder = FrameDecoder::new();
        }
        State::Damaged(damage)
    }

    /// What to say of a stream that the decoder refuses.
    fn damage(&mut self) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => io::Error::from(io::ErrorKind::UnexpectedEof),
            Ok(_) => io::Error::other("not a valid Zstandard stream"),
            Err(error) => error,
        }
    }
}

impl<R: BufRead> Read for ZstandardReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            }
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::Between => self.open()?,
                State::Within if self.decoder.is_finished() => State::Between,
                State::Within => self.decode(),
                State::Damaged(error) => return Err(error),
                State::End => return Ok(0),
            };
        }
    }
}
