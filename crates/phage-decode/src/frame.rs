//! Frames as a source hands them over: where the bytes lie and when they were seen.

use std::fmt::Debug;
use std::sync::Arc;

/// The link-layer header type of a frame, as numbered in the tcpdump.org LINKTYPE registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// IEEE 802.3 Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP, version from the first nibble (`LINKTYPE_RAW`).
    pub const RAW: Self = Self(101);
    /// `OpenBSD` loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: Self = Self(276);
    /// PPP with HDLC-like framing or bare protocol field.
    pub const PPP: Self = Self(9);
    /// `PPPoE` session frames without an Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
}

/// One frame of a [`Batch`]: times and lengths, and where its bytes lie in the batch's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// First byte of the frame, counted from the start of [`Batch::data`].
    pub offset: u64,
    /// Bytes that were captured and stand in the data.
    pub captured: u32,
    /// Bytes that the frame had on the wire.
    pub length: u32,
    /// How to read the first bytes.
    pub link: LinkType,
    /// Interface the frame was seen on, counted from 0 in the order of the source.
    pub interface: u16,
    /// Identifier of the outermost VLAN tag where the capturing interface took it off the bytes
    /// (`length` still counts its 4 bytes); 0 where nothing was taken off.
    pub vlan: u16,
}

/// What can be read again later: a capture on disk.
pub trait Origin: Debug + Send + Sync {
    /// Reads what stands at a position; answers how many bytes there were of it.
    fn read_at(&self, position: u64, into: &mut [u8]) -> usize;
}

/// A run of frames over one piece of memory, valid until the source is asked for the next.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The memory that the frames lie in.
    pub data: &'a [u8],
    /// The frames, in the order of capture.
    pub frames: &'a [FrameHeader],
    /// Where the data can be read again, and the position of its first byte there.
    pub origin: Option<(&'a Arc<dyn Origin>, u64)>,
}

impl<'a> Batch<'a> {
    /// The captured bytes of a frame; empty where the header points outside the data.
    #[inline]
    pub fn bytes(&self, frame: &FrameHeader) -> &'a [u8] {
        let start = frame.offset as usize;
        self.data
            .get(start..start.saturating_add(frame.captured as usize))
            .unwrap_or(&[])
    }
}
