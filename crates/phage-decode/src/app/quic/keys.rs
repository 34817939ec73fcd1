//! Opens what protects an Initial packet (RFC 9001, section 5; RFC 9369 for version 2).
//!
//! The keys follow from the destination connection identifier of the client's first packet, which
//! everyone on the way can read: this hides nothing, it only proves that the packet is QUIC.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::Aes128;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

/// Octets of the authentication tag.
pub(crate) const TAG: usize = 16;

/// A version of QUIC whose Initial packets can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u32);

const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
    0x43, 0x90, 0xa8, 0x99,
];
const SALT_DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65,
    0xbe, 0xf9, 0xf5, 0x02,
];

const VERSION_1: u32 = 1;
const VERSION_2: u32 = 0x6b33_43cf;
const DRAFT: u32 = 0xff00_0000;

impl Version {
    /// The version with a number; `None` where its packets cannot be opened.
    pub(crate) fn new(number: u32) -> Option<Self> {
        let version = Self(number);
        version.salt().map(|_| version)
    }

    /// The name in messages: `1`, `2`, `draft-29`.
    pub(crate) fn name(self) -> String {
        match self.0 {
            VERSION_1 => "1".to_owned(),
            VERSION_2 => "2".to_owned(),
            other => format!("draft-{}", other & 0xff),
        }
    }

    /// The salt of the version; drafts from 23 on, which devices with old stacks still speak.
    fn salt(self) -> Option<&'static [u8; 20]> {
        match self.0 {
            VERSION_1 => Some(&SALT_1),
            VERSION_2 => Some(&SALT_2),
            other if other & 0xffff_ff00 == DRAFT => match other & 0xff {
                23..=28 => Some(&SALT_DRAFT_23),
                29..=32 => Some(&SALT_DRAFT_29),
                33 | 34 => Some(&SALT_1),
                _ => None,
            },
            _ => None,
        }
    }

    /// The packet type bits of an Initial (RFC 9000, section 17.2.2; RFC 9369, section 3.2).
    pub(crate) fn initial_type(self) -> u8 {
        u8::from(self.0 == VERSION_2)
    }

    fn labels(self) -> [&'static [u8]; 3] {
        if self.0 == VERSION_2 {
            [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"]
        } else {
            [b"quic key", b"quic iv", b"quic hp"]
        }
    }
}

/// The keys of one side's Initial packets.
pub(crate) struct Keys {
    seal: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

/// HKDF-Expand-Label of RFC 8446, section 7.1, without context.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    let (length, size) = ((N as u16).to_be_bytes(), [label.len() as u8 + 6]);
    let mut out = [0; N];
    secret
        .expand_multi_info(&[&length, &size, b"tls13 ", label, &[0]], &mut out)
        .ok()?;
    Some(out)
}

impl Keys {
    /// The keys of the client's packets. Always `Some`: the sizes are those that HKDF can make.
    pub(crate) fn client(version: Version, destination: &[u8]) -> Option<Self> {
        let initial = Hkdf::<Sha256>::new(Some(version.salt()?), destination);
        let client: [u8; 32] = expand(&initial, b"client in")?;
        let secret = Hkdf::<Sha256>::from_prk(&client).ok()?;
        let [key, iv, header] = version.labels();
        Some(Self {
            seal: Aes128Gcm::new(&expand::<16>(&secret, key)?.into()),
            iv: expand(&secret, iv)?,
            header: Aes128::new(&expand::<16>(&secret, header)?.into()),
        })
    }

    /// The mask of header protection for a sample (RFC 9001, section 5.4.3): for the first octet
    /// and for up to four of the packet number.
    pub(crate) fn mask(&self, sample: [u8; 16]) -> [u8; 5] {
        let mut block = sample.into();
        self.header.encrypt_block(&mut block);
        let block: [u8; 16] = block.into();
        let [a, b, c, d, e, ..] = block;
        [a, b, c, d, e]
    }

    /// Decrypts a payload in place; `false` where it was not sealed with these keys.
    pub(crate) fn open(
        &self,
        number: u32,
        header: &[u8],
        payload: &mut [u8],
        tag: [u8; TAG],
    ) -> bool {
        let mut nonce = self.iv;
        for (octet, part) in nonce
            .iter_mut()
            .rev()
            .zip(number.to_be_bytes().iter().rev())
        {
            *octet ^= part;
        }
        self.seal
            .decrypt_inout_detached(
                &Nonce::from(nonce),
                header,
                InOutBuf::from(payload),
                &Tag::from(tag),
            )
            .is_ok()
    }

    /// Protects a packet whose header ends with a packet number of four octets.
    #[cfg(test)]
    pub(crate) fn seal(&self, number: u32, header: &[u8], frames: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (octet, part) in nonce
            .iter_mut()
            .rev()
            .zip(number.to_be_bytes().iter().rev())
        {
            *octet ^= part;
        }
        let mut sealed = frames.to_vec();
        let tag = self
            .seal
            .encrypt_inout_detached(&Nonce::from(nonce), header, InOutBuf::from(&mut sealed[..]))
            .unwrap_or_default();
        sealed.extend_from_slice(&tag);
        let mut packet = header.to_vec();
        let sample = sealed.first_chunk().copied().unwrap_or_default();
        let [first_mask, number_mask @ ..] = self.mask(sample);
        let number_at = header.len().saturating_sub(number_mask.len());
        for (octet, mask) in packet.iter_mut().skip(number_at).zip(number_mask) {
            *octet ^= mask;
        }
        if let Some(first) = packet.first_mut() {
            *first ^= first_mask & 0x0f;
        }
        packet.extend(sealed);
        packet
    }
}
