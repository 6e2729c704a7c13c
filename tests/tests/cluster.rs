//! The main job with real processes on loopback: replicate, update, resume, survive, refuse.

mod cluster {
    mod bad_input;
    mod hostile;
    mod kills;
    mod replicate;
}
