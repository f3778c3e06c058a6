import { useState } from "react";

import { createItem } from "./api.js";

export default function NewItem({ onCreated }) {
  const [error, setError] = useState(null);
  const [saving, setSaving] = useState(false);

  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    // An empty file field sends a nameless, empty file, which the backend refuses.
    if (!data.get("upload").name) data.delete("upload");
    setSaving(true);
    setError(null);
    try {
      onCreated(await createItem(data));
      form.reset();
    } catch (error) {
      setError(error.message);
    } finally {
      setSaving(false);
    }
  }

  return (
    <form onSubmit={submit}>
      <label>
        Name
        <input name="name" required maxLength={200} autoComplete="off" />
      </label>
      <label>
        File (optional)
        <input name="upload" type="file" />
      </label>
      <button disabled={saving}>Create</button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
