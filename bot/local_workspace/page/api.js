// The people's door (see people_api.py): requests with the session token, and the stream of changes.

const SESSION_KEY = "signalbox-session";

// What the address says behind its #; the session token is kept and taken out of it.
export function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  if (address.has("session")) {
    localStorage.setItem(SESSION_KEY, address.get("session"));
    address.delete("session");
    history.replaceState(null, "", `/${address.size ? `#${address}` : ""}`);
  }
  return address;
}

const session = () => localStorage.getItem(SESSION_KEY) || "";

export class Refused extends Error {
  constructor(answer) {
    super([answer.error, ...(answer.response_metadata?.messages ?? [])].join(": "));
    this.answer = answer;
  }
}

async function request(method, name, { query = {}, body, headers = {} } = {}) {
  const search = new URLSearchParams(query).toString();
  const response = await fetch(`/people/api/${name}${search ? `?${search}` : ""}`, {
    method, body, headers: { Authorization: `Bearer ${session()}`, ...headers },
  });
  const answer = await response.json();
  if (!answer.ok) throw new Refused(answer);
  return answer;
}

export const get = (name, query) => request("GET", name, { query });

export const post = (name, body) =>
  request("POST", name, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

export const upload = (query, file) => request("POST", "upload", { query, body: file });

const pictures = new Map();
export async function fileUrl(person, id) {
  if (!pictures.has(id)) {
    const search = new URLSearchParams({ person, file: id });
    const response = await fetch(`/people/api/file?${search}`, { headers: { Authorization: `Bearer ${session()}` } });
    if (!response.ok) throw new Error("The file is gone.");
    pictures.set(id, URL.createObjectURL(await response.blob()));
  }
  return pictures.get(id);
}

// Calls `onChange` for every change after number `after`, and comes back by itself when the connection breaks.
export function follow(person, after, onChange, onState) {
  let socket, timer, stopped = false, seq = after;
  const open = () => {
    const search = new URLSearchParams({ session: session(), person, after: seq });
    socket = new WebSocket(`ws://${location.host}/people/events?${search}`);
    socket.onopen = () => onState(true);
    socket.onmessage = (event) => {
      const change = JSON.parse(event.data);
      seq = change.seq;
      onChange(change);
    };
    socket.onclose = () => {
      if (stopped) return;
      onState(false);
      timer = setTimeout(open, 1000);
    };
  };
  open();
  return () => { stopped = true; clearTimeout(timer); socket.close(); };
}
