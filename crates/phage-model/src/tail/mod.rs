//! Calibration: from a score to the probability that a normal packet scores as high.
//!
//! A [`Histogram`] keeps the scores of normal traffic on a logarithmic axis, a [`Curve`] is the
//! survival function read from it. Below a high quantile the curve is the empirical rank (as in
//! conformal prediction); above it a Pareto tail is fitted to the exceedances (peaks over
//! threshold: exponential in the logarithm of the score, whose scale is Hill's estimator, Annals
//! of Statistics 3(5), 1975). The heavy tail is on purpose: a thin one would call every small
//! novelty of a regular device impossible.
//!
//! When it fails: probabilities are of *packets*, and packets come in bursts, so ten surprising
//! packets in one second are not ten independent pieces of evidence; scores that fall outside
//! everything seen are extrapolated from the slope of the highest few per cent, which for fewer
//! than a few hundred packets is mostly that of the pool; and a distribution that drifts is
//! followed only as fast as new histograms are merged.

mod curve;
mod histogram;

pub use curve::{Curve, HIGHEST_SURPRISE};
pub(crate) use histogram::Tally;
pub use histogram::{position, Histogram, BINS};

#[cfg(test)]
mod tests;
