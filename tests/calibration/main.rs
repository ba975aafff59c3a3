//! Calibration: sampling is simulated of programs whose truth is known, thousands of times, to
//! count how often what is said of them is right. A binary of its own, as it takes long.
//!
//! | room of the library | here |
//! | --- | --- |
//! | `estimate`: intervals | `intervals` |
//! | `Profile::diff` | `diff` |
//! | `Leaks::find` | `leaks` |

mod diff;
mod intervals;
mod leaks;
#[path = "../without_v8/support/sessions.rs"]
mod sessions;
