"""Downloads the torrent argv[1] to the folder argv[2] with libtorrent's own
defaults, stays to give it on, and leaves the time at which it had all beside the
file, with .done behind the name.

What is set is what the trial is without (the DHT, other networks, port mapping),
and that peers ask the tracker again every 2 s, as those of aria2 do.
"""
import os
import sys
import time

import libtorrent

session = libtorrent.session({
    "listen_interfaces": "0.0.0.0:6881",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
})
info = libtorrent.torrent_info(sys.argv[1])
torrent = session.add_torrent({"ti": info, "save_path": sys.argv[2]})
done = os.path.join(sys.argv[2], info.name()) + ".done"
asked = time.time()
while True:
    now = time.time()
    if torrent.status().is_seeding and not os.path.exists(done):
        torrent.flush_cache()
        with open(done + ".new", "w") as f:
            f.write("%.9f\n" % now)
        os.rename(done + ".new", done)
    if now - asked >= 2:
        torrent.force_reannounce(0, -1, libtorrent.reannounce_flags_t.ignore_min_interval)
        asked = now
    time.sleep(0.02)
