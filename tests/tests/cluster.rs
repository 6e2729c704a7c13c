//! The main job with real processes on loopback: replicate, update, resume, survive, refuse.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod cluster {
    mod bad_input;
    mod care;
    mod courier;
    mod flagships;
    mod hostile;
    mod in_place;
    mod kills;
    mod limits;
    mod replicate;
    mod versions;
}
