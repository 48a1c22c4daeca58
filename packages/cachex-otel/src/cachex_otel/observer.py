"""What clients and caches tell, as spans and metrics."""

import contextvars
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from cachex_client import ClientObserver, Operation, Sent
from cachex_otel import attributes as names
from cachex_otel.failures import class_name, error_type, retry_reason, status_code
from cachex_otel.labels import RECEIVED, SENT, bytes_in, of_cache, of_lookup, of_verb
from cachex_otel.metrics import Labels, Meters
from cachex_otel.options import TelemetryOptions
from cachex_otel.suppression import is_suppressed
from cachex_otel.tracing import (
    Attributes,
    Shape,
    Shapes,
    counted,
    ending,
    failure,
    peer_attributes,
    verb_name,
    verdict,
)
from cachex_otel.waiting import LOOK_EVERY
from cachex_pool import logger

log = logger("cachex_otel")

FAILED = Status(StatusCode.ERROR)
CLIENT = SpanKind.CLIENT


class Telemetry(ClientObserver):
    """
    Tells OpenTelemetry what clients do.

    `tracer` and `meters` are None as long as nobody wants spans, or metrics; while one of them may
    still come, `look` is called now and then and returns whether it is worth looking again.
    """

    def __init__(self, options: TelemetryOptions, look: Callable[[], bool]) -> None:
        self.options = options
        self.tracer: Tracer | None = None
        self.meters: Meters | None = None
        self._look = look
        self.look_again()
        self._shapes = Shapes(options)
        spans = options.spans
        self._commands = spans in ("auto", "command", "both")
        self._verbs = spans in ("auto", "cache", "both")
        self._outer = spans in ("cache", "both")
        self._full = options.metrics == "full"
        self._told: set[str] = set()

    @property
    def live(self) -> bool:
        """Whether there is anybody to report to."""
        return self.tracer is not None or self.meters is not None

    def look_again(self) -> None:
        """Look for providers at the next call."""
        self._looking, self._look_at = True, 0.0

    # -- wire operations

    def sending(self, sent: Sent) -> Any:
        if self._looking and monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_EVERY
            self._looking = self._look()
        tracer, meters = self.tracer, self.meters
        if tracer is None and meters is None:
            return None
        context = get_current()
        if context and is_suppressed(context):
            return None
        shape = self._shapes.of(sent)
        if shape is None:
            return None
        span = outer = None
        if tracer is not None:
            if self._outer and shape.outer is not None:
                outer, context = self._start_outer(tracer, shape.outer, context)
            if self._commands and not (shape.gated and not _has_span(context)):
                labels = shape.labels if shape.plain else self._shapes.asked_for(sent, shape)
                span = tracer.start_span(shape.name, context, CLIENT, labels)
                if not span.is_recording():
                    span = None  # as it has no children that have to know
                elif self.options.request_hook is not None:
                    self._call("request_hook", span, sent)
        if span is None and outer is None and meters is None:
            return None
        return shape, span, outer, perf_counter()

    def _start_outer(
        self, tracer: Tracer, outer: tuple[str, Attributes], context: Context
    ) -> tuple[Span | None, Context]:
        if self.options.require_parent and not _has_span(context):
            return None, context
        span = tracer.start_span(outer[0], context, SpanKind.INTERNAL, outer[1])
        return span, set_span_in_context(span, context)

    def settled(self, sent: Sent, token: Any) -> None:
        shape, span, outer, started = token
        took = perf_counter() - started
        error = None if sent.error is None else _failure(sent, shape)
        if (meters := self.meters) is not None:  # another thread may turn telemetry off right now
            self._measure(meters, sent, shape, took, span or outer, error)
        if span is not None:
            span.set_attributes(ending(sent, shape, sentry=self.options.sentry_compat))
            if sent.retried or sent.redirected or shape.counts:
                span.set_attributes(_more(sent, shape))
            if self.options.sentry_compat:
                span.set_attributes(_size(sent, shape))
            if error is not None:
                span.set_attributes(failure(error))
                span.set_status(FAILED)
            if self.options.response_hook is not None:
                self._call("response_hook", span, sent)
            span.end()
        if outer is not None:
            self._end_outer(outer, sent, shape, error)

    def _end_outer(
        self, outer: Span, sent: Sent, shape: Shape, error: BaseException | None
    ) -> None:
        if outer.is_recording():
            outer.set_attributes(verdict(sent, shape, sentry=self.options.sentry_compat))
            outer.set_attributes(counted(sent) if shape.counts else {})
            if self.options.sentry_compat:
                outer.set_attributes(_size(sent, shape))
            if error is not None:
                outer.set_attribute(names.ERROR_TYPE, error_type(error))
                outer.set_status(FAILED)
        outer.end()

    def _measure(
        self,
        meters: Meters,
        sent: Sent,
        shape: Shape,
        took: float,
        span: Span | None,
        error: BaseException | None,
    ) -> None:
        labels = shape.measures
        if error is not None:
            labels = {**labels, **failure(error)}
        if self.options.metric_peer:
            labels = {**labels, **peer_attributes(sent.address)}
        # In the span's context, so that a slow one can be found by the histogram's exemplar.
        context = None if span is None else set_span_in_context(span)
        meters.duration.record(took, labels, context)
        if self._full and shape.verb is not None:
            meters.cache_duration.record(took, of_verb(shape.verb, error), context)
        if sent.bytes_out:
            meters.io[SENT] += sent.bytes_out
        if received := bytes_in(sent.replies):
            meters.io[RECEIVED] += received
        for reason in sent.retried:
            meters.retries[((names.RETRY_REASON, retry_reason(reason)),)] += 1
        for kind in sent.redirected:
            meters.redirects[((names.REDIRECT_TYPE, kind.lower()),)] += 1

    # -- verbs that take several

    def began(self, operation: Operation) -> Any:
        if self._looking and monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_EVERY
            self._looking = self._look()
        tracer, meters = self.tracer, self.meters
        if tracer is None and meters is None:
            return None
        context = get_current()
        if context and is_suppressed(context):
            return None
        span = attached = None
        wanted = self._verbs and not (self.options.require_parent and not _has_span(context))
        if tracer is not None and wanted:
            origin = operation.origin
            labels = self._shapes.of_verb(origin)
            if operation.requested is not None:
                labels[names.KEYS_REQUESTED] = operation.requested
            span = tracer.start_span(verb_name(origin), context, attributes=labels)
            # A span that is not recorded too: so its parts know that they are not either.
            attached = attach(set_span_in_context(span, context))
        elif meters is None:
            return None
        return span, attached, perf_counter()

    def ended(self, operation: Operation, token: Any) -> None:
        span, attached, started = token
        took = perf_counter() - started
        if attached is not None:
            detach(attached)
        error = operation.error
        if (meters := self.meters) is not None:
            context = None if span is None else set_span_in_context(span)
            meters.cache_duration.record(took, of_verb(operation.origin, error), context)
        if span is None:
            return
        if span.is_recording():
            span.set_attributes(counted(operation))
            if error is not None:
                span.set_attribute(names.ERROR_TYPE, error_type(error))
                span.set_status(FAILED)
        span.end()

    def followed(self, leader: contextvars.Context) -> None:
        span = get_current_span()
        if self.tracer is None or not self._verbs or not span.is_recording():
            return
        theirs = leader.run(get_current_span).get_span_context()
        if theirs.is_valid and not is_suppressed(get_current()):
            span.add_link(theirs)

    # -- counts

    def looked_up(self, cache: str, operation: str, hits: int, misses: int, errors: int) -> None:
        if (meters := self.meters) is None:
            return
        lookups = meters.lookups
        if hits:
            lookups[of_lookup(cache, names.HIT)] += hits
        if misses:
            lookups[of_lookup(cache, names.MISS)] += misses
        if errors:
            lookups[of_lookup(cache, names.ERROR)] += errors

    def wrote(self, cache: str, operation: str, keys: int) -> None:
        if (meters := self.meters) is not None:
            meters.writes[of_cache(cache)] += keys

    def deleted(self, cache: str, operation: str, keys: int) -> None:
        if (meters := self.meters) is not None:
            meters.deletes[of_cache(cache)] += keys

    def refreshed(
        self, topology: str, *, trigger: str, took: float, error: Exception | None
    ) -> None:
        if (meters := self.meters) is None:
            return
        labels: Labels = ((names.REFRESH_TRIGGER, trigger),)
        if error is not None:
            labels += ((names.ERROR_TYPE, error_type(error)),)
        meters.refreshes[labels] += 1

    def promoted(self, topology: str, *, old: str, new: str) -> None:
        if (meters := self.meters) is not None:
            meters.failovers[()] += 1

    def _call(self, hook: str, span: Span, sent: Sent) -> None:
        """Call a hook; one that raises is told of once, and called again next time."""
        try:
            getattr(self.options, hook)(span, sent)
        except Exception as error:
            if hook not in self._told:
                self._told.add(hook)
                # Without its text, which may quote what was sent.
                log.error("hook raised", hook=hook, error=class_name(type(error)))


def _has_span(context: Context) -> bool:
    return get_current_span(context).get_span_context().is_valid


def _more(sent: Sent, shape: Shape) -> Attributes:
    """Return what is said of few operations only."""
    more = counted(sent) if shape.counts else {}
    if sent.retried:
        more[names.RETRY_COUNT] = sent.retries
    if sent.redirected:
        more[names.REDIRECT_COUNT] = sent.redirects
    return more


def _failure(sent: Sent, shape: Shape) -> BaseException | None:
    """Return the first error that is not how a verb finds out that a server lacks its script."""
    error = sent.error
    if shape.verb is None or error is None or status_code(error) != "NOSCRIPT":
        return error
    errors = (one for one in sent.replies if isinstance(one, Exception))
    return next((one for one in errors if status_code(one) != "NOSCRIPT"), None)


def _size(sent: Sent, shape: Shape) -> Attributes:
    if shape.lookup and sent.replies and type(sent.replies[0]) is bytes:
        return {names.SENTRY_ITEM_SIZE: len(sent.replies[0])}
    return {}
