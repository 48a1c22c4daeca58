"""A table in SQLite, and a span for every statement.

For other databases there are ready instrumentations, such as opentelemetry-instrumentation-psycopg.
"""

from django.db import connection
from django.db.backends.signals import connection_created
from opentelemetry import trace

tracer = trace.get_tracer(__name__)


def _traced(execute, sql, params, many, context):
    words = sql.split()
    attributes = {
        "db.system.name": "sqlite",
        "db.operation.name": words[0],
        "db.collection.name": "article",
        "db.query.text": sql,
    }
    with tracer.start_as_current_span(
        f"{words[0]} article", kind=trace.SpanKind.CLIENT, attributes=attributes
    ):
        return execute(sql, params, many, context)


def _watch(connection, **_):
    if _traced not in connection.execute_wrappers:
        connection.execute_wrappers.append(_traced)


def create():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS article (name TEXT PRIMARY KEY, price INTEGER)")
        cursor.execute("INSERT INTO article VALUES ('tea', 500), ('coffee', 700), ('milk', 120)")
    connection_created.connect(_watch)
    connection.close()


def price_of(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT price FROM article WHERE name = %s", [name])
        found = cursor.fetchone()
    return found and found[0]
