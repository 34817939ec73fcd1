//! Network interfaces: names, link types, whether they are up.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use phage_decode::LinkType;

use crate::error::CaptureError;
use crate::system;

// Hardware types of interfaces (Linux if_arp.h).
const ETHERNET: u16 = 1;
const PPP: u16 = 512;
const TUNNEL: u16 = 768;
const TUNNEL6: u16 = 769;
const LOOPBACK: u16 = 772;
const SIT: u16 = 776;
const IPGRE: u16 = 778;
const IP6GRE: u16 = 823;
/// Interfaces without a link layer, such as tun and `WireGuard`.
const NONE: u16 = 0xfffe;
const RAW_IP: u16 = 519;

/// The names of the interfaces that there are, in order.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        // bonding_masters is a file among the links.
        .filter(|name| name != "bonding_masters")
        .collect();
    names.sort_unstable();
    names
}

/// The interface that the default route goes over.
///
/// Read from the kernel's IPv4 and IPv6 routing tables; the route of the smallest metric wins.
pub fn default_name() -> Option<String> {
    let ipv4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let ipv6 = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    default_ipv4(&ipv4).or_else(|| default_ipv6(&ipv6))
}

fn default_ipv4(table: &str) -> Option<String> {
    // Columns: Iface Destination Gateway Flags RefCnt Use Metric Mask ...
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            match columns.as_slice() {
                [name, "00000000", _, _, _, _, metric, "00000000", ..] => {
                    Some((metric.parse::<u32>().ok()?, (*name).to_owned()))
                }
                _ => None,
            }
        })
        .min()
        .map(|(_, name)| name)
}

fn default_ipv6(table: &str) -> Option<String> {
    // Columns: destination, its prefix length, source, its length, next hop, metric, reference
    // count, use count, flags, name; all numbers hexadecimal. The kernel's own unreachable route
    // stands on lo.
    table
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            match columns.as_slice() {
                [destination, "00", _, _, _, metric, _, _, _, name]
                    if *name != "lo" && destination.bytes().all(|b| b == b'0') =>
                {
                    Some((u32::from_str_radix(metric, 16).ok()?, (*name).to_owned()))
                }
                _ => None,
            }
        })
        .min()
        .map(|(_, name)| name)
}

/// How to read the frames of an interface.
pub(crate) fn link_type(socket: BorrowedFd<'_>, name: &str) -> Result<LinkType, CaptureError> {
    let hardware = system::interface_hardware(socket, name)
        .map_err(|error| CaptureError::of_socket(name, error))?;
    match hardware {
        ETHERNET | LOOPBACK => Ok(LinkType::ETHERNET),
        // Frames come without the HDLC bytes and the protocol field: bare IP packets.
        PPP | NONE | RAW_IP | TUNNEL | TUNNEL6 | SIT | IPGRE | IP6GRE => Ok(LinkType::RAW),
        other => Err(CaptureError::Unsupported(format!(
            "interface {name} is of hardware type {other}, whose frames cannot be read"
        ))),
    }
}

/// Whether an interface is the loopback, where every packet is seen going out and coming in.
pub(crate) fn is_loopback(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    Ok(system::interface_flags(socket, name)? & libc::IFF_LOOPBACK != 0)
}

/// Whether an interface is up.
pub(crate) fn is_up(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    Ok(system::interface_flags(socket, name)? & libc::IFF_UP != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_of_smallest_metric_wins() {
        let table =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_ipv4(table).as_deref(), Some("eth0"));
        assert_eq!(default_ipv4(""), None);
    }

    #[test]
    fn the_unreachable_ipv6_default_does_not_count() {
        let zero = "0".repeat(32);
        let lo = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        let eth = format!("{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth1\n");
        assert_eq!(default_ipv6(&lo), None);
        assert_eq!(default_ipv6(&(lo + &eth)).as_deref(), Some("eth1"));
    }
}
