// One message as people see it: author, time, text or blocks, files, marks, what can be done with it.

import { fileUrl, post } from "./api.js";
import { blocks } from "./blocks.js";
import { h, toast } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

const HUES = [172, 28, 262, 340, 205, 95, 12, 300];

export function avatar(person, size = "") {
  const node = h("div", { class: `avatar ${size}`, "aria-hidden": "true" }, person?.is_bot ? (person.id === "USLACKBOT" ? "s" : "●") : (person?.real_name ?? "?")[0]);
  const hue = HUES[[...(person?.id ?? "")].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % HUES.length];
  node.style.setProperty("--hue", person?.is_bot ? 172 : hue);
  return node;
}

export const clock = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
export const day = (ts) => new Date(Number(ts) * 1000).toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });

const size = (bytes) => {
  const units = ["bytes", "kB", "MB", "GB"];
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
};

const extension = (name) => (name.match(/\.([a-z0-9]{1,4})$/i)?.[1] ?? "file").toLowerCase();

async function save(person, file) {
  try {
    h("a", { href: await fileUrl(person, file.id), download: file.name }).click();
  } catch (error) {
    toast(error.message);
  }
}

const isPicture = (file) => /\.(png|jpe?g|gif|webp)$/i.test(file.name);

// Several pictures of one message stand side by side, as in Slack; a click saves one.
function allAttached(files, context) {
  const pictures = files.filter(isPicture);
  if (pictures.length < 2) return files.map((file) => attached(file, context));
  const tile = (file) => {
    const picture = h("img", { alt: file.alt_txt || file.title });
    fileUrl(context.person, file.id).then((url) => (picture.src = url), () => picture.remove());
    return h("button", { type: "button", onclick: () => save(context.person, file), title: `Download ${file.title}` }, picture, h("small", {}, file.title));
  };
  return [h("div", { class: "gallery" }, pictures.map(tile)), ...files.filter((file) => !isPicture(file)).map((file) => attached(file, context))];
}

function attached(file, context) {
  const picture = isPicture(file) && h("img", { class: "preview", alt: file.alt_txt || file.title });
  if (picture) fileUrl(context.person, file.id).then((url) => (picture.src = url), () => picture.remove());
  return h("div", { class: "file" },
    picture,
    h("button", { type: "button", class: "file-card", onclick: () => save(context.person, file), title: "Download" },
      h("span", { class: "file-icon", "aria-hidden": "true" }, extension(file.name)),
      h("span", {}, h("b", {}, file.title || file.name), h("small", {}, `${size(file.size)} · ${file.name}`))));
}

function scene(message, context) {
  const act = (block, element, value) =>
    post("click", {
      person: context.person, channel: message.channel, ts: message.ts, block_id: block.block_id,
      action_id: element.action_id, value, confirmed: true,
    }).then((answer) => answer.problem && toast(`The app did not answer: ${answer.problem}`), (error) => toast(error.message));
  return { ...context.scene, act };
}

function reactions(message) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((r) => h("span", {}, `${emoji(r.name)} ${r.count}`)));
}

function replies(message, context) {
  if (!message.reply_count || context.inThread) return null;
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  return h("button", { type: "button", class: "replies", onclick: () => context.openThread(message) },
    message.reply_users.slice(0, 3).map((id) => avatar(context.personOf(id), "tiny")), h("b", {}, count),
    h("small", {}, `last at ${clock(message.latest_reply)}`));
}

function tools(message, context) {
  if (message.is_ephemeral || message.subtype === "tombstone") return null;
  const shortcuts = context.shortcuts.filter((shortcut) => shortcut.kind === "message");
  const run = (event, callback_id) => {
    event.target.closest("details").open = false;
    post("shortcut", { person: context.person, callback_id, channel: message.channel, ts: message.ts })
      .then((answer) => answer.problem && toast(`The app did not answer: ${answer.problem}`), (error) => toast(error.message));
  };
  return h("div", { class: "tools" },
    !context.inThread && h("button", { type: "button", title: "Reply in thread", "aria-label": "Reply in thread", onclick: () => context.openThread(message) }, "Reply"),
    shortcuts.length && h("details", { class: "overflow" }, h("summary", { title: "More actions", "aria-label": "More actions" }, "⋯"),
      h("div", { class: "menu" }, shortcuts.map((s) => h("button", { type: "button", onclick: (event) => run(event, s.callback_id) }, s.name)))));
}

// `follows`: the message continues one by the same author, a moment ago; it shows no author again.
export function messageNode(message, context, follows = false) {
  const author = context.personOf(message.user);
  const body = message.blocks?.length ? blocks(message.blocks, scene(message, context)) : h("div", { class: "text" }, mrkdwn(message.text ?? "", context.scene.names));
  const edited = message.edited && h("small", { class: "edited", title: `Edited at ${clock(message.edited.ts)}` }, "(edited)");
  return h("article", { class: `message ${follows ? "follows" : ""} ${message.is_ephemeral ? "ephemeral" : ""} ${message.subtype ?? ""}`, "data-ts": message.ts },
    follows ? h("time", { class: "gutter" }, clock(message.ts)) : avatar(author),
    h("div", { class: "body" },
      message.is_ephemeral && h("div", { class: "only-you" }, "Only visible to you"),
      !follows && h("div", { class: "author" }, h("b", {}, author?.real_name ?? message.user), author?.is_bot && h("span", { class: "badge" }, "APP"), h("time", {}, clock(message.ts))),
      body, edited,
      allAttached(message.files ?? [], context),
      reactions(message), replies(message, context)),
    tools(message, context));
}

export function follows(message, previous) {
  if (!previous || previous.user !== message.user || previous.is_ephemeral || message.is_ephemeral || previous.reply_count) return false;
  return Number(message.ts) - Number(previous.ts) < 300;
}

export function messageList(messages, context) {
  const nodes = [];
  let previous = null;
  for (const message of messages) {
    if (!context.inThread && (!previous || day(previous.ts) !== day(message.ts))) {
      nodes.push(h("div", { class: "day" }, h("span", {}, day(message.ts))));
      previous = null;
    }
    nodes.push(messageNode(message, context, follows(message, previous)));
    previous = message;
  }
  return nodes;
}
