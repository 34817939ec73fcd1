//! Where the bytes of a capture come from: a regular file, a pipe, or a decompressor.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use phage_decode::Origin;

use super::decompress::{Compression, Decompressor};
use crate::error::SourceFaultKind;
use crate::source::{StopHandle, STOP_CHECK};
use crate::system;

/// What a call to [`Input::fill`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    Bytes(usize),
    /// The time passed.
    Nothing,
    End,
}

/// A stream of capture bytes.
pub(super) struct Input {
    from: From,
    /// First bytes, until the compression is known.
    sniffed: bool,
    stop: StopHandle,
}

enum From {
    File(Reader),
    Decompressor(Decompressor),
    /// Taken away while it is replaced; reads as the end.
    Nothing,
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct CaptureFile(File);

impl Origin for CaptureFile {
    fn read_at(&self, position: u64, into: &mut [u8]) -> usize {
        let mut have = 0;
        while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, position + have as u64) {
                Ok(count) if count > 0 => have += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What a file no longer has, nobody can show.
                Ok(_) | Err(_) => break,
            }
        }
        have
    }
}

/// A file whose reads can be given up.
pub(super) struct Reader {
    file: Arc<CaptureFile>,
    /// Reads of pipes and devices may block for long.
    may_block: bool,
    stop: StopHandle,
}

impl Reader {
    /// Waits for something to read; false when `wait` passed or the source was stopped.
    fn wait(&self, wait: Duration) -> io::Result<bool> {
        if !self.may_block {
            return Ok(true);
        }
        let until = Instant::now().checked_add(wait);
        loop {
            let left = until.map_or(STOP_CHECK, |until| {
                until.saturating_duration_since(Instant::now())
            });
            let ready = system::poll(self.file.0.as_fd(), left.min(STOP_CHECK))?;
            if ready.readable || ready.error {
                return Ok(true);
            }
            if left.is_zero() || self.stop.is_stopped() {
                return Ok(false);
            }
        }
    }
}

impl Read for Reader {
    /// Reads, for a thread of its own: waits as long as it takes, and fails when stopped.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.wait(STOP_CHECK)? {
            if self.stop.is_stopped() {
                return Err(io::Error::other("stopped"));
            }
        }
        (&self.file.0).read(into)
    }
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path, stop: &StopHandle) -> io::Result<Self> {
        let file = if super::is_standard_input(path) {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open(path)?
        };
        let kind = file.metadata()?;
        if kind.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        if kind.is_file() {
            system::read_ahead(file.as_fd());
        }
        Ok(Self {
            from: From::File(Reader {
                file: Arc::new(CaptureFile(file)),
                may_block: !kind.is_file(),
                stop: stop.clone(),
            }),
            sniffed: false,
            stop: stop.clone(),
        })
    }

    /// The file whose bytes are those of the stream, where they can be read again: it is neither
    /// compressed nor a pipe, and was read from its beginning.
    pub(super) fn origin(&self, path: &Path) -> Option<Arc<dyn Origin>> {
        match &self.from {
            From::File(reader) if !reader.may_block && !super::is_standard_input(path) => {
                Some(Arc::clone(&reader.file) as Arc<dyn Origin>)
            }
            _ => None,
        }
    }

    /// Reads into `room`, which is not empty, for at most `wait`.
    pub(super) fn fill(
        &mut self,
        room: &mut [u8],
        wait: Duration,
    ) -> Result<Filled, SourceFaultKind> {
        if !self.sniffed {
            self.sniffed = true;
            return self.first(room, wait);
        }
        match &mut self.from {
            From::File(reader) => read(reader, room, wait),
            From::Decompressor(decompressor) => decompressor.fill(room, wait),
            From::Nothing => Ok(Filled::End),
        }
    }

    /// The first read decides by the first bytes, never by the name, what the file is.
    fn first(&mut self, room: &mut [u8], wait: Duration) -> Result<Filled, SourceFaultKind> {
        let From::File(reader) = &mut self.from else {
            return Ok(Filled::End);
        };
        let mut have = 0;
        while have < Compression::MAGIC {
            let Some(rest) = room.get_mut(have..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            match read(reader, rest, wait)? {
                Filled::Bytes(count) => have += count,
                Filled::End => break,
                Filled::Nothing if have == 0 => {
                    self.sniffed = false;
                    return Ok(Filled::Nothing);
                }
                // A few first bytes without the rest: whoever writes them is about to go on.
                Filled::Nothing if self.stop.is_stopped() => return Ok(Filled::End),
                Filled::Nothing => {}
            }
        }
        let head = room.get(..have).unwrap_or(&[]);
        if have == 0 {
            return Ok(Filled::End);
        }
        let Some(compression) = Compression::of(head) else {
            return Ok(Filled::Bytes(have));
        };
        let head = head.to_vec();
        if let From::File(reader) = std::mem::replace(&mut self.from, From::Nothing) {
            let decompressor = Decompressor::start(compression, head, reader, self.stop.clone())
                .map_err(|error| SourceFaultKind::Read(error.to_string()))?;
            self.from = From::Decompressor(decompressor);
        }
        self.fill(room, wait)
    }
}

fn read(reader: &mut Reader, room: &mut [u8], wait: Duration) -> Result<Filled, SourceFaultKind> {
    let fault = |error: io::Error| SourceFaultKind::Read(error.to_string());
    if !reader.wait(wait).map_err(fault)? {
        return Ok(Filled::Nothing);
    }
    loop {
        match (&reader.file.0).read(room) {
            Ok(0) => return Ok(Filled::End),
            Ok(count) => return Ok(Filled::Bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Filled::Nothing),
            Err(error) => return Err(fault(error)),
        }
    }
}
