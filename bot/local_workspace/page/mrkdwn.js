// Slack's mrkdwn, and the Markdown of markdown blocks, as DOM nodes.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";

const SAFE_LINK = /^(https?:\/\/|mailto:)/i;
const INLINE = new RegExp(
  [
    "`([^`\\n]+)`",
    "<([^<>\\n]+)>",
    ":([a-z0-9_+'-]+):",
    "(?<![\\w*])\\*(?=\\S)([^*\\n]*[^*\\s])\\*(?![\\w*])",
    "(?<![\\w_])_(?=\\S)([^_\\n]*[^_\\s])_(?![\\w_])",
    "(?<![\\w~])~(?=\\S)([^~\\n]*[^~\\s])~(?![\\w~])",
  ].join("|"),
  "g",
);

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function link(url, label) {
  if (!SAFE_LINK.test(url)) return document.createTextNode(label ?? url);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label ?? url.replace(/^mailto:/, ""));
}

export const mention = (name, isMe) => h("span", { class: isMe ? "mention me" : "mention" }, name);

// `names` looks up people and channels by id: {person(id), channel(id), me}.
function reference(body, names) {
  const [target, label] = body.split("|", 2);
  if (target.startsWith("@")) return mention(`@${names.person(target.slice(1)) ?? label}`, target.slice(1) === names.me);
  if (target.startsWith("#")) return mention(`#${names.channel(target.slice(1)) ?? label}`);
  if (target.startsWith("!date^")) return date(Number(target.split("^")[1]), target.split("^")[2]);
  if (target.startsWith("!")) return mention(`@${target.slice(1)}`);
  return link(unescape(target), label && unescape(label));
}

export function date(seconds, format) {
  const moment = new Date(seconds * 1000);
  const day = moment.toLocaleDateString(undefined, { dateStyle: "medium" });
  const time = moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const words = format.replace(/\{date[a-z_]*\}/g, day).replace(/\{time[a-z_]*\}/g, time).replace(/\{ago\}/g, `${day} ${time}`);
  return h("time", { datetime: moment.toISOString() }, words);
}

export function inline(text, names) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(unescape(text.slice(end, found.index)));
    end = found.index + found[0].length;
    const [, code, angle, name, bold, italic, strike] = found;
    if (code !== undefined) nodes.push(h("code", {}, unescape(code)));
    else if (angle !== undefined) nodes.push(reference(angle, names));
    else if (name !== undefined) nodes.push(emoji(name));
    else if (bold !== undefined) nodes.push(h("b", {}, inline(bold, names)));
    else if (italic !== undefined) nodes.push(h("i", {}, inline(italic, names)));
    else if (strike !== undefined) nodes.push(h("s", {}, inline(strike, names)));
  }
  nodes.push(unescape(text.slice(end)));
  return nodes;
}

// Lines with their breaks; runs of quoted lines become one quote.
function lines(text, names) {
  const nodes = [];
  let quote = null;
  for (const line of text.split("\n")) {
    const quoted = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (quoted) {
      if (!quote) nodes.push((quote = h("blockquote")));
      else quote.append(h("br"));
      quote.append(...inline(quoted[1], names));
      continue;
    }
    if (nodes.length && !quote) nodes.push(h("br"));
    quote = null;
    nodes.push(...inline(line, names));
  }
  return nodes;
}

export function mrkdwn(text, names) {
  return text.split(/```\n?([\s\S]*?)\n?```/).map((part, index) => {
    if (index % 2) return h("pre", {}, unescape(part));
    return lines(part.replace(/^\n|\n$/g, index ? "" : "$&"), names);
  });
}

export const plain = (text) => text.replace(/:([a-z0-9_+'-]+):/g, (_, name) => emoji(name));

// Markdown blocks: headings, lists, tables, quotes, fences, bold, italics, code, links.

const MARKDOWN = /`([^`\n]+)`|\[([^\]\n]+)\]\(([^()\s]+)\)|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\n]+)\*|(?<!\w)_([^_\n]+)_(?!\w)|~~([^~\n]+)~~/g;

function span(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(MARKDOWN)) {
    nodes.push(plain(text.slice(end, found.index)));
    end = found.index + found[0].length;
    const [, code, label, url, bold, bolder, italic, slanted, strike] = found;
    if (code !== undefined) nodes.push(h("code", {}, code));
    else if (url !== undefined) nodes.push(link(url, label));
    else if (bold ?? bolder) nodes.push(h("b", {}, span(bold ?? bolder)));
    else if (italic ?? slanted) nodes.push(h("i", {}, span(italic ?? slanted)));
    else nodes.push(h("s", {}, span(strike)));
  }
  nodes.push(plain(text.slice(end)));
  return nodes;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function tableOf(rows) {
  const [head, , ...body] = rows.map(cells);
  const row = (tag) => (line) => h("tr", {}, line.map((cell) => h(tag, {}, span(cell))));
  return h("div", { class: "table" }, h("table", {}, h("thead", {}, row("th")(head)), h("tbody", {}, body.map(row("td")))));
}

const PARAGRAPHS = [
  [/^#{1,6} /, (rows) => rows.map((row) => h("h4", {}, span(row.replace(/^#+ /, ""))))],
  [/^\s*[-*] /, (rows) => h("ul", {}, rows.map((row) => h("li", {}, span(row.replace(/^\s*[-*] /, "")))))],
  [/^\s*\d+[.)] /, (rows) => h("ol", {}, rows.map((row) => h("li", {}, span(row.replace(/^\s*\d+[.)] /, "")))))],
  [/^> ?/, (rows) => h("blockquote", {}, rows.map((row) => [span(row.replace(/^> ?/, "")), h("br")]))],
  [/^\|/, (rows) => (rows.length > 1 ? tableOf(rows) : h("p", {}, span(rows[0])))],
  [/^---+$/, () => h("hr")],
  [/^\S/, (rows) => h("p", {}, rows.map((row, index) => [index ? h("br") : null, span(row)]))],
];

export function markdown(text) {
  return text.split(/```[^\n]*\n([\s\S]*?)\n?```/).map((part, index) => {
    if (index % 2) return h("pre", {}, part);
    const runs = [];
    for (const line of part.split("\n")) {
      const kind = PARAGRAPHS.find(([pattern]) => pattern.test(line));
      const last = runs.at(-1);
      if (last && last.kind === kind) last.rows.push(line);
      else runs.push({ kind, rows: [line] });
    }
    return runs.filter((run) => run.kind).map((run) => run.kind[1](run.rows));
  });
}
