//! `EtherType` values that are decoded (IEEE registration authority).

/// IPv4.
pub const IPV4: u16 = 0x0800;
/// Address Resolution Protocol.
pub const ARP: u16 = 0x0806;
/// Ethernet in GRE (RFC 1701, "transparent Ethernet bridging").
pub const ETHERNET: u16 = 0x6558;
/// 802.1Q customer tag.
pub const VLAN: u16 = 0x8100;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// PPP in GRE version 1 (RFC 2637).
pub const PPP: u16 = 0x880b;
/// MPLS, unicast.
pub const MPLS: u16 = 0x8847;
/// MPLS, multicast or upstream-assigned.
pub const MPLS_MULTICAST: u16 = 0x8848;
/// `PPPoE` session stage.
pub const PPPOE_SESSION: u16 = 0x8864;
/// 802.1ad service tag.
pub const SERVICE_VLAN: u16 = 0x88a8;
/// Port tag between switch and network card (VN-tag).
pub const PORT_TAG: u16 = 0x8926;
/// ERSPAN types I and II in GRE.
pub const ERSPAN: u16 = 0x88be;
/// ERSPAN type III in GRE.
pub const ERSPAN_III: u16 = 0x22eb;
/// The tag type of stacked VLANs before 802.1ad.
pub const STACKED_VLAN: u16 = 0x9100;
/// The largest value of the field that is a length, not a type (IEEE 802.3, 3.2.6).
pub const LARGEST_LENGTH: u16 = 1500;
