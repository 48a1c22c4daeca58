"""Serve the site with Django's own threaded server; the arguments say where the cache is."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # so that this folder is `demo.site`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--topology", required=True)
    parser.add_argument("--director", required=True, help="the socket of who moves the servers")
    parser.add_argument("servers", nargs="+", help="host:port; the primary's first, or Sentinels")
    options = parser.parse_args()
    os.environ["DEMO_TOPOLOGY"] = options.topology
    os.environ["DEMO_DIRECTOR"] = options.director
    os.environ["DEMO_SERVERS"] = ",".join(options.servers)
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.site.settings"

    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    from django_cachex.registry import close_all, warm_up

    application = get_wsgi_application()
    warm_up()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = ThreadedWSGIServer(("127.0.0.1", options.port), WSGIRequestHandler)
    server.set_app(application)
    print(f"Serving http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        close_all()


if __name__ == "__main__":
    main()
