"use strict";
// Viewer of a report: two layers of a scene with a movable border, and a profile along a line.
// Colours are samples of the maps topo (sea, land) and balance (difference, sigma) of cmocean, MIT licence,
// https://github.com/matplotlib/cmocean; topo has its sea from the map deep, and breaks at 0 m.
const COLOURS = {
  sea: ["281a2c", "3b325c", "404d8c", "3f6f97", "488f9e", "55ada3", "76cda3", "b9e5ac", "fbfdcb"],
  land: ["0d2514", "1b411d", "3c5a26", "666d3a", "918140", "bc943e", "d1b473", "e3d8ab", "f9fde4"],
  difference: ["181c43", "2548b0", "3888ba", "98bac5", "f1eceb", "d8a493", "c05a3c", "901029", "3c0912"],
  sigma: ["f1eceb", "e0bcb0", "d8a493", "cc7f63", "c05a3c", "ab3430", "901029", "5d0c20", "3c0912"],
};
const VOID = [128, 128, 128];
const RELIEF = ["nearest", "bicubic", "sr", "truth"];
const CUBIC = -0.75; // slope of the cubic kernel at 1, as in the baseline of all gains

const page = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("map");
const state = { scene: null, swipe: 0.5, centre: [0, 0], zoom: 1, drawing: false, ends: null };

// ---- rasters -----------------------------------------------------------------------------------------------------

async function decoded(band) {
  const bytes = Uint8Array.from(atob(band.packed), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const stored = new Uint8Array(await new Response(stream).arrayBuffer());
  const { rows, cols } = band, count = rows * cols, values = new Float32Array(count);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0, number = 0; col < cols; col++, at++) {
      const unsigned = (stored[at] << 8) | stored[count + at];
      number = (number + ((unsigned >>> 1) ^ -(unsigned & 1))) & 65535;
      values[at] = number ? band.low + (number - 1) * band.step : NaN;
    }
  }
  return { rows, cols, values };
}

async function openScene(stored) {
  const scene = { ...stored, layers: {}, pictures: {} };
  for (const [name, band] of Object.entries(stored.bands)) scene[name] = await decoded(band);
  scene.rows = scene.sr.rows;
  scene.cols = scene.sr.cols;
  scene.aspect = stored.metres[0] / stored.metres[1];
  scene.exaggeration = Math.min(Math.max(0.35 / Math.max(meanSlope(scene), 1e-12), 1), 60);
  return scene;
}

function meanSlope(scene) {
  const { rows, cols, values } = scene.sr;
  let total = 0, count = 0;
  for (let row = 0; row < rows; row++) for (let col = 1; col < cols; col++) {
    const step = values[row * cols + col] - values[row * cols + col - 1];
    if (step === step) { total += Math.abs(step); count++; }
  }
  return count ? total / count / scene.metres[0] : 0;
}

// Position of a pixel on the cells of the input, whose centres have whole numbers.
const onInput = (scene, pixel, axis) => (pixel + scene.offset[axis] + 0.5) / scene.scale - 0.5;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function nearest(scene) {
  const { rows, cols, values } = scene.lr;
  return filled(scene, (row, col) => {
    const down = clamp(Math.round(onInput(scene, row, 0)), 0, rows - 1);
    return values[down * cols + clamp(Math.round(onInput(scene, col, 1)), 0, cols - 1)];
  });
}

function bicubic(scene) {
  if (scene.scale === 1) return nearest(scene);
  const { rows, cols, values } = scene.lr;
  const down = Array.from({ length: scene.rows }, (_, row) => taps(onInput(scene, row, 0), rows));
  const along = Array.from({ length: scene.cols }, (_, col) => taps(onInput(scene, col, 1), cols));
  return filled(scene, (row, col) => {
    let total = 0, weights = 0;
    for (const [line, share] of down[row]) for (const [place, weight] of along[col]) {
      const value = values[line * cols + place];
      if (value === value) { total += share * weight * value; weights += share * weight; }
    }
    return weights > 0.5 && scene.sr.values[row * scene.cols + col] === scene.sr.values[row * scene.cols + col]
      ? total / weights : NaN;
  });
}

