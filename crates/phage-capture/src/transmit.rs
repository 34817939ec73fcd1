//! Sends prepared frames on an interface, for tests and benchmarks.
#![expect(
    unsafe_code,
    reason = "sendmmsg takes arrays of pointers; the block says why they are valid"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::error::CaptureError;
use crate::system;

/// Frames given to the kernel in one call; more gains nothing.
const MOST_AT_ONCE: usize = 256;

/// A rate is kept to about this grain: between two calls at a low rate the sender sleeps.
const GRAIN: Duration = Duration::from_micros(500);

/// How much to send, how fast; whichever bound is reached first ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransmitPlan {
    /// Frames to send; the prepared ones are sent in a circle.
    pub count: u64,
    /// Time to send for.
    pub duration: Duration,
    /// Frames a second; `None` is as fast as it goes.
    pub rate: Option<f64>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transmitted {
    /// Frames that the kernel took.
    pub packets: u64,
    /// Their bytes.
    pub octets: u64,
    /// Calls that the kernel refused because its queue was full.
    pub refused: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A socket that sends frames as they are, past the queueing discipline.
pub struct Transmitter {
    socket: OwnedFd,
    interface: String,
}

impl Transmitter {
    /// Opens an interface for sending. Needs `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<Self, CaptureError> {
        let failed = |error| CaptureError::of_socket(interface, error);
        let socket = system::packet_socket().map_err(failed)?;
        let index = system::interface_index(interface).map_err(failed)?;
        system::set_option(
            socket.as_fd(),
            libc::SOL_PACKET,
            libc::PACKET_QDISC_BYPASS,
            &1i32,
        )
        .map_err(failed)?;
        system::bind(socket.as_fd(), index, 0).map_err(failed)?;
        Ok(Self {
            socket,
            interface: interface.to_owned(),
        })
    }

    /// Sends frames by a plan. An empty frame or an empty list sends nothing.
    pub fn send(
        &mut self,
        frames: &[Vec<u8>],
        plan: TransmitPlan,
    ) -> Result<Transmitted, CaptureError> {
        let start = Instant::now();
        let mut sent = Transmitted::default();
        if frames.is_empty() {
            return Ok(sent);
        }
        let pieces: Vec<libc::iovec> = frames
            .iter()
            .map(|frame| libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = pieces.iter().map(message).collect();
        let mut next = 0;
        while sent.packets < plan.count {
            let elapsed = start.elapsed();
            if elapsed >= plan.duration {
                break;
            }
            let due = match plan.rate {
                None => u64::MAX,
                Some(rate) => (rate * elapsed.as_secs_f64()) as u64 + 1,
            };
            let room = due.min(plan.count).saturating_sub(sent.packets);
            if room == 0 {
                std::thread::sleep(GRAIN);
                continue;
            }
            let until = messages.len().min(
                next + usize::try_from(room)
                    .unwrap_or(usize::MAX)
                    .min(MOST_AT_ONCE),
            );
            let Some(batch) = messages.get_mut(next..until) else {
                break;
            };
            let taken = match self.send_batch(batch) {
                Ok(taken) => taken,
                Err(error) if is_full(&error) => {
                    sent.refused += 1;
                    std::thread::yield_now();
                    continue;
                }
                Err(error) => return Err(CaptureError::of_socket(&self.interface, error)),
            };
            sent.packets += taken as u64;
            sent.octets += frames
                .get(next..next + taken)
                .unwrap_or(&[])
                .iter()
                .map(|frame| frame.len() as u64)
                .sum::<u64>();
            next += taken;
            if next >= messages.len() {
                next = 0;
            }
        }
        sent.elapsed = start.elapsed();
        Ok(sent)
    }

    fn send_batch(&self, batch: &mut [libc::mmsghdr]) -> io::Result<usize> {
        // SAFETY: `batch` is valid for its length; each header in it points to one iovec, which
        // points to a frame, and `send` keeps both alive and unmoved. The kernel reads the frames
        // and writes only the lengths in the headers.
        let answer = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                batch.as_mut_ptr(),
                batch.len() as u32,
                0,
            )
        };
        usize::try_from(answer).map_err(|_| io::Error::last_os_error())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOBUFS | libc::EAGAIN | libc::EINTR)
    )
}

fn message(piece: &libc::iovec) -> libc::mmsghdr {
    // SAFETY: an all-zero mmsghdr is a valid value: null pointers and zero lengths.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_iov = std::ptr::from_ref(piece).cast_mut();
    message.msg_hdr.msg_iovlen = 1;
    message
}
