//! Real processes in network namespaces: firewalls, address families, NATs.

mod networks {
    mod families;
    mod lan;
    mod moving;
    mod only_443;
    mod proxied;
    mod punched;
    mod relayed;
    mod scene;
    mod throttled;
    mod udp_blocked;
}
