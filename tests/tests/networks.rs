//! Real processes in network namespaces: firewalls, address families, NATs.

mod networks {
    mod families;
    mod lan;
    mod moving;
    mod proxied;
    mod punched;
    mod relayed;
    mod udp_blocked;
}
