// The box in which people write: messages, slash commands, files (chosen, pasted or dropped).

import { post, upload } from "./api.js";
import { fill, h, toast } from "./dom.js";

// `place`: {person, channel, name, threadTs, commands}. Slash commands do not work in threads, as in Slack.
export function composer(place) {
  let files = [];
  const chosen = h("div", { class: "chosen" });
  const help = h("div", { class: "suggestions", hidden: true });
  const box = h("textarea", {
    rows: "1", "aria-label": `Message ${place.name}`,
    placeholder: place.threadTs ? "Reply…" : `Message ${place.name}, or / for a command`,
  });
  const picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => { add(picker.files); picker.value = ""; } });
  const send = h("button", { type: "submit", class: "send", "aria-label": "Send" }, "➤");

  const add = (more) => { files = [...files, ...more]; showFiles(); box.focus(); };
  const showFiles = () => fill(chosen, files.map((file, index) => h("span", { class: "chip" }, file.name,
    h("button", { type: "button", "aria-label": `Leave out ${file.name}`, onclick: () => { files.splice(index, 1); showFiles(); } }, "✕"))));
  const grow = () => { box.style.height = "auto"; box.style.height = `${Math.min(box.scrollHeight, 200)}px`; };

  const suggest = () => {
    const word = box.value.split(/\s/)[0];
    const fitting = !place.threadTs && box.value.startsWith("/") && !box.value.includes(" ") ? place.commands.filter((c) => c.command.startsWith(word)) : [];
    help.hidden = !fitting.length;
    fill(help, fitting.map((c) => h("button", { type: "button", onclick: () => { box.value = `${c.command} `; box.focus(); suggest(); } },
      h("b", {}, c.command), h("span", {}, ` ${c.usage_hint}`), h("small", {}, c.description))));
  };

  const deliver = async (text) => {
    const { person, channel, threadTs } = place;
    if (files.length) {
      for (const [index, file] of files.entries())
        await upload({ person, channel, filename: file.name, text: index ? "" : text, thread_ts: threadTs ?? "" }, file);
      files = [];
      showFiles();
    } else if (text.startsWith("/")) {
      const [, command, rest] = text.match(/^(\/\S+)\s*([\s\S]*)$/) ?? [null, text, ""];
      await post("slash", { person, channel, command, text: rest, thread_ts: threadTs });
    } else {
      await post("say", { person, channel, text, thread_ts: threadTs });
    }
  };

  const submit = async (event) => {
    event?.preventDefault();
    const text = box.value.trim();
    if (!text && !files.length) return;
    box.value = "";
    grow();
    suggest();
    send.disabled = true;
    try {
      await deliver(text);
    } catch (error) {
      box.value ||= text;
      toast(error.message);
    }
    send.disabled = false;
  };

  box.addEventListener("input", () => { grow(); suggest(); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    if (event.key === "Tab" && !help.hidden) { event.preventDefault(); help.firstChild.click(); }
  });
  box.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); add(event.clipboardData.files); } });

  const form = h("form", { class: "composer", onsubmit: submit }, help, chosen,
    h("div", { class: "row" },
      h("button", { type: "button", class: "icon", "aria-label": "Attach a file", title: "Attach a file", onclick: () => picker.click() }, "+"),
      box, picker, send));
  form.addFiles = add;
  return form;
}

// Files dropped anywhere on `area` go to the composer that `target()` returns.
export function acceptDrops(area, shade, target) {
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const hide = () => (shade.hidden = true);
  area.addEventListener("dragover", (event) => {
    if (!carriesFiles(event) || !target()) return;
    event.preventDefault();
    shade.textContent = "Drop to share here";
    shade.hidden = false;
  });
  area.addEventListener("dragleave", (event) => { if (!event.relatedTarget) hide(); });
  area.addEventListener("drop", (event) => {
    hide();
    if (!carriesFiles(event) || !target()) return;
    event.preventDefault();
    target().addFiles(event.dataTransfer.files);
  });
}
