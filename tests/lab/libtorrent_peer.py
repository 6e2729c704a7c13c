"""One libtorrent peer in the lab, at its defaults but for discovery: everybody is told everybody's address.

make SOURCE TORRENT | seed TORRENT PARENT ADDRESS | fetch TORRENT TO ADDRESS DONE PEER...
A fetching peer creates DONE when all is there, and goes on serving until it is ended.
"""
import sys
import time

import libtorrent as lt

PORT = 6881
PIECE_BYTES = 256 * 1024


def make(source, torrent):
    files = lt.file_storage()
    lt.add_files(files, source)
    made = lt.create_torrent(files, PIECE_BYTES)
    lt.set_piece_hashes(made, source.rsplit("/", 1)[0])
    with open(torrent, "wb") as out:
        out.write(lt.bencode(made.generate()))


def add(torrent, folder, address, seeding):
    quiet = {name: False for name in ("enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp")}
    session = lt.session(dict(quiet, listen_interfaces=f"{address}:{PORT}", alert_mask=0))
    wanted = lt.add_torrent_params()
    wanted.ti = lt.torrent_info(torrent)
    wanted.save_path = folder
    wanted.flags &= ~lt.torrent_flags.paused & ~lt.torrent_flags.auto_managed
    if seeding:
        wanted.flags |= lt.torrent_flags.seed_mode
    return session, session.add_torrent(wanted)


def fetch(torrent, folder, address, done, *peers):
    session, handle = add(torrent, folder, address, False)
    while str(handle.status().state) != "downloading":
        time.sleep(0.005)  # a connection before this is dropped
    told = -15
    begun = time.monotonic()
    while not handle.status().is_seeding:
        if time.monotonic() - begun >= told + 15:  # as a tracker's answers would tell them again
            told = time.monotonic() - begun
            for peer in peers:
                handle.connect_peer((peer, PORT))
        time.sleep(0.02)
    handle.flush_cache()
    open(done, "w").close()
    while True:
        time.sleep(60)


def seed(torrent, folder, address):
    session, handle = add(torrent, folder, address, True)
    while True:
        time.sleep(60)


{"make": make, "seed": seed, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
