//! Decodes any bytes as a frame of any link type. Input: index of the link type, bytes on the wire
//! beyond the captured ones (2), VLAN of a removed tag, frame.
#![no_main]

#[path = "../../tests/build/mod.rs"]
mod build;

use libfuzzer_sys::fuzz_target;
use phage_decode::{decode, FrameHeader, Keys, LinkType, Packet, Secret};

fuzz_target!(|data: &[u8]| {
    let [link, high, low, vlan, frame @ ..] = data else {
        return;
    };
    let links = build::samples::LINKS;
    let link = LinkType(links[usize::from(*link) % links.len()]);
    let beyond = usize::from(u16::from_be_bytes([*high, *low]));
    let header = FrameHeader {
        vlan: u16::from(*vlan),
        ..build::frame_header(link, frame.len(), frame.len() + beyond)
    };
    let mut packet = build::stale();
    decode(frame, &header, &mut packet);
    build::assert_consistent(&packet, frame);
    let mut fresh = Packet::default();
    decode(frame, &header, &mut fresh);
    assert_eq!(packet, fresh, "nothing of an earlier packet remains");
    let _ = Keys::of(&packet, &Secret::from_seed(7));
});
