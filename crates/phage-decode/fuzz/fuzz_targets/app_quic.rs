//! Any datagrams to the table of QUIC connections, raw and sealed as a client would: several
//! flows, a small table, packets cut at octets of 0xfe in the input.
#![no_main]

mod sound;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use libfuzzer_sys::fuzz_target;
use phage_decode::app::{QuicInitial, QuicLimits};
use sha2::Sha256;

const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];

fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let mut info = vec![0, N as u8, label.len() as u8 + 6];
    info.extend(b"tls13 ");
    info.extend(label);
    info.push(0);
    secret.expand(&info, &mut out).expect("a short output");
    out
}

/// A client's Initial packet of version 1 around some frames.
fn seal(destination: &[u8], frames: &[u8]) -> Vec<u8> {
    let initial = Hkdf::<Sha256>::new(Some(&SALT), destination);
    let client =
        Hkdf::<Sha256>::from_prk(&expand::<32>(&initial, b"client in")).expect("32 octets");
    let mut header = vec![0xc3, 0, 0, 0, 1, destination.len() as u8];
    header.extend(destination);
    header.extend([0, 0]);
    header.extend(((frames.len() as u16 + 20) | 0x4000).to_be_bytes());
    header.extend([0; 4]);
    let mut sealed = frames.to_vec();
    let tag = Aes128Gcm::new(&expand::<16>(&client, b"quic key").into())
        .encrypt_inout_detached(
            &Nonce::from(expand::<12>(&client, b"quic iv")),
            &header,
            InOutBuf::from(&mut sealed[..]),
        )
        .expect("a short payload");
    sealed.extend_from_slice(&tag);
    let mut sample: [u8; 16] = [0; 16];
    sample.copy_from_slice(&sealed[..16]);
    let mut block = sample.into();
    aes::Aes128::new(&expand::<16>(&client, b"quic hp").into()).encrypt_block(&mut block);
    let mask: [u8; 16] = block.into();
    header[0] ^= mask[0] & 0x0f;
    let at = header.len() - 4;
    for (octet, mask) in header[at..].iter_mut().zip(&mask[1..]) {
        *octet ^= mask;
    }
    header.extend(sealed);
    header
}

fuzz_target!(|data: &[u8]| {
    let mut table = QuicInitial::new(QuicLimits {
        connections: 3,
        packets_per_second: 1_000,
    });
    for (time, part) in data.split(|&octet| octet == 0xfe).take(32).enumerate() {
        let [choice, body @ ..] = part else {
            continue;
        };
        let key = u64::from(choice & 7);
        let datagram = if choice & 0x80 == 0 {
            seal(&[choice & 0x10; 8], body.get(..8_000).unwrap_or(body))
        } else {
            body.to_vec()
        };
        QuicInitial::wants(&datagram);
        sound::check(&table.push(key, time as i64, &datagram));
        if choice & 0x40 != 0 {
            table.release(key);
        }
    }
    let counters = table.counters();
    assert!(counters.opened <= counters.packets);
});
