//! Numbers to bytes and back, little-endian; every read is checked.

use crate::fault::ModelFault;

/// Appends numbers to bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    pub(super) fn floats(&mut self, values: &[f32]) {
        for &value in values {
            self.f32(value);
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A length, then the bytes.
    pub(super) fn block(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.raw(bytes);
    }
}

/// Takes numbers from bytes.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn raw<const N: usize>(&mut self) -> Result<[u8; N], ModelFault> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ModelFault::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ModelFault> {
        self.raw::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ModelFault> {
        self.raw().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ModelFault> {
        self.raw().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, ModelFault> {
        self.raw().map(i64::from_le_bytes)
    }

    /// A finite number.
    pub(super) fn f32(&mut self) -> Result<f32, ModelFault> {
        let value = f32::from_bits(self.u32()?);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(ModelFault::Value("a number"))
        }
    }

    pub(super) fn f64(&mut self) -> Result<f64, ModelFault> {
        self.u64().map(f64::from_bits)
    }

    pub(super) fn floats<const N: usize>(&mut self) -> Result<[f32; N], ModelFault> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.f32()?;
        }
        Ok(values)
    }

    pub(super) fn block(&mut self) -> Result<&'a [u8], ModelFault> {
        let length = usize::try_from(self.u64()?).map_err(|_| ModelFault::Length)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ModelFault::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of items of which each takes at least `size` bytes: no more than can follow.
    pub(super) fn count(&mut self, size: usize) -> Result<usize, ModelFault> {
        let count = self.u32()? as usize;
        if count > self.0.len() / size.max(1) {
            return Err(ModelFault::Length);
        }
        Ok(count)
    }

    pub(super) fn end(&self) -> Result<(), ModelFault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ModelFault::Length)
        }
    }
}
