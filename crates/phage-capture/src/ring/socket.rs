//! Setting up a packet socket with a ring.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use phage_decode::LinkType;

use super::mapping::Mapping;
use super::RingConfig;
use crate::error::CaptureError;
use crate::filter::{Filter, Instruction};
use crate::interface;
use crate::system;

/// Every protocol (`ETH_P_ALL`).
const ALL: u16 = libc::ETH_P_ALL as u16;

/// The kernel wants a frame size that divides the block; with `TPACKET_V3` frames are packed and it
/// means nothing else.
const FRAME: u32 = 2048;

/// Fewer blocks than this, and the reader can hardly hold one while the kernel fills another.
const FEWEST_BLOCKS: usize = 4;

/// `tpacket_req3`.
#[derive(Clone, Copy)]
#[repr(C)]
struct RingRequest {
    block_size: u32,
    blocks: u32,
    frame_size: u32,
    frames: u32,
    retire_milliseconds: u32,
    private_size: u32,
    features: u32,
}

/// `packet_mreq`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Membership {
    interface: i32,
    kind: u16,
    length: u16,
    address: [u8; 8],
}

/// A socket that receives, and its ring.
pub(super) struct Ringed {
    // Dropped in this order: the mapping holds the socket's memory.
    pub(super) mapping: Mapping,
    pub(super) socket: OwnedFd,
    pub(super) blocks: usize,
    pub(super) index: u32,
    pub(super) link: LinkType,
}

impl Ringed {
    /// Opens a socket on an interface. Frames arrive from the moment that this returns, all of
    /// them filtered and fanned out.
    pub(super) fn open(config: &RingConfig) -> Result<Self, CaptureError> {
        config.check()?;
        let name = config.interface.as_str();
        let failed = |error| CaptureError::of_socket(name, error);
        let socket = system::packet_socket().map_err(failed)?;
        let index = system::interface_index(name).map_err(failed)?;
        let link = interface::link_type(socket.as_fd(), name)?;
        let filter = Filter::compile_live(
            config.filter.as_deref().unwrap_or_default(),
            link,
            config.snap,
        )?;
        system::set_option(
            socket.as_fd(),
            libc::SOL_PACKET,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as i32),
        )
        .map_err(failed)?;
        let (mapping, blocks) = Self::map(&socket, config).map_err(failed)?;
        let loopback = interface::is_loopback(socket.as_fd(), name).map_err(failed)?;
        if config.ignore_outgoing || loopback {
            // On the loopback every packet goes out and comes in: once is enough.
            system::set_option(
                socket.as_fd(),
                libc::SOL_PACKET,
                libc::PACKET_IGNORE_OUTGOING,
                &1i32,
            )
            .map_err(failed)?;
        }
        let ringed = Self {
            mapping,
            socket,
            blocks,
            index,
            link,
        };
        ringed.start(config, &filter).map_err(failed)?;
        Ok(ringed)
    }

    /// Makes the ring; where memory is short, a smaller one.
    fn map(socket: &OwnedFd, config: &RingConfig) -> io::Result<(Mapping, usize)> {
        let mut blocks = config.blocks;
        loop {
            let request = RingRequest {
                block_size: config.block_size as u32,
                blocks: blocks as u32,
                frame_size: FRAME,
                frames: (config.block_size / FRAME as usize * blocks) as u32,
                retire_milliseconds: config.retire.as_millis().clamp(1, 1000) as u32,
                private_size: 0,
                features: 0,
            };
            match system::set_option(
                socket.as_fd(),
                libc::SOL_PACKET,
                libc::PACKET_RX_RING,
                &request,
            ) {
                Ok(()) => {
                    let mapping = Mapping::new(socket.as_fd(), config.block_size, blocks)?;
                    return Ok((mapping, blocks));
                }
                Err(error)
                    if error.raw_os_error() == Some(libc::ENOMEM)
                        && blocks / 2 >= FEWEST_BLOCKS =>
                {
                    blocks /= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts receiving. A bound socket gets every frame until it has joined its fan-out group, so
    /// until then a filter rejects all.
    fn start(&self, config: &RingConfig, filter: &Filter) -> io::Result<()> {
        let socket = self.socket.as_fd();
        system::attach(socket, &reject_all())?;
        system::bind(socket, self.index, ALL)?;
        if let Some(group) = config.fanout {
            // The kernel's hash is the same for both directions of a flow. Without its
            // reassembly (PACKET_FANOUT_FLAG_DEFRAG) fragments stay what was on the wire.
            let argument = u32::from(group) | libc::PACKET_FANOUT_HASH << 16;
            system::set_option(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &argument)?;
        }
        self.promiscuous(config)?;
        system::attach(socket, filter.program())
    }

    fn promiscuous(&self, config: &RingConfig) -> io::Result<()> {
        if !config.promiscuous {
            return Ok(());
        }
        let membership = Membership {
            interface: self.index as i32,
            kind: libc::PACKET_MR_PROMISC as u16,
            length: 0,
            address: [0; 8],
        };
        system::set_option(
            self.socket.as_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            &membership,
        )
    }

    /// Binds again, to the interface that has the name now. Needs no capability.
    pub(super) fn rebind(&mut self, config: &RingConfig, index: u32) -> io::Result<()> {
        self.link = interface::link_type(self.socket.as_fd(), &config.interface)
            .map_err(|error| io::Error::other(error.to_string()))?;
        system::bind(self.socket.as_fd(), index, ALL)?;
        self.index = index;
        self.promiscuous(config)
    }
}

fn reject_all() -> [Instruction; 1] {
    [Instruction::new(crate::filter::RETURN, 0)]
}
