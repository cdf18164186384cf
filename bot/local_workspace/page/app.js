// The page: who one is, where one looks, and what has changed since.

import { fileUrl, follow, get, post, readAddress } from "./api.js";
import { blocks } from "./blocks.js";
import { acceptDrops, composer } from "./composer.js";
import { fill, h, toast } from "./dom.js";
import { avatar, messageList } from "./messages.js";
import { showModals } from "./modal.js";

const $ = (id) => document.getElementById(id);
const PERSON_KEY = "signalbox-person";
const HOME = "home";

const world = { people: [], channels: [], app: null, team: null };
const view = { person: null, place: null, messages: [], thread: null, replies: [], unread: new Set(), home: null };
let stopFollowing = () => {};
let composers = {};

const personOf = (id) => world.people.find((person) => person.id === id);
const channelOf = (id) => world.channels.find((channel) => channel.id === id);
const isDirect = (channel) => channel?.is_im;
const nameOf = (channel) => (isDirect(channel) ? world.app.name : `#${channel.name}`);

function scene() {
  return {
    names: { person: (id) => personOf(id)?.name, channel: (id) => channelOf(id)?.name, me: view.person.id },
    people: world.people, channels: world.channels,
    picture: (reference, image) => {
      const id = reference.id ?? reference.url.match(/-(F[A-Z0-9]+)\//)?.[1];
      fileUrl(view.person.name, id).then((url) => (image.src = url), () => (image.alt += " (gone)"));
    },
  };
}

const context = (inThread) => ({
  person: view.person.name, personOf, scene: scene(), inThread, openThread, shortcuts: world.app.shortcuts,
});

// Sidebar and header

function go(place) {
  view.place = place;
  view.unread.delete(place);
  view.thread = null;
  document.body.classList.remove("with-sidebar");
  history.replaceState(null, "", place === HOME ? "/#home=1" : `/#channel=${place}`);
  return load();
}

function place(id, label, icon) {
  const unread = view.unread.has(id);
  const current = view.place === id;
  return h("button", { type: "button", class: `place ${current ? "current" : ""} ${unread ? "unread" : ""}`, "aria-current": current ? "page" : undefined, onclick: () => go(id) },
    h("span", { class: "hash", "aria-hidden": "true" }, icon), label, unread && h("span", { class: "dot", "aria-label": "unread" }));
}

function showSidebar() {
  const people = world.people.filter((person) => !person.is_bot);
  const direct = world.channels.find(isDirect);
  const openDirect = () => post("direct_messages", { person: view.person.name }).then(async ({ channel }) => { await learn(); go(channel.id); }, (error) => toast(error.message));
  fill($("sidebar"),
    h("div", { class: "team" }, h("img", { src: "/page/icon.svg", alt: "", width: 28, height: 28 }), h("b", {}, world.team.name)),
    h("h2", {}, "Channels"),
    world.channels.filter((channel) => !isDirect(channel)).map((channel) => place(channel.id, channel.name, "#")),
    h("h2", {}, "App"),
    world.app.home_tab && place(HOME, `${world.app.name} Home`, "⌂"),
    direct ? place(direct.id, "Direct messages", "@") : h("button", { type: "button", class: "place", onclick: openDirect }, h("span", { class: "hash" }, "@"), "Direct messages"),
    h("div", { class: "spacer" }),
    h("label", { class: "who" }, avatar(view.person, "small"),
      h("span", {}, h("small", {}, "You are"),
        h("select", { "aria-label": "You are", onchange: (event) => become(event.target.value) },
          people.map((person) => h("option", { value: person.name, selected: person.id === view.person.id }, person.real_name))))));
}

function showHeader() {
  const channel = channelOf(view.place);
  const invite = channel && !isDirect(channel) && !channel.is_member;
  fill($("header"),
    h("button", { type: "button", class: "icon menu-button", "aria-label": "Channels", onclick: () => document.body.classList.toggle("with-sidebar") }, "☰"),
    h("div", { class: "grow" }, h("h1", {}, view.place === HOME ? `${world.app.name} Home` : nameOf(channel)),
      channel?.topic?.value && h("small", {}, channel.topic.value)),
    invite && h("button", { type: "button", class: "button", onclick: () => post("invite", { person: view.person.name, channel: channel.id }).catch((error) => toast(error.message)) }, `Add ${world.app.name}`));
}

// The middle: a channel or the Home tab

const isAtBottom = () => $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 80;
const toBottom = () => ($("scroll").scrollTop = $("scroll").scrollHeight);

function showMessages({ stick = isAtBottom() } = {}) {
  if (view.place === HOME) return showHome();
  const empty = h("div", { class: "empty" }, h("p", {}, "Nothing here yet."), h("p", {}, "Try ", h("code", {}, `${world.app.commands[0]?.command ?? "@"} help`), "."));
  fill($("messages"), view.messages.length ? messageList(view.messages, context(false)) : empty);
  if (stick) {
    toBottom();
    for (const image of $("messages").querySelectorAll("img")) image.addEventListener("load", toBottom, { once: true });
  }
}

function showHome() {
  const act = (block, element, value) =>
    post("click", { person: view.person.name, view_id: view.home.id, block_id: block.block_id, action_id: element.action_id, value, confirmed: true })
      .then((answer) => answer.problem && toast(`The app did not answer: ${answer.problem}`), (error) => toast(error.message));
  const empty = h("div", { class: "empty" }, h("p", {}, `${world.app.name} has not put anything here yet.`));
  fill($("messages"), view.home ? h("div", { class: "home" }, blocks(view.home.blocks, { ...scene(), state: view.home.state.values, act })) : empty);
}

function showComposer() {
  const channel = channelOf(view.place);
  composers.main = channel ? composer({ person: view.person.name, channel: channel.id, name: nameOf(channel), commands: world.app.commands }) : null;
  fill($("composer"), composers.main);
}

async function load() {
  showSidebar();
  showHeader();
  showComposer();
  showThread();
  try {
    if (view.place === HOME) view.home = (await post("home", { person: view.person.name })).view;
    else view.messages = (await get("messages", { person: view.person.name, channel: view.place })).messages;
    showMessages({ stick: view.place !== HOME });
  } catch (error) {
    toast(error.message);
  }
}

// Threads

async function openThread(message) {
  view.thread = { channel: message.channel, ts: message.ts };
  await loadThread();
  composers.thread?.querySelector("textarea").focus();
}

async function loadThread() {
  const { channel, ts } = view.thread;
  view.replies = (await get("thread", { person: view.person.name, channel, ts })).messages;
  showThread();
}

function showThread() {
  const panel = $("thread");
  const wasOpen = !panel.hidden && panel.dataset.ts === view.thread?.ts;
  panel.hidden = !view.thread;
  document.body.classList.toggle("with-thread", Boolean(view.thread));
  if (!view.thread) return;
  const list = messageList(view.replies, context(true));
  const count = Math.max(0, view.replies.length - 1);
  list.splice(1, 0, h("div", { class: "day" }, h("span", {}, count === 1 ? "1 reply" : `${count} replies`)));
  if (wasOpen) {
    fill(panel.querySelector(".thread-messages"), list);
  } else {
    composers.thread = composer({ person: view.person.name, channel: view.thread.channel, name: "thread", threadTs: view.thread.ts, commands: [] });
    panel.dataset.ts = view.thread.ts;
    fill(panel,
      h("header", {}, h("div", { class: "grow" }, h("h1", {}, "Thread"), h("small", {}, nameOf(channelOf(view.thread.channel)))),
        h("button", { type: "button", class: "icon", "aria-label": "Close thread", onclick: () => { view.thread = null; showThread(); } }, "✕")),
      h("div", { class: "thread-messages" }, list), composers.thread);
  }
  const box = panel.querySelector(".thread-messages");
  const toEnd = () => (box.scrollTop = box.scrollHeight);
  toEnd();
  for (const image of box.querySelectorAll("img")) image.addEventListener("load", toEnd, { once: true });
}

// Changes

function upsert(list, message) {
  const index = list.findIndex((one) => one.ts === message.ts);
  if (index >= 0) list[index] = message;
  else list.push(message);
  list.sort((a, b) => Number(a.ts) - Number(b.ts));
}

function onMessage(message) {
  const isReply = message.thread_ts && message.thread_ts !== message.ts;
  const inThread = view.thread && [message.thread_ts, message.ts].includes(view.thread.ts) && message.channel === view.thread.channel;
  if (inThread) { upsert(view.replies, message); showThread(); }
  if (message.channel === view.place && !isReply) { upsert(view.messages, message); showMessages(); }
  if (message.channel !== view.place && message.user !== view.person.id) { view.unread.add(message.channel); showSidebar(); }
}

function onDeleted({ channel, ts }) {
  view.messages = view.messages.filter((one) => channel !== view.place || one.ts !== ts);
  view.replies = view.replies.filter((one) => one.ts !== ts);
  showMessages();
  if (view.thread) view.thread.ts === ts ? ((view.thread = null), showThread()) : showThread();
}

const CHANGES = {
  message: (change) => onMessage(change.message),
  deleted: onDeleted,
  views: (change) => showModals(change.views, { scene: scene(), person: view.person.name }),
  home: async () => { view.home = (await get("views", { person: view.person.name })).home; if (view.place === HOME) showHome(); },
  channel: async () => { await learn(); showSidebar(); showHeader(); },
  reset: async () => { await learn(); await load(); if (view.thread) await loadThread(); },
};

async function learn(name = view.person.name) {
  const state = await get("state", { person: name });
  Object.assign(world, state);
  return state.seq;
}

async function become(name) {
  stopFollowing();
  localStorage.setItem(PERSON_KEY, name);
  const seq = await learn(name);
  view.person = world.people.find((person) => person.name === name);
  if (!channelOf(view.place) && view.place !== HOME) view.place = world.channels[0].id;
  document.title = world.team.name;
  await load();
  if (view.thread) await loadThread().catch(() => { view.thread = null; showThread(); });
  showModals((await get("views", { person: view.person.name })).views, { scene: scene(), person: view.person.name });
  stopFollowing = follow(view.person.name, seq, (change) => CHANGES[change.kind]?.(change), (isOpen) =>
    document.body.classList.toggle("offline", !isOpen));
}

async function start() {
  const address = readAddress();
  try {
    const { people } = await get("people", {});
    const names = people.map((person) => person.name);
    const name = [address.get("person"), localStorage.getItem(PERSON_KEY)].find((one) => names.includes(one)) ?? names[0];
    view.place = address.get("home") ? HOME : address.get("channel");
    if (address.get("ts")) view.thread = { channel: address.get("channel"), ts: address.get("ts") };
    await become(name);
    acceptDrops(document.body, $("shade"), () => composers.main);
  } catch (error) {
    fill($("messages"), h("div", { class: "empty" }, h("p", {}, "This page could not be opened."), h("p", {}, error.message)));
  }
}

start();
