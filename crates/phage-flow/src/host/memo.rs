//! What is remembered of a flow, so that its packets need not be looked up one by one.

use super::novelty::Birth;

/// Where one end of a flow was found last: a device or a remote host.
///
/// It is a hint: whoever follows it has to recognise what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End(u32);

impl End {
    /// Nowhere.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// Set for remote hosts; no table has as many slots.
    const REMOTE: u32 = 1 << 31;

    pub(super) fn device(slot: u32) -> Self {
        Self(slot)
    }

    pub(super) fn remote(slot: u32) -> Self {
        Self(slot | Self::REMOTE)
    }

    pub(super) fn is_remote(self) -> bool {
        self.0 & Self::REMOTE != 0
    }

    /// The slot of the device; one that does not exist where it is none.
    #[inline(always)]
    pub(super) fn as_device(self) -> u32 {
        self.0
    }

    /// The slot of the remote host; one that does not exist where it is none.
    #[inline(always)]
    pub(super) fn as_remote(self) -> u32 {
        self.0 ^ Self::REMOTE
    }
}

/// What is remembered of a flow: half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Memo {
    /// Low half of the flow's number.
    pub(super) id: u32,
    /// Until its next half-minute. Bit 0: the initiator's births are known; bit 1: the responder's.
    pub(super) known: u32,
    /// Births of the peer and the service, to the initiator and to the responder.
    pub(super) births: [[Birth; 2]; 2],
    /// Of the initiator and the responder.
    pub(super) ends: [End; 2],
}

const _: () = assert!(size_of::<Memo>() == 32);

impl Default for Memo {
    fn default() -> Self {
        Self {
            id: 0,
            known: 0,
            births: <[[Birth; 2]; 2]>::default(),
            ends: [End::NONE; 2],
        }
    }
}

impl Memo {
    /// The ends of a packet: its source, its destination. `reverse` where the responder sent it.
    #[inline(always)]
    pub(super) fn ends(&self, reverse: bool) -> [End; 2] {
        let [initiator, responder] = self.ends;
        if reverse {
            [responder, initiator]
        } else {
            [initiator, responder]
        }
    }
}
