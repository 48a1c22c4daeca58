// Receives OTLP over HTTP, writes every span and the name of every metric as a line of JSON, and
// shows the latest traces on a page.  node receiver.js FILE

const fs = require('node:fs');
const http = require('node:http');
const {createRequire} = require('node:module');

// The package is installed where this is started, not beside this file.
const installed = createRequire(`${process.cwd()}/`);
const {MockOtlpServer, normalizeMetrics, normalizeTrace} = installed('@elastic/mockotlpserver');

const file = process.argv[2];
const SHOWN = 100; // traces on the page
const traces = new Map();
const names = new Set();

function write(line) {
    fs.appendFileSync(file, JSON.stringify(line) + '\n');
}

function plain(normalize, received) {
    const found = normalize(received, {normAttributes: true});
    return typeof found === 'string' ? JSON.parse(found) : found;
}

function onTrace(received) {
    for (const {resource, scopeSpans} of plain(normalizeTrace, received).resourceSpans ?? []) {
        for (const {scope, spans} of scopeSpans) {
            for (const span of spans) {
                const line = {
                    service: resource.attributes['service.name'],
                    scope: scope.name,
                    trace: span.traceId,
                    id: span.spanId,
                    parent: span.parentSpanId ?? '',
                    name: span.name,
                    kind: span.kind,
                    started: span.startTimeUnixNano,
                    ended: span.endTimeUnixNano,
                    status: span.status?.code ?? 'STATUS_CODE_UNSET',
                    attributes: span.attributes ?? {},
                };
                write(line);
                remember(line);
            }
        }
    }
}

function onMetrics(received) {
    for (const {resource, scopeMetrics} of plain(normalizeMetrics, received).resourceMetrics ?? []) {
        const service = resource.attributes['service.name'];
        for (const {metrics} of scopeMetrics) {
            for (const {name} of metrics) {
                if (!names.has(`${service} ${name}`)) {
                    names.add(`${service} ${name}`);
                    write({service, metric: name});
                }
            }
        }
    }
}

// The page

function remember(span) {
    if (!traces.has(span.trace)) {
        traces.set(span.trace, []);
        if (traces.size > SHOWN) {
            traces.delete(traces.keys().next().value);
        }
    }
    traces.get(span.trace).push(span);
}

function escaped(text) {
    const entities = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'};
    return String(text).replace(/[&<>"]/g, (letter) => entities[letter]);
}

function shown(span) {
    const took = Number(BigInt(span.ended) - BigInt(span.started)) / 1e6;
    const kind = span.kind.replace('SPAN_KIND_', '');
    const failed = span.status === 'STATUS_CODE_ERROR';
    const told = Object.entries(span.attributes).map(([name, value]) => `${name}: ${value}`);
    return (
        `<b class="${escaped(span.service)}">${escaped(span.service)}</b> ${kind}` +
        ` <span${failed ? ' class="failed"' : ''} title="${escaped(told.sort().join('\n'))}">` +
        `${escaped(span.name)}</span> <i>${took.toFixed(2)} ms</i>`
    );
}

function tree(spans) {
    const known = new Set(spans.map((span) => span.id));
    const sorted = [...spans].sort((a, b) => (BigInt(a.started) < BigInt(b.started) ? -1 : 1));
    const below = (parent) => {
        const children = sorted.filter(
            (span) => (known.has(span.parent) ? span.parent : '') === parent
        );
        const items = children.map((span) => `<li>${shown(span)}${below(span.id)}`);
        return items.length ? `<ul>${items.join('')}</ul>` : '';
    };
    return below('');
}

function page() {
    const latest = [...traces.values()].reverse().map(tree).join('<hr>');
    return `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>Traces</title><style>
body { font: 14px/1.6 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
ul { list-style: none; padding-left: 1.5em; margin: 0 } hr { border: 0; border-top: 1px solid #ddd }
b { color: #205080 } b.worker { color: #806020 } i { color: #777 } .failed { color: #b00020 }
span { text-decoration: underline dotted #bbb }
</style><h1>Traces</h1><p>The latest first; point at a name to see its attributes.</p>
${latest || '<p>None yet: open some pages of the site.</p>'}`;
}

const pages = http.createServer((request, response) => {
    response.writeHead(200, {'Content-Type': 'text/html; charset=utf-8'});
    response.end(page());
});

const receiver = new MockOtlpServer({
    logLevel: 'warn',
    services: ['http'],
    httpHostname: '127.0.0.1',
    httpPort: 0,
    onTrace,
    onMetrics,
});

pages.listen(0, '127.0.0.1', async () => {
    await receiver.start();
    console.log(`Traces at http://127.0.0.1:${pages.address().port}/`);
    console.log(`Receiving at ${receiver.httpUrl.href ?? receiver.httpUrl}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => process.exit(0));
}
