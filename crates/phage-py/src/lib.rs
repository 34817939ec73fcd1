//! `PyO3` conversions: `phage._native`. Nothing is decided here.

mod catalog;
mod engine;
mod export;
mod exportengine;
mod prefixes;
mod rows;
mod tools;
mod volumes;

use pyo3::prelude::*;

/// The Rust core of phage.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::PyEngine>()?;
    module.add_class::<export::PyExportDecoder>()?;
    module.add_class::<exportengine::PyExportEngine>()?;
    module.add_class::<exportengine::PyToldFlows>()?;
    module.add_class::<exportengine::PyDatagramSender>()?;
    module.add_class::<prefixes::PyPrefixSet>()?;
    module.add_class::<volumes::PyVolumes>()?;
    module.add_class::<tools::PyFilter>()?;
    module.add_class::<tools::PyTransmitter>()?;
    module.add_function(wrap_pyfunction!(catalog::build, module)?)?;
    module.add_function(wrap_pyfunction!(catalog::row_sizes, module)?)?;
    module.add("BEHAVIOUR_CATALOG", catalog::behaviour(module.py())?)?;
    module.add("DAMPED_CATALOG", catalog::damped(module.py())?)?;
    module.add("FAULTS", catalog::faults(module.py())?)?;
    Ok(())
}
