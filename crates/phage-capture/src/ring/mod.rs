//! A network interface as a source: an `AF_PACKET` ring (`TPACKET_V3`).

mod block;
mod mapping;
mod socket;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use phage_decode::{Batch, FrameHeader, LinkType};

use crate::error::CaptureError;
use crate::filter::WHOLE_FRAME;
use crate::interface;
use crate::source::{Source, SourceCounters, StopHandle, STOP_CHECK};
use crate::system;
use block::Cursor;
use socket::Ringed;

/// How often the state of the interface and the kernel's counters are looked at: often enough
/// that a 32-bit counter cannot come round between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Blocks between two looks at the clock while frames keep coming.
const LOOK_BLOCKS: u32 = 256;

/// How to open a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Name of the interface.
    pub interface: String,
    /// Number that frames carry, see [`FrameHeader::interface`].
    pub number: u16,
    /// Bytes in a block: a power of two from 128 KiB (the largest frame is 64 KiB, and more than
    /// one should fit) to 64 MiB.
    pub block_size: usize,
    /// Blocks in the ring. The kernel takes all of the ring's memory at once, and counts it as
    /// the process's; where it has not as much, the ring gets smaller.
    pub blocks: usize,
    /// How long the kernel keeps a block that is not full.
    pub retire: Duration,
    /// Whether to ask the interface for frames of other stations too.
    pub promiscuous: bool,
    /// Whether to leave out the frames that this host sends. Always so on the loopback, where
    /// each would be seen twice.
    pub ignore_outgoing: bool,
    /// The group of rings that share the interface's frames, by flow. Every ring of a group has
    /// the same number, and no other program on the machine may use it.
    pub fanout: Option<u16>,
    /// Bytes to keep of each frame.
    pub snap: u32,
    /// What to receive, in the pcap filter language.
    pub filter: Option<String>,
}

impl RingConfig {
    /// The measured best: 64 blocks of 1 MiB, kept for 10 ms at most, both directions.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            number: 0,
            block_size: 1 << 20,
            blocks: 64,
            retire: Duration::from_millis(10),
            promiscuous: false,
            ignore_outgoing: false,
            fanout: None,
            snap: WHOLE_FRAME,
            filter: None,
        }
    }

    fn check(&self) -> Result<(), CaptureError> {
        let sizes = 1 << 17..=1 << 26;
        if !self.block_size.is_power_of_two() || !sizes.contains(&self.block_size) {
            return Err(CaptureError::Unsupported(
                "the block size of a ring is a power of two from 128 KiB to 64 MiB".to_owned(),
            ));
        }
        // The kernel counts a ring's bytes in 32 bits.
        let blocks = 1..=(u32::MAX as usize / self.block_size);
        if !blocks.contains(&self.blocks) {
            return Err(CaptureError::Unsupported(
                "a ring has at least one block and less than 4 GiB".to_owned(),
            ));
        }
        if self.snap == 0 {
            return Err(CaptureError::Unsupported(
                "at least one byte must be kept of each frame".to_owned(),
            ));
        }
        Ok(())
    }
}

/// The frames of one interface, or of one share of it.
///
/// A batch lies in the ring itself; its block goes back to the kernel with the call after the
/// block's last batch. While the interface is down or gone the source gives empty batches, says so
/// in its counters, and goes on when the interface is back. (A member of a fan-out group whose
/// interface was deleted and made anew has to open a new ring, which needs `CAP_NET_RAW` again.)
pub struct RingSource {
    ring: Ringed,
    config: RingConfig,
    /// The block that is read or waited for.
    block: usize,
    cursor: Option<Cursor>,
    frames: Vec<FrameHeader>,
    counters: SourceCounters,
    looked: Instant,
    blocks_since_look: u32,
    /// The socket lost its interface and must be bound again.
    unbound: bool,
    stop: StopHandle,
}

impl RingSource {
    /// Opens a ring. Needs `CAP_NET_RAW`; using it afterwards needs nothing, so the process may
    /// drop its privileges in between.
    pub fn open(config: RingConfig) -> Result<Self, CaptureError> {
        let ring = Ringed::open(&config)?;
        let mut source = Self {
            ring,
            config,
            block: 0,
            cursor: None,
            frames: Vec::new(),
            counters: SourceCounters::default(),
            looked: Instant::now(),
            blocks_since_look: 0,
            unbound: false,
            stop: StopHandle::default(),
        };
        source.look();
        Ok(source)
    }

    /// Whether this process may open rings; if not, an error that says what is missing.
    pub fn check_permission() -> Result<(), CaptureError> {
        system::packet_socket()
            .map(drop)
            .map_err(|error| CaptureError::of_socket("", error))
    }

