//! The row that a window carries to Python for each device that was scored in it.

/// How many behaviour features an explanation names at most, and how many damped statistics. Either
/// have places of their own: the first tell what a packet means, the others what it looks like.
pub const OWN_EXPLAINED: usize = 6;
/// Damped statistics.
pub const NETWORK_EXPLAINED: usize = 2;
/// How many features an explanation names at most.
pub const EXPLAINED: usize = OWN_EXPLAINED + NETWORK_EXPLAINED;

/// Scores of one device in one window, with the packet that was the most surprising.
///
/// A *surprise* is `-log10(p)`, where p is the probability that a normal packet of this device
/// scores as high: 3 is one in a thousand. It lies in 0 to 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::NoUninit)]
#[repr(C)]
pub struct ScoreRow {
    /// Number of the most surprising packet in the input, from 0.
    pub packet: u64,
    /// Its time, nanoseconds since the Unix epoch.
    pub time: i64,
    /// Its addresses and MACs.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// Source MAC.
    pub src_mac: u64,
    /// Destination MAC.
    pub dst_mac: u64,
    /// MAC of the device; 0 if it is known by its address.
    pub device_mac: u64,
    /// Address of the device.
    pub device_address: [u8; 16],
    /// Index of the device.
    pub device: u32,
    /// Packets of the device that were scored in the window.
    pub packets: u32,
    /// Packets with a surprise of 3 or more.
    pub surprising: u32,
    /// Length of the most surprising packet in octets.
    pub length: u32,
    /// Highest surprise.
    pub surprise: f32,
    /// Sum of all surprises.
    pub total: f32,
    /// Part of the network's ensemble in the highest surprise.
    pub network: f32,
    /// Part of the device's own ensemble in the highest surprise.
    pub own: f32,
    /// Values of the strongest features, in their units.
    pub values: [f32; EXPLAINED],
    /// Lower ends of what is normal.
    pub low: [f32; EXPLAINED],
    /// Upper ends of what is normal.
    pub high: [f32; EXPLAINED],
    /// Share of each in the score, 0 to 1.
    pub weights: [f32; EXPLAINED],
    /// Numbers of the features in the catalog (behaviour first, then damped); `u16::MAX` for none.
    pub features: [u16; EXPLAINED],
    /// Ports and protocol of the packet.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// VLAN identifier.
    pub vlan: u16,
    /// IP protocol.
    pub protocol: u8,
    /// 0 the device is still being learned (the network's ensemble speaks alone), 1 it has its own.
    pub mature: u8,
}

const _: () = assert!(size_of::<ScoreRow>() == 272);
