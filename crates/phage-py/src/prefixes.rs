//! Sets of prefixes as Python makes and asks them.

use std::sync::Arc;

use phage_match::{Prefix, PrefixSet};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An immutable set of prefixes.
#[pyclass(name = "PrefixSet", module = "phage._native", frozen)]
pub(crate) struct PyPrefixSet(Arc<PrefixSet>);

impl PyPrefixSet {
    pub(crate) fn share(&self) -> Arc<PrefixSet> {
        Arc::clone(&self.0)
    }
}

#[pymethods]
impl PyPrefixSet {
    #[new]
    fn new(py: Python<'_>, addresses: &[u8], lengths: &[u8], values: &[u8]) -> PyResult<Self> {
        let count = lengths.len();
        if addresses.len() != 16 * count || values.len() != 4 * count {
            return Err(PyValueError::new_err(
                "a prefix is 16 octets of address, one of length, four of value",
            ));
        }
        let prefixes: Vec<Prefix> = addresses
            .as_chunks::<16>()
            .0
            .iter()
            .zip(lengths)
            .zip(values.as_chunks::<4>().0)
            .map(|((&address, &length), &value)| Prefix {
                address,
                length,
                value: u32::from_le_bytes(value),
            })
            .collect();
        Ok(Self(Arc::new(py.detach(|| PrefixSet::new(&prefixes)))))
    }

    fn lookup(&self, address: [u8; 16]) -> Option<u32> {
        self.0.lookup(&address)
    }

    fn lookup_all<'py>(&self, py: Python<'py>, addresses: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let (addresses, []) = addresses.as_chunks::<16>() else {
            return Err(PyValueError::new_err("an address is 16 octets"));
        };
        let mut values = vec![0_u32; addresses.len()];
        py.detach(|| self.0.lookup_all(addresses, &mut values));
        Ok(PyBytes::new(py, bytemuck::cast_slice(&values)))
    }

    fn octets(&self) -> usize {
        self.0.octets()
    }
}
