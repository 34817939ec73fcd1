//! The answer of the flow table for one packet.

/// Bits of [`FlowTouch::change`].
pub mod touch {
    /// The packet began a flow.
    pub const NEW: u16 = 1;
    /// The packet was sent by the responder.
    pub const REVERSE: u16 = 1 << 1;
    /// The first packet of the responder in a flow that the initiator began.
    pub const FIRST_REPLY: u16 = 1 << 2;
    /// The packet completed the TCP handshake.
    pub const HANDSHAKE_DONE: u16 = 1 << 3;
    /// The packet refused the connection: a reset by the responder before the handshake was done.
    pub const REFUSED: u16 = 1 << 4;
    /// The packet reset the connection after that, or is the initiator's own reset.
    pub const RESET: u16 = 1 << 5;
    /// The packet is the FIN of the second side.
    pub const CLOSED: u16 = 1 << 6;
    /// The packet opened the next record of a flow that outlasted the active timeout; `id` is new.
    pub const CONTINUED: u16 = 1 << 7;
    /// An earlier flow between the same endpoints ended for this packet (with `NEW`).
    pub const REPLACED: u16 = 1 << 8;
    /// A SYN of the initiator that was sent before.
    pub const SYN_AGAIN: u16 = 1 << 9;
    /// The packet belongs to the beginning of its direction: less than 16 kB of payload had been
    /// seen before it.
    pub const EARLY: u16 = 1 << 10;
    /// Who began the flow was guessed from ports and places, not seen.
    pub const GUESSED: u16 = 1 << 11;
    /// The first packet of the flow in its half-minute (of the epoch): what has to be done from
    /// time to time for a flow is done then.
    pub const FRESH: u16 = 1 << 12;
}

/// What a packet did to its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTouch {
    /// Number of the flow's record since the start, from 1.
    pub id: u64,
    /// Where the flow stands; with `id`, the handle for `set_application` and `set_device`.
    pub slot: u32,
    /// Milliseconds from the flow's first packet to this one, saturating.
    pub age_ms: u32,
    /// Bits of [`touch`].
    pub change: u16,
    /// Port of the responder; 0 for protocols without ports.
    pub server_port: u16,
    /// State of the TCP connection after the packet, one of [`crate::rows::state`].
    pub state: u8,
    /// Bit 0: the packet's source is at home; bit 1: its destination is.
    pub home: u8,
}

impl FlowTouch {
    /// Whether a bit of [`touch`] is set.
    #[inline(always)]
    pub fn has(&self, change: u16) -> bool {
        self.change & change != 0
    }
}
