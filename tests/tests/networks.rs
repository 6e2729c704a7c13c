//! Real processes in network namespaces: firewalls, address families, NATs.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod networks {
    mod families;
    mod lan;
    mod moving;
    mod udp_blocked;
}
