//! Writing pcap: the header of a file and the headers of its records.

use super::classic::magic;
use super::LARGEST_CAPTURED;
use crate::frame::{FrameHeader, LinkType};

/// Writes pcap with times in nanoseconds, little-endian. Holds nothing: it makes the bytes that
/// the caller puts before the frames.
#[derive(Clone, Copy, Debug)]
pub struct CaptureWriter {
    link: LinkType,
}

impl CaptureWriter {
    /// Makes a writer for frames of one link type.
    pub fn new(link: LinkType) -> Self {
        Self { link }
    }

    /// The header of the file.
    pub fn header(&self) -> [u8; 24] {
        let mut header = [0; 24];
        let link = u32::from(self.link.0);
        let fields = [
            magic::NANOSECONDS.to_le_bytes(),
            // Version 2.4.
            [2, 0, 4, 0],
            [0; 4],
            [0; 4],
            LARGEST_CAPTURED.to_le_bytes(),
            link.to_le_bytes(),
        ];
        header.copy_from_slice(fields.as_flattened());
        header
    }

    /// The header of the record of a frame, behind which its `captured` bytes are to follow. The
    /// format has 32 bits for seconds: times before 1970 and after 2106 become the nearest one.
    pub fn record(&self, frame: &FrameHeader) -> [u8; 16] {
        let time = u64::try_from(frame.time).unwrap_or(0);
        let (seconds, fraction) = match u32::try_from(time / 1_000_000_000) {
            Ok(seconds) => (seconds, (time % 1_000_000_000) as u32),
            Err(_) => (u32::MAX, 999_999_999),
        };
        let mut header = [0; 16];
        let fields = [seconds, fraction, frame.captured, frame.length].map(u32::to_le_bytes);
        header.copy_from_slice(fields.as_flattened());
        header
    }

    /// Appends the record of a frame. `bytes` count, not the header's `captured`; what is longer
    /// than readers accept is cut.
    pub fn append(&self, frame: &FrameHeader, bytes: &[u8], out: &mut Vec<u8>) {
        let kept = bytes.get(..LARGEST_CAPTURED as usize).unwrap_or(bytes);
        let header = FrameHeader {
            captured: kept.len() as u32,
            ..*frame
        };
        out.extend_from_slice(&self.record(&header));
        out.extend_from_slice(kept);
    }
}