    /// How the frames are to be read.
    pub fn link(&self) -> LinkType {
        self.ring.link
    }

    /// Bytes of the ring, which may be fewer than were asked for.
    pub fn ring_size(&self) -> usize {
        self.ring.blocks * self.config.block_size
    }

    /// Looks at the interface's state and takes over the kernel's counters.
    fn look(&mut self) {
        self.looked = Instant::now();
        self.blocks_since_look = 0;
        if let Ok(statistics) = system::ring_statistics(self.ring.socket.as_fd()) {
            self.counters.dropped += u64::from(statistics.drops);
            self.counters.frozen += u64::from(statistics.freezes);
        }
        let up = self.is_receiving();
        if !up && !self.counters.link_down {
            self.counters.link_losses += 1;
        }
        self.counters.link_down = !up;
    }

    /// Whether the interface is there and up; binds to it again where it was lost.
    fn is_receiving(&mut self) -> bool {
        let name = self.config.interface.as_str();
        let Ok(index) = system::interface_index(name) else {
            self.unbound = true;
            return false;
        };
        if !interface::is_up(self.ring.socket.as_fd(), name).unwrap_or(false) {
            return false;
        }
        if index != self.ring.index {
            self.unbound = !self.bind_again(index);
        } else if self.unbound {
            // The kernel resumes a socket by itself when its interface comes up again, and a
            // member of a fan-out group cannot be bound again.
            self.unbound = self.config.fanout.is_none() && !self.bind_again(index);
        }
        !self.unbound
    }

    /// Binds to the interface that now has the name. A fanned-out socket cannot be bound again;
    /// then a new one is opened, if the process still may.
    fn bind_again(&mut self, index: u32) -> bool {
        if self.ring.rebind(&self.config, index).is_ok() {
            return true;
        }
        if self.cursor.is_some() {
            // The old ring is still being read.
            return false;
        }
        match Ringed::open(&self.config) {
            Ok(ring) => {
                self.ring = ring;
                self.block = 0;
                true
            }
            Err(_) => false,
        }
    }

    /// Waits for the next block; false when `wait` passed.
    fn wait(&mut self, wait: Duration) -> Result<bool, CaptureError> {
        let until = Instant::now().checked_add(wait);
        while !self.ring.mapping.is_ready(self.block) {
            let now = Instant::now();
            if now.saturating_duration_since(self.looked) >= LOOK {
                self.look();
            }
            let left = until.map_or(STOP_CHECK, |until| until.saturating_duration_since(now));
            if left.is_zero() || self.stop.is_stopped() {
                return Ok(false);
            }
            let socket = self.ring.socket.as_fd();
            let ready = system::poll(socket, left.min(STOP_CHECK))
                .map_err(|error| CaptureError::of_socket(&self.config.interface, error))?;
            if ready.error {
                // Reading the error clears it. The interface went down or away, maybe for a moment
                // only: bind again in any case.
                system::pending_error(socket);
                self.unbound = true;
                self.look();
                if self.counters.link_down {
                    std::thread::sleep(left.min(Duration::from_millis(10)));
                }
            }
        }
        Ok(true)
    }
}

impl Source for RingSource {
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Option<Batch<'_>>, CaptureError> {
        self.frames.clear();
        if self.cursor.is_some_and(Cursor::is_done) {
            self.cursor = None;
            self.ring.mapping.release(self.block);
            self.block = (self.block + 1) % self.ring.blocks;
            self.blocks_since_look += 1;
            if self.blocks_since_look >= LOOK_BLOCKS {
                self.look();
            }
        }
        if self.stop.is_stopped() {
            return Ok(None);
        }
        if self.cursor.is_none() && !self.wait(wait)? {
            return Ok((!self.stop.is_stopped()).then_some(Batch {
                data: &[],
                frames: &[],
                origin: None,
            }));
        }
        let Some(data) = self.ring.mapping.block(self.block) else {
            return Ok(Some(Batch {
                data: &[],
                frames: &[],
                origin: None,
            }));
        };
        let mut cursor = self.cursor.unwrap_or_else(|| Cursor::new(data));
        let octets = cursor.read(
            data,
            limit.max(1),
            self.ring.link,
            self.config.number,
            &mut self.frames,
        );
        self.cursor = Some(cursor);
        self.counters.packets += self.frames.len() as u64;
        self.counters.octets += octets;
        Ok(Some(Batch {
            data,
            frames: &self.frames,
            origin: None,
        }))
    }

    fn counters(&mut self) -> SourceCounters {
        self.look();
        self.counters.clone()
    }

    fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }
}
