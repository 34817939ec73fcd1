//! System calls of datagram sockets, each behind a safe function.
#![expect(
    unsafe_code,
    reason = "system calls; every block says why its arguments are valid"
)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use phage_decode::export::Origin;

use crate::system::set_option;

/// Octets of one buffer: a UDP datagram has no more than 65,507.
const ROOM: usize = 65_536;

/// Distance of two buffers. Not a power of two: else all would lie in the same sets of the cache.
const STRIDE: usize = ROOM + 1536;

/// Datagrams received by one call.
pub(super) const BATCH: usize = 64;

/// `SO_MEMINFO`, and the place of the drops in its answer (`linux/sock_diag.h`).
const SO_MEMINFO: i32 = 55;
const MEMINFO_DROPS: usize = 8;

/// Opens a UDP socket that does not block, bound to an address.
pub(super) fn udp_socket(address: SocketAddr, shared: bool) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let descriptor = unsafe { libc::socket(family, kind, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just returned this descriptor, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let borrowed = std::os::fd::AsFd::as_fd(&socket);
    if shared {
        set_option(borrowed, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1i32)?;
    }
    if address.is_ipv6() {
        // `[::]` takes IPv4 too.
        set_option(borrowed, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0i32)?;
    }
    bind(borrowed, address)?;
    Ok(socket)
}

fn bind(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    let (storage, length) = to_storage(address);
    // SAFETY: `storage` holds a socket address of `length` octets and is only read.
    let answer = unsafe { libc::bind(socket.as_raw_fd(), (&raw const storage).cast(), length) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn to_storage(address: SocketAddr) -> (libc::sockaddr_storage, u32) {
    // SAFETY: all-zero is a valid sockaddr_storage: integers only.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let length = match address {
        SocketAddr::V4(v4) => {
            let place = (&raw mut storage).cast::<libc::sockaddr_in>();
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*v4.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is larger than, and aligned for, any socket address.
            unsafe { place.write(value) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let place = (&raw mut storage).cast::<libc::sockaddr_in6>();
            let value = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.write(value) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, length as u32)
}

/// The address that a socket is bound to, with the port that the kernel chose.
pub(super) fn local_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as u32;
    // SAFETY: `storage` is valid for `length` octets of writing, `length` for reading and writing.
    let answer = unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            (&raw mut storage).cast(),
            &raw mut length,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(from_storage(&storage))
}

fn from_storage(storage: &libc::sockaddr_storage) -> SocketAddr {
    if i32::from(storage.ss_family) == libc::AF_INET {
        // SAFETY: the family says that a sockaddr_in stands there; storage is aligned for it.
        let v4 = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
        let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
        SocketAddr::V4(SocketAddrV4::new(address, u16::from_be(v4.sin_port)))
    } else {
        // SAFETY: sockets here are of one of two families, and storage is large enough for either.
        let v6 = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
        let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
        SocketAddr::V6(SocketAddrV6::new(
            address,
            u16::from_be(v6.sin6_port),
            0,
            v6.sin6_scope_id,
        ))
    }
}

/// Who sent, as the decoder has it.
pub(super) fn origin(address: SocketAddr) -> Origin {
    let octets = match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    };
    Origin {
        address: octets,
        port: address.port(),
    }
}

/// Asks for a receive buffer: beyond the system's limit where this process may.
pub(super) fn receive_buffer(socket: BorrowedFd<'_>, octets: usize) -> io::Result<usize> {
    // The kernel doubles what it is asked for, for its own bookkeeping.
    let wanted = (octets.min(1 << 30) / 2) as i32;
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &wanted).is_err() {
        set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &wanted)?;
    }
    let mut granted = 0i32;
    let mut length = size_of::<i32>() as u32;
    // SAFETY: `granted` is valid for `length` octets of writing, `length` for reading and writing.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw mut granted).cast(),
            &raw mut length,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(granted.max(0) as usize)
}

/// Datagrams that the kernel dropped at a socket since it was opened.
pub(super) fn drops(socket: BorrowedFd<'_>) -> u32 {
    let mut information = [0u32; MEMINFO_DROPS + 1];
    let mut length = size_of_val(&information) as u32;
    // SAFETY: `information` is valid for `length` octets of writing, `length` for both.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            (&raw mut information).cast(),
            &raw mut length,
        )
    };
    // A kernel before 4.12 does not say.
    if answer < 0 {
        return 0;
    }
    information.last().copied().unwrap_or(0)
}

