//! Damped statistics, features, ensembles of autoencoders, calibration.

pub mod rows;

pub use rows::ScoreRow;
