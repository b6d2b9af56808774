import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Workspace, launch, liveText, overlaps, parseCount, pointAt, tallRows, visit, waitForChart } from "./pages.mjs";

const HOSTILE = [
  "<script>document.title='acted'</script>",
  "</script><script>document.title='acted'</script>",
  "\"'><img src=x onerror=\"document.title='acted'\">",
  "<a href=\"javascript:document.title='acted'\">x</a>",
  "<b>bold</b>",
  "\u202egnp.exe\u2028",
];

let browser;
let work;

before(async () => {
  browser = await launch();
  work = new Workspace();
  work.run("simulate", "--out", "sim", "--events", "20000");
  work.run("train", "sim/labelled_training_data.csv", "--out", "model.json", "--trees", "25",
    "--calibrate", "sim/labelled_validation_data.csv", "--false-positive-rate", "0.001");
  work.run("report", "model.json", "sim/labelled_testing_data.csv", "--out", "report.html");
  const days = [0, 1, 2, 3].flatMap((day) => ["alpha", "beta"].map((hostName, host) => ({
    hostName, timestamp: 1700006400 + day * 86400, processId: day + host, processName: host ? "cron" : "new", userId: host ? 0 : 1001,
  })));
  work.events("days.csv", days);
  work.run("report", "model.json", "days.csv", "--out", "days.html");
  work.events("hostile.csv", HOSTILE.flatMap((name, index) => [0, 1].map((day) => ({
    processName: name, hostName: name, processId: index, timestamp: 1700006400 + day * 86400, sus: index % 2, evil: index % 2,
  }))));
  work.run("report", "model.json", "hostile.csv", "--out", "hostile.html");
});

after(async () => {
  await browser?.close();
  work?.close();
});

test("the slider changes every figure, and the button restores the model's threshold", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const names = ["threshold", "flagged", "alerts", "recall-1", "fpr-1", "host-flagged-0", "host-alerts-per-day-0"];
    const read = () => Promise.all(names.map((name) => liveText(page, name)));
    const written = await read();
    const slider = page.locator("#threshold-slider");
    await slider.fill("0");
    const all = await read();
    names.forEach((name, index) => assert.notEqual(all[index], written[index], name));
    assert.equal(await liveText(page, "flagged-share"), "100.0 %");
    assert.equal(await liveText(page, "recall-1"), "100.0 %");
    assert.equal(await liveText(page, "fpr-1"), "100.0 %");
    await slider.fill(await slider.getAttribute("max"));
    assert.equal(await liveText(page, "flagged"), "0");
    assert.equal(await liveText(page, "precision-1"), "undefined");
    await page.locator("#threshold-back").click();
    assert.deepEqual(await read(), written);
  });
});

test("figures at the model's threshold are the same with and without the script", async () => {
  const read = async (options) => {
    let figures;
    await visit(browser, work.url("report.html"), options, async (page) => {
      figures = await page.locator("[data-live]").allTextContents();
    });
    return figures;
  };
  assert.deepEqual(await read({}), await read({ javaScriptEnabled: false }));
});

test("the slider counts incidents at the positions that the page names", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const rows = await page.locator(".incident").count();
    assert.ok(rows > 0);
    assert.equal(parseCount(await liveText(page, "incidents")), rows);
    const slider = page.locator("#threshold-slider");
    const counted = await page.evaluate(() => {
      const { live } = JSON.parse(document.getElementById("page-data").textContent);
      return { steps: live.tops.length, incidents: live.incidents.map(({ position, count }) => [position, count.reduce((all, n) => all + n, 0)]) };
    });
    for (const [position, incidents] of counted.incidents) {
      await slider.fill(String(counted.steps - position));
      assert.equal(parseCount(await liveText(page, "incidents")), incidents);
      assert.equal(await page.locator('[data-live="incidents-near"]').isVisible(), false);
    }
    await slider.fill(await slider.getAttribute("max"));
    assert.equal(await liveText(page, "incidents"), "0");
  });
});

