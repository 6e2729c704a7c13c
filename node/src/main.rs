//! Karez.
fn main() {}
