//! Hostile peers against real nodes: each mode of `badpeer --list` that runs has its row here.
//!
//! A group of rows shares a tracker and a flagship; each row has its own site, its own bad peer and its own collection, and
//! all run beside each other. What must stay true in each: the bad peer did what it is there for, the site has the whole
//! collection bit for bit, status answers, and memory stays within bounds.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod badpeer {
    mod forgeries;
    mod rows;
    mod stage;
}
