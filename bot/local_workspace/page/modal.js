// The visible modal of the person's stack, as a dialog.

import { post } from "./api.js";
import { blocks } from "./blocks.js";
import { h, toast } from "./dom.js";
import { plain } from "./mrkdwn.js";

let shown = null;
let typed = {};

function showErrors(box, errors) {
  for (const label of box.querySelectorAll("[data-block]")) {
    const place = label.querySelector(".error");
    const complaint = errors[label.dataset.block];
    place.textContent = complaint ?? "";
    place.hidden = !complaint;
  }
  box.querySelector(".error:not([hidden])")?.scrollIntoView({ block: "center" });
}

// Shows the last view of `views`, or closes the dialog when there is none. What was typed stays when a view is updated.
export function showModals(views, context) {
  const view = views.at(-1);
  if (shown && view && shown.view.hash === view.hash) return;
  if (!shown || shown.view.id !== view?.id) typed = {};
  shown?.box.remove();
  shown = null;
  if (view) shown = { view, box: open(view, context) };
}

function open(view, { scene, person }) {
  const collect = (block, element, value) => ((typed[block.block_id] ??= {})[element.action_id] = value);
  const act = (block, element, value) =>
    post("click", { person, view_id: view.id, block_id: block.block_id, action_id: element.action_id, value, confirmed: true })
      .then((answer) => answer.problem && toast(`The app did not answer: ${answer.problem}`), (error) => toast(error.message));
  const close = (event) => {
    event?.preventDefault();
    post("close", { person, view_id: view.id }).catch((error) => toast(error.message));
  };
  const submit = async (event) => {
    event.preventDefault();
    // A field that still has the focus has not told its value yet.
    document.activeElement?.dispatchEvent(new Event("change"));
    const send = box.querySelector("button[type=submit]");
    send.disabled = true;
    try {
      const values = Object.fromEntries(view.blocks.map((block) => [block.block_id, typed[block.block_id]]).filter(([, value]) => value));
      const answer = await post("submit", { person, view_id: view.id, values });
      if (answer.outcome === "errors") showErrors(box, answer.errors);
      if (answer.outcome === "trouble") toast(answer.problem);
    } catch (error) {
      toast(error.message);
    }
    send.disabled = false;
  };
  const box = h("dialog", { class: "modal", oncancel: close },
    h("form", { onsubmit: submit, novalidate: true },
      h("header", {}, h("h2", {}, plain(view.title.text)),
        h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: close }, "✕")),
      h("div", { class: "content" }, blocks(view.blocks, { ...scene, state: view.state.values, act, collect })),
      h("footer", {},
        h("button", { type: "button", class: "button", onclick: close }, plain(view.close?.text ?? "Cancel")),
        view.submit && h("button", { type: "submit", class: "button primary" }, plain(view.submit.text)))));
  document.body.append(box);
  box.showModal();
  box.querySelector("[autofocus], .content input, .content textarea, .content select, button[type=submit]")?.focus();
  return box;
}
