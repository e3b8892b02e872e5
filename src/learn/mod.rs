//! Learning from a dataset: an order, a frame of series and perhaps a checkpoint go in; events and
//! a model come out. Knows no database and no HTTP.

pub mod scaling;
