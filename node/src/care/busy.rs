//! Work that counts on chunks which no release at work names yet. It is begun and ended; somebody else looks whether any is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of it is under way. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<AtomicUsize>);

/// One of it; it ends when this is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<AtomicUsize>);

impl Busy {
    /// Begins one.
    pub fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::SeqCst);
        UnderWay(self.0.clone())
    }

    /// Whether any is under way.
    pub fn is_busy(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
