// Blocks as DOM nodes. `scene` is that of elements.js, with `picture(file id)` for images of the workspace.

import { h } from "./dom.js";
import { element } from "./elements.js";
import { emoji } from "./emoji.js";
import { date, link, markdown, mention, mrkdwn, plain } from "./mrkdwn.js";

export const text = (object, names) => (object.type === "mrkdwn" ? mrkdwn(object.text, names) : plain(object.text));

function image(block, scene, className) {
  const picture = h("img", { alt: block.alt_text, class: className, loading: "lazy" });
  if (block.slack_file) scene.picture(block.slack_file, picture);
  else picture.src = block.image_url;
  return picture;
}

function section(block, scene) {
  const accessory = block.accessory && (block.accessory.type === "image"
    ? image(block.accessory, scene, "accessory") : element(block, block.accessory, scene));
  return h("div", { class: "section" },
    h("div", { class: "grow" },
      block.text && h("div", {}, text(block.text, scene.names)),
      block.fields && h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, text(field, scene.names))))),
    accessory);
}

function input(block, scene) {
  return h("label", { class: "input", "data-block": block.block_id },
    h("span", { class: "label" }, plain(block.label.text), block.optional && h("small", {}, " (optional)")),
    element(block, block.element, scene),
    block.hint && h("small", { class: "hint" }, plain(block.hint.text)),
    h("small", { class: "error", role: "alert", hidden: true }));
}

const STYLES = [["code", "code"], ["bold", "b"], ["italic", "i"], ["strike", "s"], ["underline", "u"]];

function part(piece, names) {
  const makers = {
    text: () => document.createTextNode(piece.text),
    link: () => link(piece.url, piece.text),
    emoji: () => document.createTextNode(emoji(piece.name)),
    user: () => mention(`@${names.person(piece.user_id) ?? piece.user_id}`, piece.user_id === names.me),
    channel: () => mention(`#${names.channel(piece.channel_id) ?? piece.channel_id}`),
    broadcast: () => mention(`@${piece.range}`),
    date: () => date(piece.timestamp, piece.format),
    color: () => h("code", {}, piece.value),
    usergroup: () => mention(`@${piece.usergroup_id}`),
  };
  let node = makers[piece.type]();
  for (const [style, tag] of STYLES) if (piece.style?.[style]) node = h(tag, {}, node);
  return node;
}

function richText(item, names) {
  const parts = () => item.elements.map((piece) => part(piece, names));
  if (item.type === "rich_text_preformatted") return h("pre", {}, parts());
  if (item.type === "rich_text_quote") return h("blockquote", {}, parts());
  if (item.type === "rich_text_section") return h("div", { class: "rich" }, parts());
  const list = h(item.style === "ordered" ? "ol" : "ul", {}, item.elements.map((line) =>
    h("li", {}, line.elements.map((piece) => part(piece, names)))));
  list.style.marginInlineStart = `${(item.indent ?? 0) * 1.2}em`;
  if (item.offset) list.start = item.offset + 1;
  return list;
}

function table(block, scene) {
  const cell = (tag) => (content, index) => {
    const inner = content.type === "raw_text" ? content.text : content.elements.map((e) => richText(e, scene.names));
    const node = h(tag, {}, inner);
    node.style.textAlign = block.column_settings?.[index]?.align ?? "";
    return node;
  };
  const [head, ...body] = block.rows;
  return h("div", { class: "table" }, h("table", {},
    h("thead", {}, h("tr", {}, head.map(cell("th")))),
    h("tbody", {}, body.map((row) => h("tr", {}, row.map(cell("td")))))));
}

const BLOCKS = {
  section, input, table,
  header: (block) => h("h3", { class: "heading" }, plain(block.text.text)),
  divider: () => h("hr"),
  image: (block, scene) => h("figure", {}, block.title && h("figcaption", {}, plain(block.title.text)), image(block, scene, "block-image")),
  actions: (block, scene) => h("div", { class: "actions" }, block.elements.map((one) => element(block, one, scene))),
  context: (block, scene) => h("div", { class: "context" }, block.elements.map((one) =>
    one.type === "image" ? image(one, scene, "context-image") : h("span", {}, text(one, scene.names)))),
  rich_text: (block, scene) => block.elements.map((item) => richText(item, scene.names)),
  markdown: (block) => h("div", { class: "markdown" }, markdown(block.text)),
};

export const blocks = (list, scene) =>
  h("div", { class: "blocks" }, list.map((block) => BLOCKS[block.type]?.(block, scene) ?? h("em", {}, `(${block.type})`)));
