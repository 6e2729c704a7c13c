//! The main job with real processes on loopback: replicate, update, resume, survive, refuse.

mod cluster {
    pub mod bad_input;
    pub mod hostile;
    pub mod kills;
    pub mod replicate;
}
