//! Any octets as a conversation of two, cut and out of order: memory stays within its bounds, and
//! nothing is left when both ends have gone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phage_carve::{Carver, CarverLimits};
use phage_decode::packet::{protocol, tcp};
use phage_decode::Packet;

const MEMORY: usize = 1 << 16;

fn packet(reverse: bool, flags: u8, sequence: u32) -> Packet {
    let ((src, src_port), (dst, dst_port)) = if reverse {
        (([9; 16], 80), ([7; 16], 40_000))
    } else {
        (([7; 16], 40_000), ([9; 16], 80))
    };
    Packet {
        src,
        dst,
        src_port,
        dst_port,
        protocol: protocol::TCP,
        tcp_flags: flags | tcp::ACK,
        tcp_sequence: sequence,
        ..Packet::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut carver = Carver::new(&CarverLimits {
        streams: 4,
        memory: MEMORY,
        file: 1 << 14,
        files: 8,
    });
    carver.see(&packet(true, tcp::SYN, u32::MAX), &[]);
    let mut next = [0_u32; 2];
    let mut rest = data;
    while let [how, length, more @ ..] = rest {
        let reverse = how & 1 != 0;
        let (piece, left) = more.split_at(more.len().min(usize::from(*length)));
        let side = &mut next[usize::from(reverse)];
        let sequence = side.wrapping_add(u32::from(how >> 5));
        carver.see(&packet(reverse, 0, sequence), piece);
        if how & 0b110 != 0b110 {
            carver.see(&packet(reverse, 0, *side), piece);
            *side = side.wrapping_add(piece.len() as u32);
        }
        assert!(carver.counters().held <= MEMORY as u64);
        rest = left;
    }
    carver.see(&packet(false, tcp::RST, next[0]), &[]);
    assert_eq!(carver.counters().held, 0);
    assert!(carver.take().len() <= 8);
});
