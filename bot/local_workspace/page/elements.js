// Everything in Block Kit that a person can act on.
//
// `scene` says where it stands: {names, people, channels, state, act(block, element, value), collect}. An element acts at
// once, or, in an input block of a modal, keeps its value in scene.collect until the modal is submitted.

import { h } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

const text = (object, names) => (object.type === "mrkdwn" ? mrkdwn(object.text, names) : plain(object.text));

export function confirmed(dialog) {
  return new Promise((resolve) => {
    const answer = (value) => () => { box.close(); box.remove(); resolve(value); };
    const style = dialog.style === "danger" ? "danger" : "primary";
    const box = h("dialog", { class: "confirm", oncancel: answer(false) },
      h("h2", {}, plain(dialog.title.text)),
      h("p", {}, text(dialog.text, { person: () => null, channel: () => null })),
      h("footer", {},
        h("button", { type: "button", class: "button", onclick: answer(false) }, plain(dialog.deny.text)),
        h("button", { type: "button", class: `button ${style}`, onclick: answer(true) }, plain(dialog.confirm.text))));
    document.body.append(box);
    box.showModal();
  });
}

function button(block, element, scene) {
  const label = plain(element.text.text);
  const properties = {
    type: "button", class: `button ${element.style ?? ""}`, "aria-label": element.accessibility_label,
    onclick: async (event) => {
      if (element.confirm && !(await confirmed(element.confirm))) return;
      if (element.url) window.open(element.url, "_blank", "noopener");
      event.target.disabled = true;
      await scene.act(block, element, undefined);
      event.target.disabled = false;
    },
  };
  return h("button", properties, label);
}

function change(block, element, scene, value) {
  if (scene.collect) {
    scene.collect(block, element, value);
    if (!block.dispatch_action && block.type === "input") return;
  }
  scene.act(block, element, value);
}

const optionsOf = (element) => [...(element.options ?? []), ...(element.option_groups ?? []).flatMap((g) => g.options)];

function choices(element, scene) {
  const people = () => scene.people.filter((p) => p.id !== "USLACKBOT").map((p) => [p.id, `@${p.name}`]);
  const channels = () => scene.channels.filter((c) => c.name).map((c) => [c.id, `#${c.name}`]);
  if (element.type.includes("users")) return people();
  if (element.type.includes("channels")) return channels();
  if (element.type.includes("conversations")) return [...channels(), ...people()];
  return optionsOf(element).map((option) => [option.value, plain(option.text.text)]);
}

function current(block, element, scene) {
  const state = scene.state?.[block.block_id]?.[element.action_id] ?? {};
  const entry = Object.entries(state).find(([key]) => key !== "type");
  const value = entry ? entry[1] : undefined;
  const simple = (one) => (one && typeof one === "object" ? one.value : one);
  return Array.isArray(value) ? value.map(simple) : simple(value);
}

function select(block, element, scene) {
  const chosen = current(block, element, scene);
  const option = ([value, label]) => h("option", { value, selected: value === chosen }, label);
  const groups = (element.option_groups ?? []).map((group) =>
    h("optgroup", { label: plain(group.label.text) }, group.options.map((o) => option([o.value, plain(o.text.text)]))));
  const placeholder = plain(element.placeholder?.text ?? "Choose…");
  return h("select", {
    "aria-label": placeholder,
    onchange: (event) => change(block, element, scene, event.target.value || null),
  }, h("option", { value: "" }, placeholder), groups.length ? groups : choices(element, scene).map(option));
}

function several(block, element, scene, { single = false } = {}) {
  const chosen = current(block, element, scene);
  const isChosen = (value) => (Array.isArray(chosen) ? chosen.includes(value) : chosen === value);
  const group = `${block.block_id}-${element.action_id}`;
  const labels = element.options
    ? optionsOf(element).map((o) => [o.value, [text(o.text, scene.names), o.description && h("small", {}, text(o.description, scene.names))]])
    : choices(element, scene);
  const box = h("div", { class: "options", role: "group" });
  const read = () => {
    const values = [...box.querySelectorAll("input:checked")].map((input) => input.value);
    change(block, element, scene, single ? values[0] : values);
  };
  box.append(...labels.map(([value, label]) =>
    h("label", {}, h("input", { type: single ? "radio" : "checkbox", name: group, value, checked: isChosen(value), onchange: read }), h("span", {}, label))));
  return box;
}

function overflow(block, element, scene) {
  const menu = h("details", { class: "overflow" }, h("summary", { "aria-label": "More actions" }, "⋯"));
  menu.append(h("div", { class: "menu" }, element.options.map((option) =>
    h("button", {
      type: "button",
      onclick: async () => {
        menu.open = false;
        if (element.confirm && !(await confirmed(element.confirm))) return;
        scene.act(block, element, option.value);
      },
    }, plain(option.text.text)))));
  return menu;
}

function field(kind, toValue = (input) => input.value || null, fromValue = (value) => value) {
  return (block, element, scene) => {
    const chosen = current(block, element, scene);
    const tag = element.multiline ? "textarea" : "input";
    const input = h(tag, {
      type: tag === "input" ? kind : undefined, placeholder: plain(element.placeholder?.text ?? ""),
      maxlength: element.max_length ? String(element.max_length) : undefined, step: element.is_decimal_allowed ? "any" : undefined,
      autofocus: element.focus_on_load, rows: element.multiline ? "4" : undefined,
      onchange: () => change(block, element, scene, toValue(input)),
    });
    input.value = chosen === undefined || chosen === null ? "" : fromValue(chosen);
    return input;
  };
}

const localMoment = (seconds) => {
  const moment = new Date(seconds * 1000);
  return new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

const ELEMENTS = {
  button, overflow,
  checkboxes: (block, element, scene) => several(block, element, scene),
  radio_buttons: (block, element, scene) => several(block, element, scene, { single: true }),
  datepicker: field("date"),
  timepicker: field("time"),
  datetimepicker: field("datetime-local", (input) => Math.floor(new Date(input.value) / 1000), localMoment),
  plain_text_input: field("text"),
  email_text_input: field("email"),
  url_text_input: field("url"),
  number_input: field("number"),
};

export function element(block, description, scene) {
  const kind = description.type;
  if (kind.startsWith("multi_")) return several(block, description, scene);
  if (kind.endsWith("_select")) return select(block, description, scene);
  return ELEMENTS[kind]?.(block, description, scene) ?? h("em", {}, `(${kind})`);
}
