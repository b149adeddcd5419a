// One column, or one pair, at a time. All text goes in as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("pickers").textContent);
  const SVG = "http" + "://www.w3.org/2000/svg";

  const node = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const make = (tag, attributes = {}, ...children) => node(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => node(document.createElementNS(SVG, tag), attributes, children);
  const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1 %" : (100 * share).toFixed(1) + " %");
  const facts = (entries) =>
    make("dl", { class: "facts" }, ...entries.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  const key = () =>
    make("p", { class: "key" }, make("span", { class: "swatch area" }), "real ", make("span", { class: "swatch line" }), "synthetic");

  const bars = (entries) => {
    const largest = Math.max(0.001, ...entries.flatMap(([, real, synthetic]) => [real, synthetic]));
    const bar = (side, share) => {
      const stroke = make("span", { class: "bar " + side });
      stroke.style.width = (100 * share) / largest + "%";
      return make("span", { class: "measure" }, make("span", { class: "track" }, stroke), make("span", { class: "share" }, percent(share)));
    };
    return make("div", { class: "bars", "aria-hidden": "true" }, ...entries.map(([label, real, synthetic]) =>
      make("div", { class: "bar-row", title: `${label}: real ${percent(real)}, synthetic ${percent(synthetic)}` },
        make("span", { class: "label" }, label), make("span", { class: "both" }, bar("real", real), bar("synthetic", synthetic)))));
  };

  const curve = (chart, name) => {
    const [width, height, foot] = [900, 270, 26];
    const { edges, labels } = chart;
    const low = edges[0], range = edges[edges.length - 1] - low || 1;
    const x = (edge) => ((edge - low) / range) * width;
    const density = (shares) => shares.map((share, place) => (chart.log ? share : share / (edges[place + 1] - edges[place])));
    const real = density(chart.real), synthetic = density(chart.synthetic);
    const top = Math.max(1e-300, ...real, ...synthetic) * 1.06;
    const y = (value) => height * (1 - value / top);
    const path = synthetic.map((value, place) => `${place ? "L" : "M"}${x(edges[place])} ${y(value)}L${x(edges[place + 1])} ${y(value)}`).join("");
    const steps = labels.map((label, place) => [x(edges[place]), x(edges[place + 1]) - x(edges[place]), place, label]);
    return draw("svg", { viewBox: `-2 -2 ${width + 4} ${height + foot}`, role: "img", "aria-label": `Real and synthetic distribution of ${name}; the figures follow as a table` },
      ...steps.map(([left, wide, place]) => draw("rect", { x: left, width: wide, y: y(real[place]), height: height - y(real[place]), class: "area" })),
      draw("path", { d: path, class: "line" }),
      draw("line", { x1: 0, x2: width, y1: height, y2: height, class: "axis" }),
      ...chart.ticks.map(([at, label]) => draw("text", { x: x(at), y: height + 19, "text-anchor": x(at) < 30 ? "start" : x(at) > width - 30 ? "end" : "middle" }, label)),
      ...steps.map(([left, wide, place, label]) => draw("rect", { x: left, width: wide, y: 0, height, class: "hover" },
        draw("title", {}, `${label}: real ${percent(chart.real[place])}, synthetic ${percent(chart.synthetic[place])}`))));
  };

  const asTable = (column) => {
    const chart = column.curve;
    const ranges = chart ? chart.labels.map((label, place) => [label, chart.real[place], chart.synthetic[place]]) : [];
    const head = make("thead", {}, make("tr", {}, ...["value or range", "real", "synthetic"].map((text, place) => make("th", place ? { scope: "col", class: "n" } : { scope: "col" }, text))));
    const body = [...column.bars, ...ranges].map(([label, real, synthetic]) =>
      make("tr", {}, make("th", { scope: "row" }, label), make("td", { class: "n" }, percent(real)), make("td", { class: "n" }, percent(synthetic))));
    return make("details", {}, make("summary", {}, "The same as figures"),
      make("div", { class: "scroll" }, make("table", { class: "plain" }, make("caption", { class: "hidden" }, `Shares of ${column.name}`), head, make("tbody", {}, ...body))));
  };

  const showColumn = (place) => {
    const column = data.columns[place];
    const picture = make("div", { class: "picture" }, key());
    if (column.bars.length) picture.append(bars(column.bars));
    if (column.curve) picture.append(curve(column.curve, column.name));
    document.getElementById("column-view").replaceChildren(
      make("h3", { class: "picked" }, column.name), make("div", { class: "beside" }, picture, facts(column.facts)), asTable(column));
  };

  const grid = (title, note, pair, write, shade) => {
    const [down, across] = pair.columns.map((name) => data.axes[name]);
    const head = make("tr", {}, make("th", { scope: "col", class: "corner" }, make("span", { class: "hidden" }, pair.columns[0])),
      ...across.map((label) => make("th", { scope: "col", title: label }, make("span", {}, label))));
    const rows = down.map((label, row) => make("tr", {}, make("th", { scope: "row", title: label }, label), ...across.map((other, place) => {
      const at = row * across.length + place;
      const cell = make("td", { title: `${pair.columns[0]} ${label}, ${pair.columns[1]} ${other}: real ${percent(pair.real[at] / 10000)}, synthetic ${percent(pair.synthetic[at] / 10000)}` }, write(at));
      const [side, strength] = shade(at);
      cell.className = side;
      cell.style.setProperty("--strength", strength + "%");
      return cell;
    })));
    return make("div", { class: "heat" }, make("h4", {}, title), make("p", { class: "note" }, note),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, make("table", {}, make("caption", { class: "hidden" }, `${title}, shares in per cent`), make("thead", {}, head), make("tbody", {}, ...rows))));
  };

  const showPair = (place) => {
    const pair = data.pairs[place];
    const largest = Math.max(1, ...pair.real, ...pair.synthetic);
    const written = (hundredths) => (hundredths === 0 ? "" : hundredths < 5 ? "·" : (hundredths / 100).toFixed(1));
    const shade = (side) => (at) => [side, Math.round(52 * Math.sqrt(pair[side][at] / largest))];
    const gaps = pair.real.map((share, at) => pair.synthetic[at] - share);
    const widest = Math.max(100, ...gaps.map(Math.abs));
    const signed = (at) => (Math.abs(gaps[at]) < 5 ? "" : (gaps[at] > 0 ? "+" : "−") + Math.abs(gaps[at] / 100).toFixed(1));
    document.getElementById("pair-view").replaceChildren(
      make("h3", { class: "picked" }, pair.columns.join(" × ")), facts(pair.facts),
      make("p", { class: "note" }, `Down: ${pair.columns[0]}. Across: ${pair.columns[1]}. Figures are per cent of all rows; a dot is less than 0.05.`),
      make("div", { class: "grids" },
        grid("real", "the darker, the more rows", pair, (at) => written(pair.real[at]), shade("real")),
        grid("synthetic", "should look the same", pair, (at) => written(pair.synthetic[at]), shade("synthetic")),
        grid("synthetic − real", "should be blank", pair, signed, (at) => [gaps[at] > 0 ? "synthetic" : "real", Math.round(52 * Math.abs(gaps[at]) / widest)])));
  };

  const show = { "pick-column": showColumn, "pick-pair": showPair };
  for (const [id, view] of Object.entries(show)) {
    const select = document.getElementById(id);
    if (!select) continue;
    select.addEventListener("change", () => view(Number(select.value)));
    view(0);
  }
  const pick = (id, place) => {
    const select = document.getElementById(id);
    select.value = String(place);
    show[id](place);
    return select;
  };
  for (const button of document.querySelectorAll("button[data-step]")) {
    button.addEventListener("click", () => {
      const select = document.getElementById(button.dataset.for);
      const next = Number(select.value) + Number(button.dataset.step);
      pick(select.id, (next + select.options.length) % select.options.length);
    });
  }
  for (const head of document.querySelectorAll("th[data-pick]")) {
    const button = make("button", { type: "button", class: "link", title: "Show above" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const select = pick(head.dataset.pick, Number(head.dataset.place));
      select.scrollIntoView({ block: "center" });
      select.focus();
    });
  }
})();
