// Draws each figure of a page with plotly, in the colours of the page.
"use strict";

/** @param {string} name @returns {string} the value of a colour of the page */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {HTMLElement} figure */
function draw(figure) {
  const canvas = /** @type {HTMLElement} */ (figure.querySelector(".canvas"));
  figure.classList.add("drawn");
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  const themed = {
    ...layout,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { color: colour("--text"), family: "system-ui, sans-serif" },
    margin: { t: 16, r: 16, b: 48, l: 64, ...layout.margin },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
    legend: { orientation: "h" },
  };
  Plotly.newPlot(canvas, data, themed, { responsive: true, displaylogo: false });
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