test("a link opens its incident, and the keyboard opens and closes processes", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const last = await page.locator(".incident").count();
    const details = page.locator(".incident").nth(last - 1);
    const link = page.locator(`a[href="#incident-${last}"]`);
    await details.evaluate((element) => { element.open = false; });
    await link.focus();
    await page.keyboard.press("Enter");
    await page.locator(`#incident-${last}`).waitFor();
    assert.equal(await details.evaluate((element) => element.open), true);
    await page.locator('a[href="#incident-1"]').click();
    const tree = page.locator(".incident").first().locator(".tree");
    const summary = tree.locator("summary").first();
    const leaf = tree.locator("li li").first();
    assert.ok(await leaf.isVisible());
    await summary.focus();
    await page.keyboard.press("Enter");
    assert.equal(await leaf.isVisible(), false);
    await page.keyboard.press("Space");
    assert.ok(await leaf.isVisible());
    assert.equal(await tree.locator("> li, ul > li").count(), await tree.locator("li").count(), "entries are in lists");
  });
});

test("the timeline of incidents has one line for each", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    await waitForChart(page, "incidents");
    const drawn = await page.evaluate(() => document.getElementById("chart-incidents").data.slice(1)
      .reduce((all, trace) => all + trace.x.filter((x) => x === null).length, 0));
    assert.equal(drawn, await page.locator(".incident").count());
  });
});

test("a printed page shows every process tree", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    await page.locator(".tree summary").first().click();
    const closed = () => page.locator(".incident:not([open]), .tree details:not([open])").count();
    const before = await closed();
    assert.ok(before > 0);
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.equal(await closed(), 0);
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    assert.equal(await closed(), before);
  });
});

test("the arrow keys move the slider by one distinct score", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const slider = page.locator("#threshold-slider");
    await slider.focus();
    let [threshold, flagged] = [Number(await liveText(page, "threshold")), parseCount(await liveText(page, "flagged"))];
    for (let press = 0; press < 5; press += 1) {
      await page.keyboard.press("ArrowLeft");
      const [lower, more] = [Number(await liveText(page, "threshold")), parseCount(await liveText(page, "flagged"))];
      assert.ok(lower <= threshold && more > flagged, `${lower} <= ${threshold}, ${more} > ${flagged}`);
      [threshold, flagged] = [lower, more];
    }
    assert.match(await slider.getAttribute("aria-valuetext"), /^threshold 0\.\d+: [\d,]+ events flagged$/);
  });
});

test("curves and histograms follow the slider and show values under the mouse", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const roc = await waitForChart(page, "roc");
    const marks = () => page.evaluate(() => document.getElementById("chart-roc").data.filter((trace) => trace.x.length === 1).map((trace) => [trace.x[0], trace.y[0]]));
    const before = await marks();
    await page.locator("#threshold-slider").fill("0");
    const after = await marks();
    assert.notDeepEqual(after, before);
    assert.ok(after.some(([x, y]) => x === 1 && y === 1), "everything is flagged");
    await waitForChart(page, "roc");
    await pointAt(page, roc, 0);
    await roc.locator(".hoverlayer .hovertext").first().waitFor();
    assert.match(await roc.locator(".hoverlayer").textContent(), /threshold 0\.\d+/);
    await waitForChart(page, "scores");
    const line = () => page.evaluate(() => document.getElementById("chart-scores").layout.shapes[0].x0);
    const at = await line();
    await page.locator("#threshold-back").click();
    assert.notEqual(await line(), at);
  });
});

test("several days and hosts have their own charts, which follow the slider", async () => {
  await visit(browser, work.url("days.html"), {}, async (page) => {
    await waitForChart(page, "days");
    await waitForChart(page, "host-days");
    await page.locator("#threshold-slider").fill("0");
    const counts = await page.evaluate(() => ({
      days: document.getElementById("chart-days").data[0].y,
      map: document.getElementById("chart-host-days").data[0].z,
    }));
    assert.deepEqual(counts, { days: [2, 2, 2, 2], map: [[1, 1, 1, 1], [1, 1, 1, 1]] });
    assert.equal(await liveText(page, "alerts"), "8");
    assert.equal(await liveText(page, "alerts-per-host-day"), "1");
  });
});

test("the theme follows the system, and the button changes it", async () => {
  for (const [colorScheme, other] of [["light", "dark"], ["dark", "light"]]) {
    await visit(browser, work.url("report.html"), { colorScheme }, async (page) => {
      await waitForChart(page, "roc");
      const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const ink = () => page.evaluate(() => document.getElementById("chart-roc").layout.font.color);
      const [paperBefore, inkBefore] = [await paper(), await ink()];
      const toggle = page.locator("#theme");
      await toggle.focus();
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("html").getAttribute("data-theme"), other);
      assert.notEqual(await paper(), paperBefore);
      assert.notEqual(await ink(), inkBefore);
    });
  }
});

