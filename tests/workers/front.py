"""The site of examples/celery, driven over its standard input: a line of JSON, a line back."""

import json
import sys

import web
from django.core.cache import cache

locks = {}
sent = {}


def act(what, *arguments):
    if what == "cache":
        method, *rest = arguments
        return getattr(cache, method)(*rest)
    if what == "lock":
        locks[arguments[0]] = cache.lock(arguments[0], timeout=30)
        return locks[arguments[0]].acquire(blocking=False)
    if what == "unlock":
        return locks.pop(arguments[0]).release()
    if what == "send":
        task, *rest = arguments
        result = web.tasks.send_task(task, rest)
        sent[result.id] = result
        return result.id
    return sent.pop(arguments[0]).get(timeout=60)


for line in sys.stdin:
    try:
        answer = {"is": act(*json.loads(line))}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