/// Spreads senders over the sockets of one address by the sender's address alone, so that an
/// exporter stays at one socket whatever its port. The kernel spreads by port too otherwise.
pub(super) fn spread_by_address(socket: BorrowedFd<'_>, sockets: u32) -> io::Result<()> {
    const NET: u32 = libc::SKF_NET_OFF as u32;
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let word = |offset: u32| {
        op(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            0,
            0,
            NET + offset,
        )
    };
    let xor = || op(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X, 0, 0, 0);
    let keep = || op(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0);
    let program = [
        op(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, NET),
        op(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 0, 0, 4),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 2, 0, 6),
        word(12),
        op(libc::BPF_JMP | libc::BPF_JA, 0, 0, 10),
        word(8),
        keep(),
        word(12),
        xor(),
        keep(),
        word(16),
        xor(),
        keep(),
        word(20),
        xor(),
        // Multiplicative hashing (Knuth, 6.4), the high half of it.
        op(
            libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K,
            0,
            0,
            0x9e37_79b1,
        ),
        op(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 0, 0, 16),
        op(
            libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K,
            0,
            0,
            sockets.max(1),
        ),
        op(libc::BPF_RET | libc::BPF_A, 0, 0, 0),
    ];
    let description = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // The kernel reads `program`, which outlives this call, and writes nothing.
    set_option(
        socket,
        libc::SOL_SOCKET,
        libc::SO_ATTACH_REUSEPORT_CBPF,
        &description,
    )
}

/// Waits until one of several descriptors is readable, for at most `wait`; says which are.
pub(super) fn poll(descriptors: &[RawFd], wait: Duration) -> io::Result<Vec<bool>> {
    let mut entries: Vec<libc::pollfd> = descriptors
        .iter()
        .map(|descriptor| libc::pollfd {
            fd: *descriptor,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let milliseconds = i32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: `entries` are valid and outlive the call, and the count is theirs.
    let answer = unsafe {
        libc::poll(
            entries.as_mut_ptr(),
            entries.len() as libc::nfds_t,
            milliseconds,
        )
    };
    if answer < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok(vec![false; descriptors.len()]);
    }
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

/// Memory that a batch of datagrams is received in, or sent from.
pub(super) struct Mailbox {
    octets: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
}

/// One datagram that was received.
pub(super) struct Received<'a> {
    pub(super) octets: &'a [u8],
    pub(super) from: SocketAddr,
    pub(super) truncated: bool,
}

impl Mailbox {
    pub(super) fn new() -> Self {
        // SAFETY: all-zero is a valid sockaddr_storage.
        let name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        Self {
            // Zeroed memory is mapped, not touched: a page counts once a datagram needs it.
            octets: vec![0; STRIDE * BATCH].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
        }
    }

    /// Receives what waits at a socket, [`BATCH`] datagrams at most, and shows each.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        mut show: impl FnMut(Received<'_>),
    ) -> io::Result<usize> {
        let mut parts: [libc::iovec; BATCH] = std::array::from_fn(|_| libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        });
        for (part, buffer) in parts.iter_mut().zip(self.octets.chunks_exact_mut(STRIDE)) {
            part.iov_base = buffer.as_mut_ptr().cast();
            part.iov_len = ROOM;
        }
        // SAFETY: all-zero is a valid mmsghdr: integers and null pointers.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for ((message, part), name) in messages.iter_mut().zip(&mut parts).zip(&mut self.names) {
            message.msg_hdr.msg_iov = &raw mut *part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = (&raw mut *name).cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
        }
        // SAFETY: each message points to a name and one part, both valid for writing, each part to
        // a buffer of its own of at least its length; all outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        }
        let received = messages
            .iter()
            .zip(self.octets.chunks_exact(STRIDE))
            .zip(&self.names)
            .take(count as usize);
        for ((message, buffer), name) in received {
            show(Received {
                octets: buffer.get(..message.msg_len as usize).unwrap_or(&[]),
                from: from_storage(name),
                truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            });
        }
        Ok(count as usize)
    }
}

/// Sends datagrams on a connected socket; says how many the kernel took.
pub(super) fn send_many(socket: BorrowedFd<'_>, datagrams: &[&[u8]]) -> io::Result<usize> {
    let mut parts: Vec<libc::iovec> = datagrams
        .iter()
        .map(|datagram| libc::iovec {
            iov_base: datagram.as_ptr().cast_mut().cast(),
            iov_len: datagram.len(),
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .map(|part| {
            // SAFETY: all-zero is a valid mmsghdr.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = &raw mut *part;
            message.msg_hdr.msg_iovlen = 1;
            message
        })
        .collect();
    // SAFETY: each message points to one part, and that to a datagram; all outlive the call, which
    // reads the datagrams and writes only the messages' lengths.
    let count = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as u32,
            0,
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(count as usize)
}
