"""Looking at caches and their servers from outside: what management commands tell people."""
