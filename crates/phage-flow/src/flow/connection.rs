//! How far a TCP connection came (RFC 9293, section 3.3.2, as seen from the middle).

use phage_decode::packet::{tcp, Packet};

use super::answer::touch;
use super::record::{traits, Flow};
use crate::rows::state;
use crate::table::side;

/// Sequence numbers around the expected one within which a reset is believed. A blind forger has
/// to hit 2^25 of 2^32 numbers.
const RESET_WINDOW: u32 = 1 << 24;

impl Flow {
    /// Whether a SYN without ACK begins another connection between the same endpoints.
    ///
    /// A SYN that repeats the sequence number is sent again; one with another number in a
    /// connection that was established or is over begins a new one.
    #[inline]
    pub(super) fn is_begun_anew(&self, packet: &Packet, reverse: bool) -> bool {
        match self.state {
            state::SYN_SENT | state::SYN_RECEIVED => false,
            state::CLOSED | state::REFUSED | state::RESET => true,
            _ => reverse || self.traits & traits::BEGUN == 0 || packet.tcp_sequence != self.initial,
        }
    }

    /// Follows one segment; says what changed in bits of [`touch`].
    #[inline]
    pub(super) fn follow(&mut self, packet: &Packet, reverse: bool, first: bool) -> u16 {
        let flags = packet.tcp_flags;
        *side(&mut self.flags, reverse) |= flags;
        let mut change = 0;
        if flags & tcp::RST != 0 {
            change |= self.reset(packet, reverse);
        } else if flags & tcp::SYN != 0 {
            change |= self.synchronise(packet, reverse, first);
        } else {
            if flags & tcp::FIN != 0 {
                change |= self.finish(reverse);
            }
            if flags & tcp::ACK != 0 {
                match self.state {
                    state::SYN_RECEIVED if !reverse => {
                        self.state = state::ESTABLISHED;
                        change |= touch::HANDSHAKE_DONE;
                        let elapsed = packet.time.saturating_sub(self.syn_time).max(0) / 1000;
                        self.handshake = elapsed.clamp(1, i64::from(u32::MAX)) as u32;
                    }
                    state::NONE if !self.is_unanswered() => self.state = state::ESTABLISHED,
                    // The SYN-ACK was lost to the capture, yet both sides talk.
                    state::SYN_SENT if reverse && packet.payload_length > 0 => {
                        self.state = state::ESTABLISHED;
                        change |= touch::HANDSHAKE_DONE;
                    }
                    _ => {}
                }
            }
        }
        if flags & tcp::ACK != 0 {
            self.traits |= traits::ACKNOWLEDGED << u16::from(reverse);
            *side(&mut self.acknowledged, reverse) = packet.tcp_acknowledgement;
        }
        change
    }

    fn synchronise(&mut self, packet: &Packet, reverse: bool, first: bool) -> u16 {
        if packet.tcp_flags & tcp::ACK != 0 {
            if matches!(self.state, state::NONE | state::SYN_SENT) && reverse {
                self.state = state::SYN_RECEIVED;
                if self.traits & traits::BEGUN == 0 {
                    self.syn_time = packet.time;
                }
            }
            return 0;
        }
        if reverse {
            return 0;
        }
        self.syn_time = packet.time;
        if first {
            self.state = state::SYN_SENT;
            self.initial = packet.tcp_sequence;
            self.traits |= traits::BEGUN;
            0
        } else {
            touch::SYN_AGAIN
        }
    }

    fn finish(&mut self, reverse: bool) -> u16 {
        self.traits |= traits::FIN << u16::from(reverse);
        match self.state {
            state::CLOSED | state::REFUSED | state::RESET => 0,
            _ if self.traits & (traits::FIN * 3) == traits::FIN * 3 => {
                self.state = state::CLOSED;
                touch::CLOSED
            }
            // A FIN that nobody answered is a probe, not an end.
            state::SYN_SENT => 0,
            state::NONE if self.is_unanswered() => 0,
            _ => {
                self.state = state::CLOSING;
                0
            }
        }
    }

    fn reset(&mut self, packet: &Packet, reverse: bool) -> u16 {
        if reverse {
            self.errors = self.errors.saturating_add(1);
        }
        match self.state {
            state::CLOSED | state::REFUSED | state::RESET => 0,
            state::NONE | state::SYN_SENT | state::SYN_RECEIVED if reverse => {
                self.state = state::REFUSED;
                touch::REFUSED
            }
            state::ESTABLISHED | state::CLOSING if !self.believes(packet, reverse) => 0,
            _ => {
                self.state = state::RESET;
                touch::RESET
            }
        }
    }

    /// Whether a reset carries a sequence number near to what its receiver acknowledged last.
    fn believes(&self, packet: &Packet, reverse: bool) -> bool {
        let receiver = u16::from(!reverse);
        if self.traits & (traits::ACKNOWLEDGED << receiver) == 0 {
            return true;
        }
        let [initiator, responder] = self.acknowledged;
        let expected = if reverse { initiator } else { responder };
        let ahead = packet.tcp_sequence.wrapping_sub(expected);
        ahead.wrapping_add(RESET_WINDOW) <= 2 * RESET_WINDOW
    }
}
