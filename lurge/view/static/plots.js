// Draws each figure of a page with plotly, in the colours of the page.
"use strict";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const NARROW = 600;

/** @param {string} name @returns {string} the value of a colour of the page */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Divide bytes on the vertical axis by the largest unit that they reach: plotly knows no binary units.
 * @param {object[]} data @param {object} axis
 */
function inUnits(data, axis) {
  const title = (axis && axis.title && axis.title.text) || "";
  if (!/^bytes\b/.test(title)) return;
  const largest = Math.max(1, ...data.flatMap((trace) => trace.y.map(Number)));
  const unit = Math.min(Math.floor(Math.log2(largest) / 10), UNITS.length - 1);
  const rounded = (bytes) => (bytes === null ? null : Number((bytes / 1024 ** unit).toPrecision(4)));
  for (const trace of data) trace.y = trace.y.map(rounded);
  axis.title.text = title.replace("bytes", UNITS[unit]);
}

/** On a phone the legend of colours would take more width than the boxes. @param {object[]} data */
function legendBelow(data) {
  const below = { orientation: "h", thickness: 12, tickangle: -90, y: 0, yanchor: "top", ypad: 4 };
  for (const { marker } of data) {
    if (marker && marker.colorbar) Object.assign(marker.colorbar, below);
  }
}

/** @param {object} axis @returns {object} on a logarithmic axis only 1, 2 and 5 have a number */
const ticks = (axis) => (axis && axis.type === "log" ? { dtick: "D2" } : {});

/** @param {HTMLElement} figure */
function draw(figure) {
  const canvas = /** @type {HTMLElement} */ (figure.querySelector(".canvas"));
  figure.classList.add("drawn");
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  inUnits(data, layout.yaxis);
  if (canvas.clientWidth < NARROW) legendBelow(data);
  const themed = {
    ...layout,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    colorway: ["--accent", "--warn", "--soft", "--ok", "--bad"].map(colour),
    font: { color: colour("--text"), family: "system-ui, sans-serif" },
    margin: { t: 16, r: 16, b: 40, l: 48, ...layout.margin },
    xaxis: { ...axis, ...ticks(layout.xaxis), ...layout.xaxis },
    yaxis: { ...axis, ...ticks(layout.yaxis), ...layout.yaxis },
    legend: { orientation: "h" },
    // A finger moves the page, not the plot.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
  // The buttons of plotly take the focus while they are invisible. A double click shows the whole plot again.
  Plotly.newPlot(canvas, data, themed, { responsive: true, displayModeBar: false });
  canvas.on("plotly_click", (event) => {
    const target = event.points[0] && event.points[0].customdata;
    if (typeof target === "string" && target.startsWith("/")) {
      location.assign(document.querySelector(".home").getAttribute("href").replace(/\/$/, "") + target);
    }
  });
}

document.querySelectorAll("figure.plot").forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll("figure.plot").forEach(draw);
});