function taps(position, length) {
  const first = Math.floor(position) - 1;
  return [0, 1, 2, 3].map((step) => {
    const far = Math.abs(position - first - step), a = CUBIC;
    const weight = far <= 1 ? (a + 2) * far ** 3 - (a + 3) * far ** 2 + 1
      : far < 2 ? a * (far ** 3 - 5 * far ** 2 + 8 * far - 4) : 0;
    return [clamp(first + step, 0, length - 1), weight];
  });
}

function filled(scene, value) {
  const values = new Float32Array(scene.rows * scene.cols);
  for (let row = 0, at = 0; row < scene.rows; row++) for (let col = 0; col < scene.cols; col++) values[at++] = value(row, col);
  return values;
}

function blocks(scene) {
  const { scale, lr } = scene, { rows, cols } = lr, means = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) for (let col = 0; col < cols; col++) {
    let total = 0;
    for (let y = 0; y < scale; y++) for (let x = 0; x < scale; x++)
      total += scene.sr.values[(row * scale + y) * scene.cols + col * scale + x];
    means[row * cols + col] = total / scale ** 2 - lr.values[row * cols + col];
  }
  return filled(scene, (row, col) => means[Math.floor(row / scale) * cols + Math.floor(col / scale)]);
}

// Values of a layer in the order of the pixels; null where the scene does not have it.
function layer(scene, name) {
  const difference = (one, other) => one && other && one.map((value, at) => value - other[at]);
  if (!(name in scene.layers)) {
    scene.layers[name] = {
      nearest: () => nearest(scene),
      bicubic: () => bicubic(scene),
      sr: () => scene.sr.values,
      sigma: () => scene.sigma?.values ?? null,
      truth: () => scene.truth?.values ?? null,
      error: () => scene.truth ? difference(scene.sr.values, scene.truth.values) : null,
      "bicubic-error": () => scene.truth ? difference(layer(scene, "bicubic"), scene.truth.values) : null,
      change: () => difference(scene.sr.values, layer(scene, "bicubic")),
      blocks: () => blocks(scene),
    }[name]();
  }
  return scene.layers[name];
}

// ---- colours -----------------------------------------------------------------------------------------------------

