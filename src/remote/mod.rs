//! Sampling from other threads: of one isolate that runs elsewhere, and of many.

mod handover;
mod registry;
mod request;
mod sampler_remote;
mod sync;

pub use registry::{Gathered, SamplerRegistry};
pub use request::Request;
pub use sampler_remote::SamplerRemote;
