const at = id => document.getElementById(id);
const escaped = text => String(text).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
const count = number => Math.round(number).toLocaleString("en");
const span = seconds => seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
const port = name => name.split(":").pop();
let uses = new Map(), drawn = "", timer;

function cells(node) {
  const shown = Math.min(node.limit, 16);
  return Array.from({length: shown}, (_, n) =>
    `<i class="${n < node.lent ? "lent" : n < node.size ? "idle" : ""}"></i>`).join("");
}

function health(node) {
  if (node.away) return ["fails", "killed"];
  if (node.role === "unknown") return ["", "is back"];
  if (!node.healthy || node.breaker !== "closed") return ["fails", "fails"];
  return ["good", "answers"];
}

function nodeBox(node) {
  const [kind, said] = health(node), before = uses.get(node.name);
  const rate = before && node.uses >= before.uses
    ? (node.uses - before.uses) / Math.max(.2, (performance.now() - before.at) / 1000) : 0;
  const pool = node.limit === undefined ? "" : `
    <div class="row" title="${node.size} of ${node.limit} connections, ${node.lent} lent, ${node.waiting} waiting, ${node.opened} opened in all">
      <div class="cells">${cells(node)}</div><span class="n">${count(rate)}/s</span></div>`;
  return `<div class="node ${node.role} ${node.away ? "away" : kind === "fails" ? "failing" : ""}" style="view-transition-name:n${port(node.name)}">
    <div class="row"><span class="role">${node.role === "unknown" ? "not in the view" : node.role}</span><span class="mark ${kind}">${said}</span></div>
    <div class="row"><b class="mono">${escaped(node.name)}</b></div>${pool}
    ${node.role === "unknown" && !node.away ? `<p class="hint">The client asks again within a minute, or as soon as something fails.</p>` : ""}</div>`;
}

function shardBox(shard, now) {
  const ranges = shard.ranges.map(([first, last]) => `${first}–${last}`).join(", ");
  const title = now.kind === "cluster" ? `Shard ${shard.number}` : now.kind === "sentinel" ? "mymaster" : "Servers";
  return `<div class="shard s${shard.number}"><h3>${title}
      <span>${now.kind === "cluster" ? ranges ? `slots ${ranges}` : `${count(shard.slots)} slots` : ""}</span></h3>
    <div class="topics">${shard.topics.map(one =>
      `<span class="${one.failing ? "failing" : ""}" title="${one.calls} calls, ${one.errors} failed">${one.name}${one.errors ? ` · ${count(one.errors)} failed` : ""}</span>`).join("")}</div>
    <div class="nodes">${shard.nodes.map(nodeBox).join("")}</div></div>`;
}

function slotBar(now) {
  const parts = now.shards.flatMap(shard => shard.ranges.map(([first, last]) => ({first, last, shard})));
  parts.sort((one, other) => one.first - other.first);
  at("slots").hidden = now.kind !== "cluster";
  at("slots").innerHTML = parts.map(({first, last, shard}) =>
    `<span class="s${shard.number}" style="flex:${last - first + 1}" title="slots ${first}–${last}">${count(shard.slots)} slots</span>`).join("")
    + (now.uncovered ? `<span class="none" style="flex:${now.uncovered}">${now.uncovered}</span>` : "");
}

function minute(traffic) {
  const most = Math.max(10, ...traffic.minute.map(second => second.calls));
  at("minute").innerHTML = traffic.minute.map((second, n) => {
    const all = second.calls / most * 74, bad = second.errors ? Math.max(5, second.errors / most * 74) : 0;
    return `<g><title>${second.calls} calls, ${second.errors} failed, slowest ${second.slowest.toFixed(1)} ms</title>
      <rect class="ok" x="${n * 10 + 1}" y="${80 - all}" width="8" height="${Math.max(0, all - bad)}"/>
      <rect class="failed" x="${n * 10 + 1}" y="${80 - bad}" width="8" height="${bad}"/></g>`;
  }).join("");
  at("scale").textContent = `the last minute, at most ${count(most)} a second`;
}

