//! When and how fast bytes may move: time as a value, rates, budgets. Pure; stands alone.

pub mod congestion;
pub mod limiter;
pub mod relay;
pub mod throttle;
pub mod time;
pub mod turns;

pub use time::Timestamp;
