// Rules of accessibility. Returns the elements that break one, in words.
() => {
  const broken = [];
  const words = (element) => element.outerHTML.replace(/\s+/g, " ").slice(0, 140);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const need = (holds, rule, element) => holds || broken.push(element ? `${rule}: ${words(element)}` : rule);
  const isVisible = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true })) return false;
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.right > 0;
  };

  const nameOf = (element) => {
    const ids = (element.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
    const told = ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join(" ");
    return (told || element.getAttribute("aria-label") || element.getAttribute("alt") || labels || element.textContent).trim();
  };

  need(document.documentElement.lang, "the page has a language");
  need(document.title.trim(), "the page has a title");
  need(all("h1").length === 1, "the page has one h1");
  need(all("main").length === 1, "the page has one main");
  need(document.querySelector("main h1"), "the h1 is in main");

  let before = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.tagName[1]);
    need(level <= before + 1, "headings skip no level", heading);
    need(heading.textContent.trim(), "a heading has words", heading);
    before = level;
  }

  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) broken.push(`an id is there once: ${id}`);
  for (const element of all("[aria-labelledby], [aria-describedby], label[for]")) {
    for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
      for (const id of (element.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
        need(document.getElementById(id), `${attribute} names an element`, element);
      }
    }
  }

  for (const element of all("input:not([type=hidden]), select, textarea")) need(nameOf(element), "a field has a label", element);
  for (const element of all("a[href], button, summary")) need(nameOf(element), "a link or button has a name", element);
  for (const element of all("img, [role=img], [role=region], [role=search] input, nav")) {
    need(nameOf(element), "an image, region or navigation has a name", element);
  }
  const navigations = all("nav").map(nameOf);
  need(new Set(navigations).size === navigations.length, "each navigation has a name of its own");
  need(all("nav a[aria-current=page]").length <= 1, "at most one page is the current one");

  for (const element of all("table")) {
    need(element.querySelectorAll("thead th").length, "a table has headings", element);
    need(element.closest("[aria-labelledby]"), "a table has a name", element);
  }
  for (const element of all("th")) {
    need(["col", "row"].includes(element.scope), "a heading of a table has a scope", element);
    need(element.textContent.trim(), "a heading of a table has words", element);
  }
  for (const element of all("[aria-sort]")) {
    need(["ascending", "descending"].includes(element.getAttribute("aria-sort")), "aria-sort is known", element);
  }
  for (const element of all("[tabindex]")) need(element.tabIndex <= 0, "no element is before its turn", element);

  for (const element of all("button, summary, input:not([type=hidden]), select").filter(isVisible)) {
    const box = element.getBoundingClientRect();
    need(box.height >= 24 && box.width >= 24, `a control is at least 24 pixels high and wide, not ${box.width} x ${box.height}`, element);
  }
  // Who cannot scroll with a mouse needs an element that takes the focus.
  for (const element of all("main *")) {
    const { overflowX, overflowY } = getComputedStyle(element);
    const scrolls =
      (overflowX === "auto" && element.scrollWidth > element.clientWidth) ||
      (overflowY === "auto" && element.scrollHeight > element.clientHeight);
    need(!scrolls || element.tabIndex === 0 || element.querySelector("a[href]"), "an element that scrolls takes the focus", element);
  }
  const regions = all("[role=region], section[aria-labelledby]").map(nameOf);
  need(new Set(regions).size === regions.length, "each region has a name of its own");

  const numbers = (colour) => {
    const parts = colour.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const over = (top, below, alpha) => top.map((value, place) => value * alpha + below[place] * (1 - alpha));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = numbers(getComputedStyle(at).backgroundColor);
      layers.push([rgb, alpha]);
      if (alpha === 1) break;
    }
    return layers.reverse().reduce((below, [rgb, alpha]) => over(rgb, below, alpha), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [red, green, blue] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const check = (element, colour) => {
    const below = behind(element);
    const { rgb, alpha } = numbers(colour);
    const found = contrast(over(rgb, below, alpha), below);
    need(found >= 4.5, `the contrast of text is at least 4.5, not ${found.toFixed(2)}`, element);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || seen.has(element) || element.closest("script, .treemap .canvas")) continue;
    seen.add(element);
    if (!isVisible(element)) continue;
    const style = getComputedStyle(element);
    check(element, element.closest("svg") ? style.fill : style.color);
  }
  for (const element of all("input").filter((input) => isVisible(input) && input.placeholder)) {
    check(element, getComputedStyle(element, "::placeholder").color);
  }
  return [...new Set(broken)];
};