const rgb = (text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
const RAMPS = Object.fromEntries(Object.entries(COLOURS).map(([name, texts]) => [name, texts.map(rgb)]));

function between(ramp, share) {
  const place = clamp(share, 0, 1) * (ramp.length - 1), first = Math.min(Math.floor(place), ramp.length - 2);
  return ramp[first].map((value, channel) => value + (place - first) * (ramp[first + 1][channel] - value));
}

// Mixed with white, so that shade shows on the dark green of low land.
function reliefColour(value) {
  const [low, high] = page.range;
  const colour = value < 0 ? between(RAMPS.sea, (value - low) / Math.max(Math.min(high, 0) - low, 1))
    : between(RAMPS.land, (value - Math.max(low, 0)) / Math.max(high - Math.max(low, 0), 1));
  return colour.map((part) => 0.78 * part + 0.22 * 255);
}

function percentile(values, share) {
  const known = [];
  for (let at = 0; at < values.length; at += Math.max(1, Math.floor(values.length / 50000)))
    if (values[at] === values[at]) known.push(Math.abs(values[at]));
  return known.length ? known.sort((a, b) => a - b)[Math.floor(share * (known.length - 1))] : 0;
}

// Limit of the colours of a layer that is no relief; errors share one, so that they can be compared.
function limit(scene, name) {
  const errors = layer(scene, "bicubic-error");
  const values = ["error", "bicubic-error", "change"].includes(name) && errors ? errors : layer(scene, name);
  return Math.max(percentile(values, 0.98), 0.01);
}

function picture(scene, name) {
  if (scene.pictures[name]) return scene.pictures[name];
  const values = layer(scene, name), { rows, cols } = scene, image = new ImageData(cols, rows);
  const top = RELIEF.includes(name) ? 0 : limit(scene, name);
  for (let row = 0, at = 0; row < rows; row++) for (let col = 0; col < cols; col++, at++) {
    const value = values[at];
    let colour = VOID;
    if (value === value) {
      if (RELIEF.includes(name)) {
        const light = shade(scene, values, row, col);
        colour = reliefColour(value).map((part) => Math.min(255, part * light));
      } else if (name === "sigma") colour = between(RAMPS.sigma, value / top);
      else colour = between(RAMPS.difference, (value / top + 1) / 2);
    }
    image.data.set([colour[0], colour[1], colour[2], 255], 4 * at);
  }
  const drawn = new OffscreenCanvas(cols, rows);
  drawn.getContext("2d").putImageData(image, 0, 0);
  return (scene.pictures[name] = drawn);
}

// Brightness under light from the north-west, 1 on flat ground.
function shade(scene, values, row, col) {
  const { rows, cols, metres, exaggeration } = scene, at = row * cols + col;
  const west = at - (col > 0), east = at + (col < cols - 1);
  const north = at - cols * (row > 0), south = at + cols * (row < rows - 1);
  let right = (values[east] - values[west]) / ((east - west) * metres[0]) * exaggeration;
  let down = (values[south] - values[north]) / ((south - north) / cols * metres[1]) * exaggeration;
  if (right !== right) right = 0;
  if (down !== down) down = 0;
  const light = (0.5 * right + 0.5 * down + Math.SQRT1_2) / Math.hypot(right, down, 1);
  return 0.35 + 0.65 * Math.max(0, light) / Math.SQRT1_2;
}

// ---- map ---------------------------------------------------------------------------------------------------------

const width = () => canvas.clientWidth, height = () => canvas.clientHeight;
const toScreen = ([x, y]) => [width() / 2 + (x - state.centre[0]) * state.zoom * state.scene.aspect,
  height() / 2 + (y - state.centre[1]) * state.zoom];
const toImage = ([x, y]) => [state.centre[0] + (x - width() / 2) / state.zoom / state.scene.aspect,
  state.centre[1] + (y - height() / 2) / state.zoom];

function fit() {
  const { rows, cols, aspect } = state.scene;
  const most = Math.min(0.7 * window.innerHeight, 640);
  canvas.style.height = `${clamp(width() * rows / (cols * aspect), Math.min(240, most), most)}px`;
  state.centre = [cols / 2, rows / 2];
  state.zoom = Math.min(width() / (cols * aspect), height() / rows);
  draw();
}

function zoomBy(factor, around = [width() / 2, height() / 2]) {
  const before = toImage(around);
  state.zoom = clamp(state.zoom * factor, 0.05, 60);
  const after = toImage(around);
  state.centre = state.centre.map((value, axis) => value + before[axis] - after[axis]);
  draw();
}

let waiting = false;
function draw() {
  if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; drawNow(); }); }
}

function drawNow() {
  const density = window.devicePixelRatio || 1, context = canvas.getContext("2d");
  canvas.width = Math.round(width() * density);
  canvas.height = Math.round(height() * density);
  context.scale(density, density);
  const border = state.swipe * width();
  drawLayer(context, element("left").value, 0, border);
  drawLayer(context, element("right").value, border, width());
  stroke(context, [[border, 0], [border, height()]]);
  context.fillStyle = "#fff";
  context.strokeStyle = "#000";
  context.lineWidth = 1;
  context.beginPath();
  context.arc(border, height() / 2, 11, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
  context.fillStyle = "#000";
  context.font = "12px sans-serif";
  context.textAlign = "center";
  context.fillText("◂▸", border, height() / 2 + 4);
  const ends = state.ends.map(toScreen);
  stroke(context, ends);
  ends.forEach(([x, y], index) => {
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    context.fillStyle = index ? "#000" : "#fff";
    context.fill();
    stroke(context, null);
  });
}

function stroke(context, points) {
  if (points) {
    context.beginPath();
    context.moveTo(...points[0]);
    points.slice(1).forEach((point) => context.lineTo(...point));
  }
  for (const [wide, colour] of [[4, "#000a"], [1.6, "#fff"]]) {
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
  }
}

function drawLayer(context, name, from, to) {
  if (to <= from || !layer(state.scene, name)) return;
  const [left, top] = toScreen([0, 0]), [right, bottom] = toScreen([state.scene.cols, state.scene.rows]);
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, height());
  context.clip();
  context.imageSmoothingEnabled = state.zoom < 1;
  context.drawImage(picture(state.scene, name), left, top, right - left, bottom - top);
  context.restore();
}

