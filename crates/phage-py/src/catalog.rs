//! The catalogs of features and faults, and what this build is.

use phage_decode::catalog::Feature;
use phage_decode::Fault;
use phage_engine::MatchRow;
use phage_flow::{FlowRow, HostRow, UseRow, BEHAVIOUR_CATALOG};
use phage_model::{ScoreRow, DAMPED_CATALOG};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

fn features<'py>(py: Python<'py>, catalog: &[Feature]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        catalog
            .iter()
            .map(|feature| (feature.name, feature.unit, feature.meaning)),
    )
}

pub(crate) fn behaviour(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    features(py, &BEHAVIOUR_CATALOG)
}

pub(crate) fn damped(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    features(py, &DAMPED_CATALOG)
}

pub(crate) fn faults(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, Fault::NAMES)
}

/// Return version, SIMD kernel and target of the core.
#[pyfunction]
pub(crate) fn build(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("version", env!("CARGO_PKG_VERSION"))?;
    facts.set_item("kernel", phage_model::Kernel::best().name())?;
    facts.set_item("architecture", std::env::consts::ARCH)?;
    Ok(facts)
}

/// Return the sizes in octets of a flow, host, score, match and use row.
#[pyfunction]
pub(crate) fn row_sizes() -> (usize, usize, usize, usize, usize) {
    (
        size_of::<FlowRow>(),
        size_of::<HostRow>(),
        size_of::<ScoreRow>(),
        size_of::<MatchRow>(),
        size_of::<UseRow>(),
    )
}
