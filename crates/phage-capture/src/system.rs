//! System calls, each behind a safe function.
#![expect(
    unsafe_code,
    reason = "system calls; every block says why its arguments are valid"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::filter::Instruction;

/// What a descriptor has to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// There is something to read, or the other end is closed.
    pub(crate) readable: bool,
    /// An error waits to be read.
    pub(crate) error: bool,
}

/// Waits until a descriptor is readable, for at most `wait`.
pub(crate) fn poll(descriptor: BorrowedFd<'_>, wait: Duration) -> io::Result<Readiness> {
    let mut entry = libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let milliseconds = i32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: `entry` is one valid pollfd that outlives the call, and the count says one.
    let answer = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
    if answer < 0 {
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok(Readiness::default());
        }
        return Err(error);
    }
    Ok(Readiness {
        readable: entry.revents & (libc::POLLIN | libc::POLLHUP) != 0,
        error: entry.revents & (libc::POLLERR | libc::POLLNVAL) != 0,
    })
}

/// Tells the kernel that a file is read from start to end.
pub(crate) fn read_ahead(descriptor: BorrowedFd<'_>) {
    // SAFETY: the descriptor is open for the call; the advice touches no memory of ours. Its
    // answer does not matter: it only makes reading faster.
    unsafe {
        libc::posix_fadvise(descriptor.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL);
    }
}

/// Opens a raw packet socket that receives nothing until it is bound to a protocol.
pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let descriptor =
        unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Binds a packet socket to an interface and an `EtherType` (`ETH_P_ALL` for every frame, 0 for
/// sending only).
pub(crate) fn bind(socket: BorrowedFd<'_>, interface: u32, protocol: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: interface as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` is a valid sockaddr_ll for the length given, and is only read.
    let answer = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as u32,
        )
    };
    check(answer)
}

/// Sets a socket option of plain bytes.
pub(crate) fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &T,
) -> io::Result<()> {
    // SAFETY: `value` is valid for reads of its size, and is only read.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    };
    check(answer)
}

/// What the kernel counted on a packet socket since it was last asked.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct RingStatistics {
    /// Frames that passed the filter, dropped ones included.
    pub(crate) packets: u32,
    pub(crate) drops: u32,
    /// Times that the ring was full.
    pub(crate) freezes: u32,
}

/// Reads and resets the counters of a `TPACKET_V3` socket.
pub(crate) fn ring_statistics(socket: BorrowedFd<'_>) -> io::Result<RingStatistics> {
    let mut statistics = RingStatistics::default();
    let mut length = size_of::<RingStatistics>() as u32;
    // SAFETY: `statistics` has the layout of tpacket_stats_v3 and is valid for `length` bytes of
    // writing; `length` is valid for reading and writing.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    check(answer)?;
    Ok(statistics)
}

/// Reads and clears the error that waits on a socket.
pub(crate) fn pending_error(socket: BorrowedFd<'_>) -> Option<io::Error> {
    let mut number: i32 = 0;
    let mut length = size_of::<i32>() as u32;
    // SAFETY: `number` is valid for `length` bytes of writing, `length` for reading and writing.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    (answer == 0 && number != 0).then(|| io::Error::from_raw_os_error(number))
}

/// Attaches a filter to a socket, in place of the one before.
pub(crate) fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let program: Vec<libc::sock_filter> = program
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.yes,
            jf: instruction.no,
            k: instruction.k,
        })
        .collect();
    let description = libc::sock_fprog {
        len: u16::try_from(program.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        filter: program.as_ptr().cast_mut(),
    };
    // The kernel reads `program`, which outlives this call, and writes nothing.
    set_option(
        socket,
        libc::SOL_SOCKET,
        libc::SO_ATTACH_FILTER,
        &description,
    )
}

/// The number of an interface.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: `name` is a valid C string for the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// An interface request: a name, and room for the answer.
fn request(socket: BorrowedFd<'_>, name: &str, what: libc::Ioctl) -> io::Result<libc::ifreq> {
    // SAFETY: an all-zero ifreq is a valid value: byte arrays, integers and a null pointer.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.as_bytes();
    // The last byte stays 0.
    if bytes.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (into, byte) in request.ifr_name.iter_mut().zip(bytes) {
        *into = *byte as libc::c_char;
    }
    // SAFETY: `request` is a valid ifreq with a terminated name, which is what the requests used
    // here (SIOCGIFFLAGS, SIOCGIFHWADDR) read and write.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), what, &raw mut request) };
    check(answer)?;
    Ok(request)
}

/// The flags of an interface (`IFF_*`).
pub(crate) fn interface_flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    let answer = request(socket, name, libc::SIOCGIFFLAGS as libc::Ioctl)?;
    // SAFETY: SIOCGIFFLAGS succeeded, so the flags are the member that was written; any bits are
    // a valid short.
    Ok(i32::from(unsafe { answer.ifr_ifru.ifru_flags }))
}

/// The hardware type of an interface (`ARPHRD_*`).
pub(crate) fn interface_hardware(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let answer = request(socket, name, libc::SIOCGIFHWADDR as libc::Ioctl)?;
    // SAFETY: SIOCGIFHWADDR succeeded, so the address is the member that was written; its family
    // is the hardware type, and any bits are a valid integer.
    Ok(unsafe { answer.ifr_ifru.ifru_hwaddr.sa_family })
}

fn check(answer: i32) -> io::Result<()> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