// ---- legend, readout ---------------------------------------------------------------------------------------------

const number = (value) => !Number.isFinite(value) ? "void"
  : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 }).replace("-", "−");

function legend() {
  const shown = [...new Set([element("left").value, element("right").value])];
  const scales = [];
  if (shown.some((name) => RELIEF.includes(name))) {
    const [low, high] = page.range;
    scales.push([`Elevation (m), vertical datum ${page.datum}`, low, high, (share) => reliefColour(low + share * (high - low))]);
  }
  for (const name of shown.filter((one) => !RELIEF.includes(one) && layer(state.scene, one))) {
    const top = limit(state.scene, name), title = chosenText(name) + " (m)";
    scales.push(name === "sigma" ? [title, 0, top, (share) => between(RAMPS.sigma, share)]
      : [title, -top, top, (share) => between(RAMPS.difference, share)]);
  }
  element("legend").replaceChildren(...scales.map(([title, low, high, colour]) => {
    const box = made("div", { className: "scale" }, title), ramp = made("div", { className: "ramp" });
    const stops = Array.from({ length: 33 }, (_, at) => `rgb(${colour(at / 32).map(Math.round).join()}) ${at / 0.32}%`);
    ramp.style.background = `linear-gradient(to right, ${stops.join()})`;
    const ends = made("div", { className: "ends" });
    ends.append(...[low, (low + high) / 2, high].map((value) => made("span", {}, number(value))));
    box.append(ramp, ends);
    return box;
  }));
}

const chosenText = (name) => [...element("left").options].find((option) => option.value === name).text;

function made(tag, properties, text) {
  const one = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) one.textContent = text;
  return one;
}

function placeText([x, y]) {
  const { corner, size, degrees } = state.scene, east = corner[0] + x * size[0], north = corner[1] - y * size[1];
  const turned = ((east + 540) % 360) - 180;
  return degrees ? `${Math.abs(north).toFixed(4)}° ${north < 0 ? "S" : "N"}, ${Math.abs(turned).toFixed(4)}° ${turned < 0 ? "W" : "E"}`
    : `${east.toFixed(0)}, ${north.toFixed(0)}`;
}

function readout(point) {
  const [x, y] = toImage(point), { rows, cols } = state.scene;
  if (x < 0 || y < 0 || x >= cols || y >= rows) return;
  const at = Math.floor(y) * cols + Math.floor(x);
  const names = ["nearest", "bicubic", "sr", "sigma", "truth"].filter((name) => layer(state.scene, name));
  const texts = { nearest: "input", bicubic: "bicubic", sr: "super-resolved", sigma: "standard error", truth: "truth" };
  element("readout").textContent = placeText([x, y]) + ": "
    + names.map((name) => `${texts[name]} ${number(layer(state.scene, name)[at])} m`).join(", ");
}

// ---- profile -----------------------------------------------------------------------------------------------------

function sample(values, [x, y], smooth) {
  const { rows, cols } = state.scene, col = clamp(x - 0.5, 0, cols - 1), row = clamp(y - 0.5, 0, rows - 1);
  if (!smooth) return values[Math.round(row) * cols + Math.round(col)];
  const left = Math.min(Math.floor(col), Math.max(cols - 2, 0)), top = Math.min(Math.floor(row), Math.max(rows - 2, 0));
  const right = Math.min(left + 1, cols - 1), bottom = Math.min(top + 1, rows - 1), fx = col - left, fy = row - top;
  return (values[top * cols + left] * (1 - fx) + values[top * cols + right] * fx) * (1 - fy)
    + (values[bottom * cols + left] * (1 - fx) + values[bottom * cols + right] * fx) * fy;
}

