"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const element = (id) => document.getElementById(id);
  const place = (id) => element(`chart-${id}`);
  const cssValue = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Numbers as the page writes them.
  const count = (n) => n.toLocaleString("en-US", { maximumFractionDigits: 0 });
  const perDay = (n) => n.toLocaleString("en-US", { maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 });
  const percent = (part, whole) => {
    if (whole === 0) return "undefined";
    const value = (100 * part) / whole;
    const distance = Math.min(value, 100 - value);
    if (distance > 0 && distance < 0.0000005) return value < 50 ? "less than 0.000001 %" : "more than 99.999999 %";
    const digits = distance === 0 || distance >= 9.95 ? 1 : distance >= 0.0995 ? 2 : distance >= 0.000995 ? 4 : 6;
    return `${value.toFixed(digits)} %`;
  };

  // Charts name colours by custom properties, so that one drawing serves both themes.
  const themed = (value) => {
    if (typeof value === "string") return value.startsWith("--") ? cssValue(value) : value;
    if (Array.isArray(value)) return typeof value.at(-1) === "number" ? value : value.map(themed);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, themed(inner)]));
    }
    return value;
  };
  const themedLayout = (layout) => {
    const full = themed(layout);
    const axis = { gridcolor: cssValue("--grid"), zerolinecolor: cssValue("--grid"), linecolor: cssValue("--line"), automargin: true };
    for (const name of Object.keys(full).filter((key) => /^[xy]axis/.test(key))) {
      full[name] = { ...axis, ...full[name] };
      full[name].title = { font: { size: 13 }, standoff: 8, ...full[name].title };
    }
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", separators: ".,",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: cssValue("--ink") },
      margin: { l: 56, r: 12, t: 12, b: 44 }, dragmode,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, itemsizing: "constant" },
      hoverlabel: { bgcolor: cssValue("--panel"), bordercolor: cssValue("--line"), font: { color: cssValue("--ink") }, align: "left" },
      ...full,
    };
  };
  // A finger scrolls the page, so that only a mouse zooms by dragging. Every chart has its own buttons below it.
  const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  const config = { responsive: true, displayModeBar: false, showTips: false };

  let Plotly;
  const drawn = new Map();
  const charts = new Map(page.charts.map((chart) => [chart.id, chart]));
  const draw = (id) => {
    const chart = charts.get(id);
    const target = place(id);
    if (!Plotly || !chart || !target) return;
    const live = liveState(chart);
    const data = themed(chart.plot.data).map((trace, index) => ({ ...trace, ...(live.traces[index] || {}) }));
    if (chart.views) showView(chart, data);
    if (chart.pointTexts) data.forEach((trace) => { trace.hovertext = trace.customdata.map((point) => chart.pointTexts[point]); });
    if (chart.cellTexts) data[0].customdata = chart.cellTexts;
    if (chart.hasNumbers) data[0].texttemplate = "%{z:.2f}";
    const layout = { ...themedLayout(chart.plot.layout), ...(live.shapes ? { shapes: themed(live.shapes) } : {}) };
    if (chart.reversed) layout.yaxis.autorange = "reversed";
    drawn.set(id, true);
    Plotly.react(target, data, layout, config);
  };
  // A chart with several views has traces for each; the reader chooses which view is seen.
  const showView = (chart, traces) => {
    const choice = document.querySelector(`[data-choice="${chart.choice}"]`);
    const view = choice ? Number(choice.value) : 0;
    traces.forEach((trace, index) => {
      trace.visible = chart.views[index] === view;
      if (chart.choice !== "map") trace.showlegend = view > 0;
    });
  };
  document.querySelectorAll("[data-choice]").forEach((choice) => choice.addEventListener("change", () => {
    charts.forEach((chart, id) => { if (chart.choice === choice.dataset.choice && drawn.has(id)) draw(id); });
  }));
  const drawAll = () => charts.forEach((_, id) => draw(id));
  const redraw = () => drawn.forEach((_, id) => draw(id));

  // The threshold: position i flags the i highest steps of the scores.
  const live = page.live;
  const slider = element("threshold-slider");
  let position = live ? live.start : 0;
  const sums = (values) => values.reduce((all, value) => (all.push(all[all.length - 1] + value), all), [0]);
  const above = live && {
    events: sums(live.events),
    labels: live.labels.map((label) => sums(label.positives)),
  };
  const thresholdAt = (i) => (i === live.start ? live.threshold : i < live.tops.length ? live.tops[i] : 0);
  const rates = (label, i) => {
    const all = above.labels[label];
    const [flagged, tp, positives] = [above.events[i], all[i], all[all.length - 1]];
    const fp = flagged - tp;
    const negatives = above.events[above.events.length - 1] - positives;
    return { flagged, tp, fp, fn: positives - tp, tn: negatives - fp, positives, negatives };
  };
  const byPlace = (i) => {
    const { step, place, events, alerts } = live.cells;
    const [flagged, called] = [new Map(), new Map()];
    for (let cell = 0; cell < step.length && step[cell] < i; cell += 1) {
      flagged.set(place[cell], (flagged.get(place[cell]) || 0) + events[cell]);
      called.set(place[cell], (called.get(place[cell]) || 0) + alerts[cell]);
    }
    return { flagged, called };
  };
  // Incidents are counted at some positions, which ascend. At another one, the nearest ones are named.
  const incidentsAt = (i) => {
    const counted = live.incidents.find((entry) => entry.position === i);
    if (!counted) return null;
    return new Map(counted.place.map((where, entry) => [where, counted.count[entry]]));
  };
  const nearIncidents = (i) => {
    const near = [live.incidents.findLast((entry) => entry.position < i), live.incidents.find((entry) => entry.position > i)];
    const words = near.filter(Boolean).map((entry) =>
      `${count(entry.count.reduce((all, value) => all + value, 0))} at ${thresholdAt(entry.position).toFixed(4)}`);
    return `not counted at this threshold: ${words.join(", ")}`;
  };
  const share = (part, whole) => (whole === 0 ? null : part / whole);

  // What a chart shows of the threshold: markers on curves, a line in histograms, bars of days.
  function liveState(chart) {
    const state = { traces: {} };
    if (!live || !chart.live) return state;
    const threshold = thresholdAt(position);
    if (chart.live.kind === "histogram") {
      state.shapes = [{ type: "line", xref: "x", yref: "paper", x0: threshold, x1: threshold, y0: 0, y1: 1,
        line: { color: "--mark", width: 2, dash: "dash" } }];
    } else if (chart.live.kind === "roc" || chart.live.kind === "pr") {
      Object.entries(chart.live.markers).forEach(([trace, label]) => {
        const { flagged, tp, fp, positives, negatives } = rates(label, position);
        const recall = share(tp, positives);
        const [x, y] = chart.live.kind === "roc" ? [share(fp, negatives), recall] : [recall, share(tp, flagged)];
        state.traces[trace] = { x: [x], y: [y] };
      });
    } else if (chart.live.kind === "days") {
      const { flagged, called } = byPlace(position);
      const day = (counts, slot) => live.hosts.reduce((all, _, host) => all + (counts.get(host * live.slots + slot) || 0), 0);
      const slots = Array.from({ length: live.slots - 1 }, (_, slot) => slot + 1);
      state.traces[0] = { y: slots.map((slot) => day(live.hasAlerts ? called : flagged, slot)) };
    } else if (chart.live.kind === "host-days") {
      const { flagged, called } = byPlace(position);
      const counts = live.hasAlerts ? called : flagged;
      state.traces[0] = { z: live.hosts.map((_, host) =>
        Array.from({ length: live.slots - 1 }, (_, slot) => counts.get(host * live.slots + slot + 1) || 0)) };
    }
    return state;
  }
  const put = (name, text) => document.querySelectorAll(`[data-live="${name}"]`).forEach((cell) => { cell.textContent = text; });
  const total = (counts) => [...counts.values()].reduce((all, value) => all + value, 0);
  const showThreshold = () => {
    const flagged = above.events[position];
    const places = byPlace(position);
    const hostDays = live.hosts.reduce((all, host) => all + host.days, 0);
    const alerts = total(places.called);
    put("threshold", thresholdAt(position).toFixed(4));
    put("flagged", count(flagged));
    const incidents = incidentsAt(position);
    put("incidents", incidents ? count(total(incidents)) : "–");
    put("incidents-near", incidents ? "" : nearIncidents(position));
    document.querySelectorAll('[data-live="incidents-near"]').forEach((note) => { note.hidden = incidents !== null; });
    put("incidents-per-host-day", incidents && hostDays ? perDay(total(incidents) / hostDays) : "–");
    put("flagged-share", percent(flagged, above.events[above.events.length - 1]));
    put("alerts", count(alerts));
    put("flagged-per-host-day", hostDays ? perDay(flagged / hostDays) : "–");
    put("alerts-per-host-day", hostDays ? perDay(alerts / hostDays) : "–");
    slider.setAttribute("aria-valuetext", `threshold ${thresholdAt(position).toFixed(4)}: ${count(flagged)} events flagged`);
    live.labels.forEach((_, label) => showLabel(label));
    live.hosts.forEach((host, index) => showHost(host, index, { ...places, incidents }));
    element("threshold-back").disabled = position === live.start;
  };
  const showLabel = (label) => {
    const { flagged, tp, fp, fn, tn, positives, negatives } = rates(label, position);
    put(`precision-${label}`, percent(tp, flagged));
    put(`recall-${label}`, percent(tp, positives));
    put(`fpr-${label}`, percent(fp, negatives));
    Object.entries({ tp: [tp, positives], fp: [fp, negatives], fn: [fn, positives], tn: [tn, negatives] }).forEach(([name, [n, whole]]) => {
      put(`${name}-${label}`, count(n));
      put(`${name}-share-${label}`, percent(n, whole));
      document.querySelectorAll(`[data-share="${name}-${label}"]`).forEach((cell) => cell.style.setProperty("--share", whole ? n / whole : 0));
    });
  };
  const showHost = (host, index, { flagged, called, incidents }) => {
    const sum = (counts) => {
      let all = 0;
      for (let slot = 0; slot < live.slots; slot += 1) all += counts.get(index * live.slots + slot) || 0;
      return all;
    };
    const [events, alerts] = [sum(flagged), sum(called)];
    const opened = incidents ? sum(incidents) : null;
    put(`host-incidents-${index}`, incidents ? count(opened) : "–");
    put(`host-incidents-per-day-${index}`, incidents && host.days ? perDay(opened / host.days) : "–");
    put(`host-flagged-${index}`, count(events));
    put(`host-alerts-${index}`, count(alerts));
    put(`host-flagged-per-day-${index}`, host.days ? perDay(events / host.days) : "–");
    put(`host-alerts-per-day-${index}`, host.days ? perDay(alerts / host.days) : "–");
  };
  const moveTo = (next) => {
    position = next;
    slider.value = String(live.tops.length - next);
    showThreshold();
    charts.forEach((chart, id) => { if (chart.live && drawn.has(id)) draw(id); });
  };
  if (live && slider) {
    slider.addEventListener("input", () => moveTo(live.tops.length - Number(slider.value)));
    element("threshold-back").addEventListener("click", () => moveTo(live.start));
    moveTo(live.start);
  }

  // Light and dark: the system's choice until the reader makes another.
  const toggle = element("theme");
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  const showTheme = () => {
    toggle.setAttribute("aria-pressed", String(isDark()));
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
    redraw();
  };
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
  systemDark.addEventListener("change", showTheme);
  let themeBeforePrint;
  addEventListener("beforeprint", () => {
    themeBeforePrint = root.dataset.theme;
    root.dataset.theme = "light";
    drawAll();
  });
  addEventListener("afterprint", () => {
    if (themeBeforePrint) root.dataset.theme = themeBeforePrint; else delete root.dataset.theme;
    redraw();
  });
  showTheme();

  // A link to an incident opens its details; in print, all incidents are open.
  const openTarget = () => {
    const target = /^#incident-\d+$/.test(location.hash) && element(location.hash.slice(1));
    if (!target) return;
    target.closest("details").open = true;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  openTarget();
  let closedBeforePrint = [];
  addEventListener("beforeprint", () => {
    closedBeforePrint = [...document.querySelectorAll(".incident:not([open]), .tree details:not([open])")];
    closedBeforePrint.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closedBeforePrint.forEach((details) => { details.open = false; }));

  const zoom = (id, factor) => {
    const axes = place(id)._fullLayout;
    const ranges = ["xaxis", "yaxis"].map((name) => {
      const axis = axes[name];
      const [from, to] = axis.range.map((end) => axis.r2l(end));
      const [middle, half] = [(from + to) / 2, ((to - from) / 2) * factor];
      return [`${name}.range`, [middle - half, middle + half].map((end) => axis.l2r(end))];
    });
    Plotly.relayout(place(id), Object.fromEntries(ranges));
  };
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    const { zoom: how, of: id } = button.dataset;
    if (!drawn.has(id) || how === "reset") draw(id);
    if (Plotly && how !== "reset") zoom(id, how === "in" ? 0.5 : 2);
  }));
  document.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => {
    const id = button.dataset.save;
    draw(id);
    if (Plotly) Plotly.downloadImage(place(id), { format: "png", scale: 2, filename: `honeyguide-${id}` });
  }));

  const unpack = async () => {
    const packed = Uint8Array.from(atob(element("chart-library").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    Plotly = window.Plotly;
    if (!Plotly) throw new Error("the chart library did not start");
  };
  const drawWhenSeen = () => {
    const watcher = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        watcher.unobserve(entry.target);
        draw(entry.target.dataset.chart);
      });
    }, { rootMargin: "400px" });
    charts.forEach((_, id) => { if (place(id)) watcher.observe(place(id)); });
  };
  unpack().then(drawWhenSeen).catch((error) => {
    const trouble = element("trouble");
    trouble.hidden = false;
    trouble.textContent = `The charts cannot be drawn in this browser (${error.message}); the tables hold their figures.`;
  });
})();
