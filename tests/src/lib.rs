//! Karez.