function profile() {
  const [start, end] = state.ends, { metres } = state.scene;
  const length = Math.hypot((end[0] - start[0]) * metres[0], (end[1] - start[1]) * metres[1]) / 1000;
  const count = clamp(Math.ceil(2 * Math.hypot(end[0] - start[0], end[1] - start[1])), 2, 800);
  const shares = Array.from({ length: count + 1 }, (_, at) => at / count);
  const along = (name) => shares.map((share) => sample(layer(state.scene, name),
    start.map((value, axis) => value + share * (end[axis] - value)), name !== "nearest"));
  const names = ["nearest", "bicubic", "sr", "truth"].filter((name) => layer(state.scene, name));
  const lines = Object.fromEntries(names.map((name) => [name, along(name)]));
  const sigma = layer(state.scene, "sigma") ? along("sigma") : null;
  drawProfile(lines, sigma, shares, length);
  const known = (values) => values.filter(Number.isFinite);
  const range = (values) => known(values).length ? `${number(Math.min(...known(values)))} to ${number(Math.max(...known(values)))} m` : "void";
  const rms = (one, other) => {
    const squares = known(one.map((value, at) => (value - other[at]) ** 2));
    return Math.sqrt(squares.reduce((total, value) => total + value, 0) / squares.length);
  };
  const parts = [`${length.toFixed(1)} km from ${placeText(start)} to ${placeText(end)}`, `input ${range(lines.nearest)}`,
    `super-resolved ${range(lines.sr)}, ${number(rms(lines.sr, lines.bicubic))} m RMS from bicubic`];
  if (lines.truth) parts.push(`errors ${number(rms(lines.sr, lines.truth))} m RMS, of bicubic ${number(rms(lines.bicubic, lines.truth))} m`);
  if (sigma) parts.push(`standard error ${range(sigma)}`);
  element("profile-text").textContent = parts.join("; ") + ".";
}

const LINES = { nearest: ["input", "s-input"], bicubic: ["bicubic", "s-bicubic"], truth: ["truth", "s-truth"], sr: ["super-resolved", "s-result"] };

function drawProfile(lines, sigma, shares, length) {
  const chart = element("profile"), wide = Math.max(chart.clientWidth, 200), high = Math.max(chart.clientHeight, 120);
  const left = 56, right = 10, top = 8, bottom = 40;
  const values = Object.values(lines).flat().filter(Number.isFinite);
  let low = Math.min(...values), most = Math.max(...values);
  if (!values.length) [low, most] = [0, 1];
  const margin = 0.06 * (most - low) || 1;
  [low, most] = [low - margin, most + margin];
  const x = (share) => left + share * (wide - left - right), y = (value) => top + (most - value) / (most - low) * (high - top - bottom);
  chart.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  const parts = [];
  const add = (tag, attributes, text) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    if (text !== undefined) one.textContent = text;
    parts.push(one);
  };
  for (const value of ticks(low, most, 5)) {
    add("path", { class: "grid", d: `M${left} ${y(value)}H${wide - right}` });
    add("text", { x: left - 6, y: y(value) + 5, "text-anchor": "end" }, number(value));
  }
  for (const value of ticks(0, length, wide < 500 ? 4 : 8)) {
    add("path", { class: "grid", d: `M${x(length ? value / length : 0)} ${top}V${high - bottom}` });
    add("text", { x: x(length ? value / length : 0), y: high - bottom + 17, "text-anchor": "middle" }, +value.toPrecision(6));
  }
  add("text", { x: (left + wide - right) / 2, y: high - 4, "text-anchor": "middle" }, "distance (km)");
  const path = (series) => series.map((value, at) => Number.isFinite(value)
    ? `${at && Number.isFinite(series[at - 1]) ? "L" : "M"}${x(shares[at]).toFixed(1)} ${y(value).toFixed(1)}` : "").join("");
  if (sigma) {
    const inside = shares.map((_, at) => at).filter((at) => Number.isFinite(lines.sr[at] + sigma[at]));
    const edge = (sign) => inside.map((at) => `${x(shares[at]).toFixed(1)} ${y(clamp(lines.sr[at] + sign * sigma[at], low, most)).toFixed(1)}`);
    if (inside.length) add("path", { class: "band", d: `M${edge(1).join("L")}L${edge(-1).reverse().join("L")}Z` });
  }
  const drawn = Object.keys(LINES).filter((name) => lines[name]);
  for (const name of drawn) add("path", { class: `line ${LINES[name][1]}`, "data-line": name, d: path(lines[name]) });
  chart.replaceChildren(...parts);
  const keys = [...drawn.map((name) => LINES[name]), ...(sigma ? [["± 1 standard error", "s-band"]] : [])];
  element("profile-legend").replaceChildren(...keys.map(([text, style]) => {
    const item = made("li", {});
    item.append(made("span", { className: `key ${style}` }), text);
    return item;
  }));
}