test("a picture can be saved without the mouse", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    await waitForChart(page, "roc");
    const saved = page.waitForEvent("download");
    await page.locator('[data-save="roc"]').focus();
    await page.keyboard.press("Enter");
    assert.equal((await saved).suggestedFilename(), "honeyguide-roc.png");
  });
});

test("nothing is wider than the window, and every table can be reached by keyboard", async () => {
  for (const width of [390, 1600]) {
    await visit(browser, work.url("report.html"), { viewport: { width, height: 900 } }, async (page) => {
      await waitForChart(page, "roc");
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(beyond <= 0, `${beyond} px beyond ${width}`);
      const scrolling = await page.locator(".scroll:not([tabindex])").count();
      assert.equal(scrolling, 0);
    });
  }
});

test("buttons lie over nothing, and no row is tall with a part out of sight", async () => {
  for (const width of [390, 420, 1280]) {
    await visit(browser, work.url("report.html"), { viewport: { width, height: 900 } }, async (page) => {
      await waitForChart(page, "roc");
      await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
      assert.deepEqual(await overlaps(page), [], `${width} px`);
      assert.deepEqual(await tallRows(page), [], `${width} px`);
    });
  }
});

test("the confusion matrix follows the slider, in numbers and colours", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    const cell = (name) => page.locator(`[data-share="${name}-0"]`);
    const color = (name) => cell(name).evaluate((found) => getComputedStyle(found).backgroundColor);
    const before = await color("fp");
    await page.locator("#threshold-slider").fill("0");
    assert.match(await cell("fp").textContent(), /false-positive rate 100\.0 %/);
    assert.match(await cell("tn").textContent(), /^0 true negatives.*specificity 0\.0 %/);
    assert.notEqual(await color("fp"), before);
  });
});

test("every picture has a name, a description and a table or text", async () => {
  await visit(browser, work.url("report.html"), {}, async (page) => {
    for (const chart of await page.locator("[role=img]").all()) {
      assert.ok((await chart.getAttribute("aria-label")).length > 40);
    }
    const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((element) => element.id));
    assert.equal(new Set(ids).size, ids.length, "identifiers are unique");
    const dangling = await page.evaluate(() => [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.getAttribute("href"))).length);
    assert.equal(dangling, 0);
  });
});

test("a printed page has light colours and every picture", async () => {
  await visit(browser, work.url("report.html"), { colorScheme: "dark" }, async (page) => {
    await waitForChart(page, "roc");
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    const missing = await page.evaluate(() => [...document.querySelectorAll(".chart")].filter((chart) => !chart.querySelector("svg.main-svg")).length);
    assert.equal(missing, 0);
    assert.equal(await page.locator("html").getAttribute("data-theme"), "light");
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    assert.equal(await page.locator("html").getAttribute("data-theme"), null);
  });
});

test("hostile names are text in tables and charts", async () => {
  await visit(browser, work.url("hostile.html"), {}, async (page) => {
    const title = await page.title();
    const map = await waitForChart(page, "host-days");
    const labels = await map.locator(".yaxislayer-above text").allTextContents();
    assert.ok(labels.some((label) => label.includes("<b>bold</b>")), labels.join("\n"));
    assert.ok(labels.some((label) => label.includes("<script>")), labels.join("\n"));
    assert.equal(await page.locator("main img, main script, main b, main svg a").count(), 0);
    const text = await page.locator("main").textContent();
    assert.ok(text.includes("<a href=") && text.includes("\\u{202e}gnp.exe\\u{2028}"));
    assert.ok(!text.includes("\u202e"));
    const box = await map.locator(".nsewdrag").first().boundingBox();
    for (let row = 0; row < HOSTILE.length; row += 1) {
      await page.mouse.move(box.x + box.width * 0.25, box.y + (box.height * (row + 0.5)) / HOSTILE.length);
      await page.waitForTimeout(60);
    }
    assert.equal(await page.locator("main img, main svg a").count(), 0);
    assert.equal(await page.title(), title);
  });
});
