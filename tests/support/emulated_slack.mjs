// npm's `emulate` as a Slack that posts its events to one address. Arguments: its folder, the port, that address, the seed, the bot's user.
import { readdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, port, address, seed, bot] = process.argv.slice(2);
const dist = `${folder}/node_modules/emulate/dist`;
const load = (name) => import(pathToFileURL(`${dist}/${name}`).href);
const slack = readdirSync(dist).find((name) => name.endsWith(".js") && readFileSync(`${dist}/${name}`, "utf8").includes('"/api/chat.postMessage"'));
const { slackPlugin, getSlackStore } = await load(slack);

// A subscription can only be made from inside; and of a mention Slack sends a second event, which the emulator leaves out.
const register = slackPlugin.register;
slackPlugin.register = (app, store, webhooks, ...rest) => {
  webhooks.register({ url: address, events: ["message", "app_mention"], active: true, owner: "slack" });
  const dispatch = webhooks.dispatch.bind(webhooks);
  webhooks.dispatch = async (name, action, payload, ...more) => {
    await dispatch(name, action, payload, ...more);
    const { event } = payload;
    if (name === "message" && event.text?.includes(`<@${bot}>`) && !event.hidden) {
      await dispatch("app_mention", action, { ...payload, event_id: `${payload.event_id}M`, event: { ...event, type: "app_mention" } }, ...more);
    }
  };
  register(app, store, webhooks, ...rest);
  app.get("/kept/:kind", (c) => c.json(getSlackStore(store)[c.req.param("kind")].all()));
};

const { createEmulator } = await load("api.js");
await createEmulator({ service: "slack", port: Number(port), hostname: "127.0.0.1", baseUrl: `http://127.0.0.1:${port}`, seed: JSON.parse(seed) });
