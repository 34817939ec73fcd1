//! PyO3 conversions.
