// Relative on purpose: the page and the API share the proxy's origin.
const BASE = "/api/v1";

async function request(path, options = {}) {
  const response = await fetch(BASE + path, {
    ...options,
    headers: { Accept: "application/json", ...csrf(), ...options.headers },
  });
  if (!response.ok) throw new Error(await problem(response));
  return response.json();
}

// Whoever is logged in at /admin/ has a session, and then the backend asks for this token.
function csrf() {
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
  return token ? { "X-CSRFToken": token } : {};
}

async function problem(response) {
  const body = await response.json().catch(() => null);
  // A form that was refused is answered with a list of messages for each field.
  const messages = body && Object.values(body).flat().filter((value) => typeof value === "string");
  return messages?.length ? messages.join(" ") : `${response.status} ${response.statusText}`;
}

export const getConfig = () => request("/config/frontend/");

export const listItems = async () => (await request("/items/")).results;

/** Creates an item from a form's data, with the file if one was chosen. */
export const createItem = (form) => request("/items/", { method: "POST", body: form });
