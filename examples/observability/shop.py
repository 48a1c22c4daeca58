"""What site and worker both know; whoever starts them says where things are."""

import os

BROKER = os.environ["SHOP_BROKER"]

CACHE = {
    "BACKEND": "django_cachex.cache.RedisCache",
    "LOCATION": os.environ["SHOP_CACHE"].split(),
    "KEY_PREFIX": "shop",
    "OPTIONS": {
        "CLIENT_CLASS": "django_cachex.client.ClusterClient",
        "SERIALIZER": "json",
        "MAX_CONNECTIONS": 8,
    },
}
