//! Builds capture files record by record and block by block.

/// The byte order of the host that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Little,
    Big,
}

impl Host {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// The header of a pcap file.
    pub(crate) fn pcap(self, magic: u32, version: [u16; 2], link: u32) -> Vec<u8> {
        let mut bytes = self.u32(magic).to_vec();
        bytes.extend(self.u16(version[0]));
        bytes.extend(self.u16(version[1]));
        bytes.extend([0; 8]);
        bytes.extend(self.u32(65_535));
        bytes.extend(self.u32(link));
        bytes
    }

    /// A record of a pcap file: seconds, fraction, bytes on the wire.
    pub(crate) fn record(self, time: [u32; 2], length: usize, frame: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [time[0], time[1], frame.len() as u32, length as u32] {
            bytes.extend(self.u32(value));
        }
        bytes.extend(frame);
        bytes
    }

    /// A block of a pcapng file.
    pub(crate) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let total = self.u32((12 + padded) as u32);
        let mut bytes = self.u32(kind).to_vec();
        bytes.extend(total);
        bytes.extend(body);
        bytes.resize(8 + padded, 0);
        bytes.extend(total);
        bytes
    }

    pub(crate) fn section(self) -> Vec<u8> {
        let mut body = self.u32(0x1a2b_3c4d).to_vec();
        body.extend(self.u16(1));
        body.extend(self.u16(0));
        body.extend([0xff; 8]);
        body.extend(self.option(4, b"a test"));
        self.block(0x0a0d_0d0a, &body)
    }

    pub(crate) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = self.u16(code).to_vec();
        bytes.extend(self.u16(value.len() as u16));
        bytes.extend(value);
        bytes.resize(4 + value.len().next_multiple_of(4), 0);
        bytes
    }

    pub(crate) fn interface(self, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
        let mut body = self.u16(link).to_vec();
        body.extend([0; 2]);
        body.extend(self.u32(snap));
        body.extend(options);
        self.block(1, &body)
    }

    pub(crate) fn enhanced(
        self,
        interface: u32,
        time: u64,
        length: usize,
        frame: &[u8],
    ) -> Vec<u8> {
        let mut body = self.u32(interface).to_vec();
        body.extend(self.packet(time, length, frame));
        body.extend(self.option(1, b"comment"));
        body.extend([0; 4]);
        self.block(6, &body)
    }

    pub(crate) fn obsolete(self, interface: u16, time: u64, frame: &[u8]) -> Vec<u8> {
        let mut body = self.u16(interface).to_vec();
        body.extend([0xff; 2]);
        body.extend(self.packet(time, frame.len(), frame));
        self.block(2, &body)
    }

    pub(crate) fn simple(self, length: usize, frame: &[u8]) -> Vec<u8> {
        let mut body = self.u32(length as u32).to_vec();
        body.extend(frame);
        self.block(3, &body)
    }

    fn packet(self, time: u64, length: usize, frame: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [
            (time >> 32) as u32,
            time as u32,
            frame.len() as u32,
            length as u32,
        ] {
            bytes.extend(self.u32(value));
        }
        bytes.extend(frame);
        bytes.resize(16 + frame.len().next_multiple_of(4), 0);
        bytes
    }
}
