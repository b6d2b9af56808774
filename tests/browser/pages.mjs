// Common code of the browser tests: makes pages with the command honeyguide, and opens them in a browser that records
// everything that a page must not do.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const COLUMNS = ["timestamp", "processId", "threadId", "parentProcessId", "userId", "mountNamespace", "processName",
  "hostName", "eventId", "eventName", "stackAddresses", "argsNum", "returnValue", "args", "sus", "evil"];

/** A temporary folder for one test file, in which the command `honeyguide` runs. */
export class Workspace {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "honeyguide-pages-"));
  }

  /** Runs the command to its end and returns its output. */
  run(...args) {
    const program = process.env.HONEYGUIDE;
    assert.ok(program, "HONEYGUIDE names the built command; `cargo xtask test` sets it");
    return execFileSync(program, args, { cwd: this.folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
  }

  /** Writes events to a CSV file. Each event is an object with some of BETH's columns; the others get default values. */
  events(name, events) {
    const text = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const defaults = { timestamp: 1, processId: 1, threadId: 1, parentProcessId: 1, userId: 0, mountNamespace: 4026531840,
      processName: "cron", hostName: "host-1", eventId: 257, eventName: "openat", stackAddresses: "[1]", argsNum: 3,
      returnValue: 0, args: "[]", sus: 0, evil: 0 };
    const rows = events.map((event) => COLUMNS.map((name) => text(String({ ...defaults, ...event }[name]))).join(","));
    writeFileSync(join(this.folder, name), [COLUMNS.join(","), ...rows, ""].join("\n"));
  }

  /** Returns the URL of a file in the folder. */
  url(name) {
    return pathToFileURL(join(this.folder, name)).href;
  }

  /** Removes the folder. */
  close() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts the browser. */
export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

/** Opens a page and runs `act` on it. Asserts that the page wrote nothing to the console, had no error, opened no dialog
 * and requested no other file. */
export const visit = async (browser, url, options, act) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => faults.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error}`));
  page.on("dialog", async (dialog) => { faults.push(`dialog: ${dialog.message()}`); await dialog.dismiss(); });
  await context.route("**/*", (route) => {
    const wanted = route.request().url();
    if (wanted === url || /^(data|blob):/.test(wanted)) return route.continue();
    faults.push(`request: ${wanted}`);
    return route.abort();
  });
  try {
    await page.goto(url);
    await act(page);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
};

/** Scrolls to a chart, waits until it is drawn, and returns it. */
export const waitForChart = async (page, id) => {
  const chart = page.locator(`#chart-${id}`);
  await chart.scrollIntoViewIfNeeded();
  await chart.locator("svg.main-svg").first().waitFor();
  return chart;
};

/** Moves the mouse to the middle point of a trace, or into its highest bar. */
export const pointAt = async (page, chart, trace) => {
  const point = await chart.evaluate((element, index) => {
    const { x, y, type } = element.data[index];
    const point = type === "bar" ? y.indexOf(Math.max(...y)) : Math.floor(x.length / 2);
    const height = type === "bar" ? y[point] / 2 : y[point];
    const { xaxis, yaxis } = element._fullLayout;
    const area = element.querySelector(".nsewdrag").getBoundingClientRect();
    return [area.x + xaxis.d2p(x[point]), area.y + yaxis.d2p(height)];
  }, trace);
  await page.mouse.move(point[0] - 3, point[1]);
  await page.mouse.move(point[0], point[1]);
};

/** Returns the text of a figure that changes with the threshold. */
export const liveText = (page, name) => page.locator(`[data-live="${name}"]`).first().textContent();

/** Parses a count with thousands separators. */
export const parseCount = (text) => Number(text.replaceAll(",", ""));

/** Returns what lies over something else: buttons of charts over the charts or captions, and buttons of the chart
 * library, which would lie over its titles and legends. */
export const overlaps = (page) => page.evaluate(() => {
  const apart = (one, other) => one.right <= other.left || other.right <= one.left || one.bottom <= other.top || other.bottom <= one.top;
  const found = [...document.querySelectorAll(".modebar-btn")].map(() => "a button of the chart library");
  document.querySelectorAll("figure").forEach((figure) => {
    const below = [...figure.querySelectorAll(".chart, figcaption, details")];
    figure.querySelectorAll("button").forEach((button) => {
      const own = button.getBoundingClientRect();
      below.filter((part) => !apart(own, part.getBoundingClientRect()))
        .forEach((part) => found.push(`${button.textContent} over ${part.className || part.tagName}`));
    });
  });
  return found;
});

/** Opens all details, and returns the rows of tables that are tall although a part of them is out of sight. */
export const tallRows = (page) => page.evaluate(() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const isCut = (row) => { const scroll = row.closest(".scroll"); return scroll && scroll.scrollWidth > scroll.clientWidth; };
  return [...document.querySelectorAll("tbody tr")]
    .filter((row) => row.getBoundingClientRect().height > 100 && isCut(row))
    .map((row) => `${Math.round(row.getBoundingClientRect().height)} px: ${row.textContent.slice(0, 60)}`);
});
