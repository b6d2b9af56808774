import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Workspace, launch, overlaps, pointAt, tallRows, visit, waitForChart } from "./pages.mjs";

const HOSTILE = ["<img src=x onerror=\"document.title='acted'\">", "<a href=\"javascript:document.title='acted'\">x</a>", "\u202egnp.exe"];

let browser;
let work;

before(async () => {
  browser = await launch();
  work = new Workspace();
  work.run("simulate", "--out", "sim", "--events", "20000");
  work.run("explore", "sim/labelled_training_data.csv", "--recipe", "beth-paper", "--out", "explore.html");
  work.run("explore", "sim/labelled_testing_data.csv", "--recipe", "beth-paper", "--label", "evil", "--out", "labelled.html");
  work.events("hostile.csv", HOSTILE.map((name, index) => ({ processName: name, eventName: name, hostName: name, processId: index })));
  work.run("explore", "hostile.csv", "--recipe", "raw", "--out", "hostile.html");
});

after(async () => {
  await browser?.close();
  work?.close();
});

test("every picture is drawn in both themes and at both widths", async () => {
  for (const [colorScheme, width] of [["light", 1600], ["dark", 390]]) {
    await visit(browser, work.url("explore.html"), { colorScheme, viewport: { width, height: 900 } }, async (page) => {
      await waitForChart(page, "timeline");
      await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
      const missing = await page.evaluate(() => [...document.querySelectorAll(".chart")].filter((chart) => !chart.querySelector("svg.main-svg")).map((chart) => chart.id));
      assert.deepEqual(missing, []);
      assert.ok(await page.locator(".chart").count() > 20);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(beyond <= 0, `${beyond} px beyond ${width}`);
    });
  }
});

test("hovering over a picture shows its values", async () => {
  await visit(browser, work.url("explore.html"), {}, async (page) => {
    const column = await waitForChart(page, "column-0");
    await pointAt(page, column, 0);
    await column.locator(".hoverlayer .hovertext").first().waitFor();
    assert.match(await column.locator(".hoverlayer").textContent(), /[\d.,]+ to [\d.,]+: [\d,]+/);
    const programs = await waitForChart(page, "programs");
    const box = await programs.locator(".nsewdrag").first().boundingBox();
    await page.mouse.move(box.x + 12, box.y + 8);
    await page.mouse.move(box.x + 14, box.y + 9);
    await programs.locator(".hoverlayer .hovertext").first().waitFor();
    assert.match(await programs.locator(".hoverlayer").textContent(), /\w+, \w+: [\d,]+/);
  });
});

test("buttons lie over nothing, and no row is tall with a part out of sight", async () => {
  for (const width of [390, 420, 1280]) {
    await visit(browser, work.url("labelled.html"), { viewport: { width, height: 900 } }, async (page) => {
      await waitForChart(page, "timeline");
      await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
      assert.deepEqual(await overlaps(page), [], `${width} px`);
      await (await waitForChart(page, "column-0")).hover();
      assert.deepEqual(await overlaps(page), [], `${width} px, under the mouse`);
      assert.deepEqual(await tallRows(page), [], `${width} px`);
    });
  }
});

test("the buttons of a chart zoom it with the keyboard", async () => {
  await visit(browser, work.url("labelled.html"), {}, async (page) => {
    await waitForChart(page, "column-0");
    const range = () => page.evaluate(() => document.getElementById("chart-column-0")._fullLayout.xaxis.range.map(Number));
    const width = ([from, to]) => to - from;
    const all = await range();
    const press = async (how) => {
      await page.locator(`[data-of="column-0"][data-zoom="${how}"]`).focus();
      await page.keyboard.press("Enter");
      return range();
    };
    assert.ok(Math.abs(width(await press("in")) / width(all) - 0.5) < 1e-6);
    assert.ok(Math.abs(width(await press("out")) / width(all) - 1) < 1e-6);
    await press("in");
    assert.deepEqual(await press("reset"), all);
    const opacity = () => page.locator("figure:has(#chart-column-0) .zoom").evaluate((zoom) => getComputedStyle(zoom).opacity);
    assert.equal(await opacity(), "1", "what has the focus is seen");
  });
});

test("histograms tell events apart by the label that is chosen", async () => {
  await visit(browser, work.url("labelled.html"), {}, async (page) => {
    await waitForChart(page, "column-0");
    const seen = () => page.evaluate(() => document.getElementById("chart-column-0").data.filter((trace) => trace.visible));
    const names = async () => (await seen()).map((trace) => trace.name);
    const sum = async () => (await seen()).flatMap((trace) => [...trace.y]).reduce((all, events) => all + events, 0);
    assert.deepEqual(await names(), ["evil = 0", "evil = 1"]);
    const events = await sum();
    await page.locator("#columns-view").selectOption("no label");
    assert.deepEqual(await names(), ["events"]);
    assert.equal(await sum(), events);
  });
});

test("cells of the correlations show their numbers", async () => {
  await visit(browser, work.url("labelled.html"), {}, async (page) => {
    const map = await waitForChart(page, "feature-correlations");
    const shown = await map.locator(".heatmap-label text, g.heatmap-label").allTextContents();
    const names = await page.evaluate(() => document.getElementById("chart-feature-correlations").data[0].x);
    assert.equal(names.at(-1), "evil");
    assert.ok(shown.includes("1.00") && shown.length >= 20, shown.join(" "));
  });
});

test("undefined correlations have no value", async () => {
  await visit(browser, work.url("explore.html"), {}, async (page) => {
    await waitForChart(page, "correlations");
    const { names, cells } = await page.evaluate(() => {
      const [map] = document.getElementById("chart-correlations").data;
      return { names: map.y, cells: map.z };
    });
    const evil = names.indexOf("evil");
    assert.ok(evil >= 0 && cells[evil].every((cell) => cell === null), "evil is constant in training");
    assert.equal(cells[0][0], 1);
    assert.ok((await page.locator("#columns").textContent()).includes("evil is constant"));
  });
});

test("the map can be coloured in several ways, and hovering over a point shows its events", async () => {
  await visit(browser, work.url("explore.html"), {}, async (page) => {
    const map = await waitForChart(page, "map");
    const seen = () => page.evaluate(() => document.getElementById("chart-map").data.filter((trace) => trace.visible).map((trace) => trace.name));
    const byLabel = await seen();
    assert.ok(byLabel.some((name) => name.startsWith("sus = 1 in ")), byLabel.join("\n"));
    await page.locator("#map-coloring").selectOption("program");
    const byProgram = await seen();
    assert.ok(byProgram.length > 3 && byProgram.every((name) => !byLabel.includes(name)), byProgram.join("\n"));
    const index = await page.evaluate(() => document.getElementById("chart-map").data.findIndex((trace) => trace.visible));
    await pointAt(page, map, index);
    await map.locator(".hoverlayer .hovertext").first().waitFor();
    assert.match(await map.locator(".hoverlayer").textContent(), /\d events?.*for example .* · /);
  });
});

test("hostile names are text in every picture", async () => {
  await visit(browser, work.url("hostile.html"), {}, async (page) => {
    const title = await page.title();
    const programs = await waitForChart(page, "programs");
    const labels = await programs.locator("text").allTextContents();
    assert.ok(labels.some((label) => label.startsWith("<img src=x")), labels.join("\n"));
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.equal(await page.locator("main img, main svg a, main script").count(), 0);
    assert.ok(!(await page.locator("main").textContent()).includes("\u202e"));
    assert.equal(await page.title(), title);
  });
});
