//! Long headers and the frames of Initial packets (RFC 9000, sections 12.4, 17.2, 19).

use super::keys::{Keys, Version, TAG};
use crate::app::fault::Reason;
use crate::app::reader::Reader;

/// Longest connection identifier of the versions that are opened (RFC 9000, section 17.2).
const MAX_IDENTIFIER: usize = 20;

/// Most CRYPTO frames of one packet: browsers that shuffle their hello cut it into about 30, and
/// hundreds of a byte each would cost several times what opening the packet does.
const MAX_FRAMES: usize = 64;

/// An Initial packet, still protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Initial<'a> {
    pub(crate) version: Version,
    pub(crate) destination: &'a [u8],
    /// The packet from its first octet to its end.
    data: &'a [u8],
    /// Where the protected packet number starts.
    number_at: usize,
}

/// What stands at the start of a datagram's rest.
pub(crate) enum Next<'a> {
    /// An Initial packet and what follows it.
    Initial(Initial<'a>, &'a [u8]),
    /// Another long header with a length; what follows it.
    Other(&'a [u8]),
    /// No long header of a version that can be opened: the rest is of no use.
    Foreign,
    /// A long header that lies.
    Wrong(Reason),
}

/// Reads the next packet of a datagram (several may be coalesced, section 12.2).
pub(crate) fn next(data: &[u8]) -> Next<'_> {
    let mut reader = Reader::new(data);
    let (Some(first), Some(number)) = (reader.u8(), reader.u32()) else {
        return Next::Foreign;
    };
    // Header form and fixed bit.
    let Some(version) = Version::new(number).filter(|_| first & 0xc0 == 0xc0) else {
        return Next::Foreign;
    };
    let kind = first >> 4 & 3;
    let is_initial = kind == version.initial_type();
    let is_retry = kind == (version.initial_type() + 3) & 3;
    if is_retry {
        // It has no length and fills the datagram.
        return Next::Foreign;
    }
    match header(&mut reader, is_initial) {
        Err(reason) => Next::Wrong(reason),
        Ok((destination, length)) => {
            let number_at = data.len() - reader.len();
            match data.split_at_checked(number_at + length) {
                None => Next::Wrong(Reason::Truncated),
                Some((_, rest)) if !is_initial => Next::Other(rest),
                Some((data, rest)) => Next::Initial(
                    Initial {
                        version,
                        destination,
                        data,
                        number_at,
                    },
                    rest,
                ),
            }
        }
    }
}

/// Reads from behind the version to the packet number: destination and length of the rest.
fn header<'a>(reader: &mut Reader<'a>, is_initial: bool) -> Result<(&'a [u8], usize), Reason> {
    let destination = reader.block8().ok_or(Reason::Truncated)?;
    let source = reader.block8().ok_or(Reason::Truncated)?;
    if destination.len() > MAX_IDENTIFIER || source.len() > MAX_IDENTIFIER {
        return Err(Reason::Length);
    }
    let mut size = || {
        let size = reader.varint().ok_or(Reason::Truncated)?;
        usize::try_from(size).map_err(|_| Reason::Length)
    };
    if is_initial {
        let token = size()?;
        if token > reader.len() {
            return Err(Reason::Truncated);
        }
        reader.take(token);
    }
    let mut size = || {
        let size = reader.varint().ok_or(Reason::Truncated)?;
        usize::try_from(size).map_err(|_| Reason::Length)
    };
    let length = size()?;
    if length > reader.len() {
        return Err(Reason::Truncated);
    }
    Ok((destination, length))
}

impl Initial<'_> {
    /// Removes protection: the frames, or `None` where the keys are not the packet's.
    pub(crate) fn open(&self, keys: &Keys) -> Option<Vec<u8>> {
        let sample_at = self.number_at + 4;
        let sample = self.data.get(sample_at..)?.first_chunk::<16>()?;
        let [first_mask, number_mask @ ..] = keys.mask(*sample);
        let first = *self.data.first()? ^ (first_mask & 0x0f);
        let number_size = usize::from(first & 3) + 1;
        let mut header = self.data.get(..self.number_at + number_size)?.to_vec();
        *header.first_mut()? = first;
        // Numbers of Initial packets count from 0, so the truncated number is the number
        // (RFC 9000, appendix A.3, for a peer that loses fewer than 2^7 packets).
        let mut number = 0_u32;
        for (octet, mask) in header.iter_mut().skip(self.number_at).zip(number_mask) {
            *octet ^= mask;
            number = number << 8 | u32::from(*octet);
        }
        let sealed = self.data.get(header.len()..)?;
        let (payload, tag) = sealed.split_last_chunk::<TAG>()?;
        let mut payload = payload.to_vec();
        keys.open(number, &header, &mut payload, *tag)
            .then_some(payload)
    }
}

/// Hands the CRYPTO frames of a payload on: offset and data. Ends at a frame that is cut or not
/// allowed in Initial packets (RFC 9000, section 17.2.2), and at one too many.
pub(crate) fn crypto_frames(
    payload: &[u8],
    mut each: impl FnMut(u64, &[u8]),
) -> Result<(), Reason> {
    let mut reader = Reader::new(payload);
    let mut frames = 0;
    while let Some(kind) = reader.varint() {
        match kind {
            // PADDING, of which there is much, and PING.
            0 => {
                let zeros = reader.rest().iter().take_while(|&&octet| octet == 0);
                let count = zeros.count();
                reader.take(count);
            }
            1 => {}
            2 | 3 => acknowledgement(&mut reader, kind == 3).ok_or(Reason::Length)?,
            6 => {
                let offset = reader.varint().ok_or(Reason::Length)?;
                let size = reader.varint().and_then(|size| usize::try_from(size).ok());
                let data = size
                    .and_then(|size| reader.take(size))
                    .ok_or(Reason::Length)?;
                frames += 1;
                if frames > MAX_FRAMES {
                    return Err(Reason::TooLarge);
                }
                each(offset, data);
            }
            // CONNECTION_CLOSE: nothing follows that matters.
            0x1c => return Ok(()),
            _ => return Err(Reason::Value),
        }
    }
    if reader.is_empty() {
        Ok(())
    } else {
        Err(Reason::Length)
    }
}

fn acknowledgement(reader: &mut Reader<'_>, with_counts: bool) -> Option<()> {
    reader.varint()?;
    reader.varint()?;
    let ranges = reader.varint()?;
    reader.varint()?;
    // Each range takes two octets at least, so a lie about them ends with the data.
    for _ in 0..ranges {
        reader.varint()?;
        reader.varint()?;
    }
    if with_counts {
        for _ in 0..3 {
            reader.varint()?;
        }
    }
    Some(())
}