function story(now) {
  const action = now.action, steps = [];
  at("story").hidden = !action;
  if (!action) return;
  const kill = action.kind === "kill", failed = now.traffic.errors;
  const place = now.kind === "cluster" ? `, primary of shard ${action.shard + 1}` : ", the primary";
  if (!action.happened) steps.push(["now", "In a second …"]);
  else {
    steps.push(["", kill ? `Killed ${action.old}${place}` : `Another server was asked to take over from ${action.old}${place}`]);
    steps.push(action.promoted ? ["", `${action.new} was promoted ${span(action.promotion_took)} later`] : ["now", "Waiting for a promotion"]);
    if (action.over && !failed) steps.push(["", `None of ${count(now.traffic.calls)} calls failed; the slowest took ${span(now.traffic.slowest / 1000)}`]);
    else if (action.over) steps.push(["", `${count(failed)} of ${count(now.traffic.calls)} calls failed; `
      + (action.errors_ended <= 0 ? "none after the promotion" : `the last one ${span(action.errors_ended)} after the promotion`)]);
    if (action.over && kill && !action.back) steps.push(["now", `${action.old} will be started again`]);
    if (action.done && !action.failure) steps.push(["", `${action.old} is a replica now`]);
    else if (action.back || action.over && !kill) steps.push(["now", `${action.old} finds its place`]);
  }
  if (action.failure) steps.push(["bad", action.failure]);
  const html = steps.map(([kind, text]) => `<li class="${kind}">${escaped(text)}</li>`).join("");
  if (at("story").innerHTML !== html) at("story").innerHTML = html;
}

function draw(now) {
  const traffic = now.traffic, busy = now.action && !now.action.done;
  at("calls").textContent = count(traffic.calls);
  at("since").textContent = now.action ? `calls since the last ${now.action.kind === "kill" ? "kill" : "failover"}` : "calls";
  at("errors").textContent = count(traffic.errors);
  at("errors").classList.toggle("some", traffic.errors > 0);
  at("errors").title = traffic.error;
  at("slowest").textContent = `${traffic.slowest.toFixed(1)} ms`;
  at("rate").textContent = count(traffic.minute.at(-1).calls);
  at("state").textContent = traffic.running ? "six threads set, get and get_many" : "at rest";
  at("traffic").textContent = traffic.running ? "Stop traffic" : "Start traffic";
  at("traffic").dataset.act = traffic.running ? "rest" : "traffic";
  for (const button of document.querySelectorAll("[data-act]")) button.disabled = Boolean(busy);
  at("refreshes").textContent = now.refreshes ? `asked for ${now.refreshes} time${now.refreshes > 1 ? "s" : ""} by this process so far` : "";
  minute(traffic);
  story(now);
  slotBar(now);
  at("sentinels").hidden = !now.sentinels.length;
  at("sentinels").innerHTML = "Watched by" + now.sentinels.map(name => `<span class="mono">${escaped(name)}</span>`).join("");

  const shards = at("shards"), roles = JSON.stringify(now.shards.map(one => one.nodes.map(node => [node.name, node.role])));
  const show = () => {
    shards.style.setProperty("--n", now.shards.length);
    shards.className = now.shards.length > 1 ? "" : "one";
    shards.innerHTML = now.shards.map(shard => shardBox(shard, now)).join("");
  };
  if (drawn && roles !== drawn && document.startViewTransition) document.startViewTransition(show);
  else show();
  drawn = roles;
  for (const shard of now.shards) for (const node of shard.nodes)
    if (node.uses !== undefined) uses.set(node.name, {uses: node.uses, at: performance.now()});
  return busy;
}

async function look(action) {
  clearTimeout(timer);
  let busy = false;
  try {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = action
      ? await fetch(ACT, {method: "POST", body: new URLSearchParams({action, csrfmiddlewaretoken: token})})
      : document.hidden ? null : await fetch(WHERE);
    if (answer?.ok) busy = draw(await answer.json());
  } catch { /* the site has ended, or not begun again */ }
  timer = setTimeout(look, busy ? 400 : 1000);
}

for (const button of document.querySelectorAll("[data-act]"))
  button.addEventListener("click", () => look(button.dataset.act));
draw(JSON.parse(at("now").textContent));
timer = setTimeout(look, 1000);