function ticks(low, high, count) {
  const rough = Math.max(high - low, 1e-9) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(at * step || 0);
  return found;
}

function setEnd(index, point) {
  const { rows, cols } = state.scene;
  state.ends[index] = [clamp(point[0], 0, cols), clamp(point[1], 0, rows)];
  draw();
  profile();
}

// ---- input -------------------------------------------------------------------------------------------------------

const pointers = new Map();
let action = null;

const place = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

function setSwipe(share) {
  state.swipe = clamp(share, 0, 1);
  element("swipe").value = Math.round(100 * state.swipe);
  draw();
}

function setDrawing(on) {
  state.drawing = on;
  element("draw").setAttribute("aria-pressed", on);
  canvas.classList.toggle("drawing", on);
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, place(event));
  const [x] = place(event);
  if (pointers.size > 1) action = "pinch";
  else if (state.drawing) {
    action = "line";
    state.ends = [toImage(place(event)), toImage(place(event))];
    setEnd(0, state.ends[0]);
  } else action = Math.abs(x - state.swipe * width()) < 24 ? "border" : "move";
});

canvas.addEventListener("pointermove", (event) => {
  const now = place(event), before = pointers.get(event.pointerId);
  if (!before) { readout(now); return; }
  const others = [...pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
  pointers.set(event.pointerId, now);
  if (action === "border") setSwipe(now[0] / width());
  else if (action === "line") setEnd(1, toImage(now));
  else if (action === "pinch" && others.length) {
    const far = (point) => Math.hypot(point[0] - others[0][0], point[1] - others[0][1]);
    zoomBy(far(now) / Math.max(far(before), 1), [(now[0] + others[0][0]) / 2, (now[1] + others[0][1]) / 2]);
  } else if (action === "move") {
    state.centre[0] -= (now[0] - before[0]) / state.zoom / state.scene.aspect;
    state.centre[1] -= (now[1] - before[1]) / state.zoom;
    draw();
  }
  readout(now);
});

for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
  pointers.delete(event.pointerId);
  action = null;
});

canvas.addEventListener("wheel", (event) => {
  if (document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY / 400), place(event));
}, { passive: false });

canvas.addEventListener("keydown", (event) => {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const done = {
    "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit,
    "[": () => setSwipe(state.swipe - 0.02), "]": () => setSwipe(state.swipe + 0.02), p: () => setDrawing(!state.drawing),
  }[event.key];
  if (arrows[event.key]) {
    const step = 16 / state.zoom, end = event.shiftKey ? 0 : 1;
    if (state.drawing) setEnd(end, state.ends[end].map((value, axis) => value + step * arrows[event.key][axis]));
    else { state.centre = state.centre.map((value, axis) => value + 3 * step * arrows[event.key][axis]); draw(); }
  } else if (done && !event.ctrlKey && !event.metaKey) done();
  else return;
  event.preventDefault();
});

element("swipe").addEventListener("input", () => setSwipe(element("swipe").value / 100));
element("in").addEventListener("click", () => zoomBy(1.5));
element("out").addEventListener("click", () => zoomBy(1 / 1.5));
element("fit").addEventListener("click", fit);
element("draw").addEventListener("click", () => setDrawing(!state.drawing));
for (const side of ["left", "right"]) element(side).addEventListener("change", () => { legend(); draw(); });
new ResizeObserver(() => { if (state.scene) { draw(); profile(); } }).observe(canvas);

async function show(index) {
  state.scene = await openScene(page.scenes[index]);
  const { rows, cols } = state.scene;
  state.ends = [[0.1 * cols, rows / 2], [0.9 * cols, rows / 2]];
  for (const option of document.querySelectorAll("#left option, #right option"))
    option.disabled = layer(state.scene, option.value) === null;
  for (const side of ["left", "right"]) if (element(side).selectedOptions[0].disabled) element(side).value = "sr";
  fit();
  legend();
  profile();
  document.documentElement.dataset.ready = index;
}

element("scene").replaceChildren(...page.scenes.map((scene, index) => new Option(scene.title, index)));
element("scene").addEventListener("change", () => show(Number(element("scene").value)));
show(0);
