//! Sampling an isolate: a session by itself, and a guard that has its isolate.

mod guard;
mod session;

pub use guard::{CollectOptions, HeapSampler};
pub use session::SamplingSession;
