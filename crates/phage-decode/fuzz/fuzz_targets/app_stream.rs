//! Any bytes as the start of a stream, whole and growing: an answer other than "incomplete" comes
//! for the whole if it came for a part, unless the part was ended by what the whole goes on with.
#![no_main]

mod sound;

use libfuzzer_sys::fuzz_target;
use phage_decode::app::{is_followed, parse_further, parse_stream, Parsed};

const PORTS: [u16; 16] = [
    53, 443, 80, 22, 21, 25, 23, 3389, 445, 139, 1883, 502, 2323, 587, 5353, 40_000,
];

fuzz_target!(|data: &[u8]| {
    let [choice, step, prefix @ ..] = data else {
        return;
    };
    let from_initiator = choice & 0x80 != 0;
    let port = PORTS[usize::from(choice & 15)];
    let step = usize::from(*step).max(1);
    let mut end = step;
    while end < prefix.len() {
        sound::check(&parse_stream(&prefix[..end], from_initiator, port));
        end += step * 4;
    }
    let first = parse_stream(prefix, from_initiator, port);
    sound::check(&first);
    if matches!(&first, Parsed::Done(message) if is_followed(message)) {
        for refused in [false, true] {
            sound::check(&parse_further(prefix, refused));
        }
    }
});
