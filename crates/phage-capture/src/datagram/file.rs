//! Files of datagrams: payloads behind their lengths, or one datagram a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use phage_decode::export::Origin;

use super::{Arrival, DatagramCounters, DatagramSource, TakeDatagram};
use crate::error::{CaptureError, SourceFault, SourceFaultKind};

/// Octets of a file of datagrams; a recording beyond that is a capture.
const LARGEST: u64 = 256 << 20;

/// Datagrams handed over at once.
const BATCH: usize = 64;

/// Reads a file of datagrams.
///
/// One that ends in `.lp` holds datagrams behind their lengths (16 bits, little-endian), one in
/// `.tlp` behind a time (seconds since the Unix epoch, 64-bit float) and the length; any other file
/// is one datagram. Where no time is told the header of the export tells it, in whole seconds.
pub struct DatagramFile {
    path: PathBuf,
    content: Vec<u8>,
    layout: Layout,
    at: usize,
    from: Origin,
    /// When the file was written: the time of what tells none.
    written: i64,
    counters: DatagramCounters,
    fault: Option<SourceFault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Lengths,
    Times,
    One,
}

impl DatagramFile {
    /// Reads a file; its datagrams are taken as sent by `from`.
    pub fn open(path: &Path, from: Origin) -> Result<Self, CaptureError> {
        let failed = |error| CaptureError::of_file(path, 0, error);
        let facts = fs::metadata(path).map_err(failed)?;
        if facts.len() > LARGEST {
            return Err(CaptureError::Unsupported(format!(
                "{}: larger than {LARGEST} octets and no capture",
                path.display()
            )));
        }
        let layout = match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("lp") => Layout::Lengths,
            Some("tlp") => Layout::Times,
            _ => Layout::One,
        };
        let written = facts.modified().ok();
        let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            path: path.to_owned(),
            content: fs::read(path).map_err(failed)?,
            layout,
            at: 0,
            from,
            written: written.map_or(0, |passed| passed.as_nanos() as i64),
            counters: DatagramCounters::default(),
            fault: None,
        })
    }

    /// Where the file is damaged; what stands before was handed over.
    pub fn fault(&self) -> Option<&SourceFault> {
        self.fault.as_ref()
    }

    /// The next datagram: its time, where it stands, what is behind it.
    fn entry(&self) -> Option<Result<(i64, usize, usize), &'static str>> {
        let rest = self
            .content
            .get(self.at..)
            .filter(|rest| !rest.is_empty())?;
        let (time, head) = match (self.layout, rest) {
            (Layout::One, _) => return Some(Ok((0, self.at, self.content.len()))),
            (Layout::Lengths, _) => (0, 0),
            (Layout::Times, [a, b, c, d, e, f, g, h, ..]) => {
                let seconds = f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                let time = seconds * 1e9;
                if !(0.0..i64::MAX as f64).contains(&time) {
                    return Some(Err("the time of a datagram is none that there is"));
                }
                (time as i64, 8)
            }
            (Layout::Times, _) => return Some(Err("the file ends inside the time of a datagram")),
        };
        let Some(&[low, high]) = rest.get(head..head + 2) else {
            return Some(Err("the file ends inside the length of a datagram"));
        };
        let from = self.at + head + 2;
        let to = from + usize::from(u16::from_le_bytes([low, high]));
        if to > self.content.len() {
            return Some(Err("the file ends inside a datagram"));
        }
        Some(Ok((time, from, to)))
    }
}

/// The time in the header of an export, nanoseconds since the epoch; nothing for sFlow.
fn exported(datagram: &[u8]) -> Option<i64> {
    let at = match datagram {
        [0, 1 | 5 | 7 | 9, ..] => 8,
        [0, 10, ..] => 4,
        _ => return None,
    };
    let octets = datagram.get(at..at + 4)?;
    let seconds = octets
        .iter()
        .fold(0_i64, |value, octet| value << 8 | i64::from(*octet));
    Some(seconds * 1_000_000_000)
}

impl DatagramSource for DatagramFile {
    fn next(
        &mut self,
        _wait: Duration,
        take: &mut TakeDatagram<'_>,
    ) -> Result<Arrival, CaptureError> {
        for count in 0..BATCH {
            match self.entry() {
                None if count == 0 => return Ok(Arrival::Ended),
                None => break,
                Some(Ok((time, from, to))) => {
                    self.at = to;
                    let datagram = self.content.get(from..to).unwrap_or(&[]);
                    self.counters.datagrams += 1;
                    self.counters.octets += datagram.len() as u64;
                    let time = match self.layout {
                        Layout::Times => time,
                        _ => exported(datagram).unwrap_or(self.written),
                    };
                    take(datagram, self.from, time);
                }
                Some(Err(what)) => {
                    self.fault = Some(SourceFault {
                        path: self.path.clone(),
                        offset: self.at as u64,
                        kind: SourceFaultKind::Read(what.to_owned()),
                    });
                    self.at = self.content.len();
                }
            }
        }
        Ok(Arrival::Some)
    }

    fn counters(&mut self) -> DatagramCounters {
        self.counters
    }
}
