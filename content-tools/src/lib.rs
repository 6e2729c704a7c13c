//! What happens to bytes on one machine: cutting, storing, packing, verifying, exporting.
//!
//! Imports point one way: `pack`, `pages`, `quote`, `shortfall` and `export` know `store`, `cut` and `verify`; `store` knows
//! `verify` and `disk`; `cut` and `store` never meet; `package` knows none of them and only `pack` knows it; `speech` knows
//! nothing of content. Nothing here opens a socket. Every call blocks: a node runs them on its storage threads.

pub mod bundle;
pub mod cut;
pub mod disk;
pub mod export;
pub mod own_folders;
pub mod pack;
pub mod package;
pub mod pages;
pub mod quote;
pub mod rendition;
pub mod reserve;
pub mod shortfall;
pub mod speech;
pub mod store;
pub mod verify;
