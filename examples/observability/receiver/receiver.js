// Receives OTLP over HTTP and writes every span and the name of every metric as a line of JSON.
// node receiver.js FILE [--ui]

const fs = require('node:fs');
const {createRequire} = require('node:module');

// The package is installed where this is started, not beside this file.
const installed = createRequire(`${process.cwd()}/`);
const {MockOtlpServer, normalizeMetrics, normalizeTrace} = installed('@elastic/mockotlpserver');

const file = process.argv[2];
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
                write({
                    service: resource.attributes['service.name'],
                    scope: scope.name,
                    trace: span.traceId,
                    id: span.spanId,
                    parent: span.parentSpanId ?? '',
                    name: span.name,
                    kind: span.kind,
                    started: span.startTimeUnixNano,
                    status: span.status?.code ?? 'STATUS_CODE_UNSET',
                    attributes: span.attributes ?? {},
                });
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

const server = new MockOtlpServer({
    logLevel: 'warn',
    services: process.argv.includes('--ui') ? ['http', 'ui'] : ['http'],
    httpHostname: '127.0.0.1',
    httpPort: 0,
    uiHostname: '127.0.0.1',
    uiPort: 0,
    onTrace,
    onMetrics,
});

server.start().then(() => {
    if (server.uiUrl) {
        console.log(`Traces at ${server.uiUrl.href ?? server.uiUrl}`);
    }
    console.log(`Receiving at ${server.httpUrl.href ?? server.httpUrl}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => process.exit(0));
}
