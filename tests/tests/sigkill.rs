//! SIGKILL at random moments, over and over on the same stores: `karez-content` while it packs, collects garbage and
//! scrubs, and a site's daemon while it pulls.
//!
//! What must stay true: after each kill the store opens by itself, every chunk in it is right, no chunk that was written is
//! lost or written a second time, and in the end everything equals its source. The seed picks the moments; a machine that is
//! slower is hit elsewhere, and must pass as well. The full number:
//! `KAREZ_KILLS=2000 KAREZ_SEED=1 cargo test -p karez-tests --test sigkill -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod sigkill {
    mod content;
    mod pulling;
    mod records;
    mod strike;
}
