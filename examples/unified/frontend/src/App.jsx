import { useEffect, useState } from "react";

import { getConfig, listItems } from "./api.js";
import Counter from "./Counter.jsx";
import ItemList from "./ItemList.jsx";
import NewItem from "./NewItem.jsx";

export default function App() {
  const [config, setConfig] = useState(null);
  const [items, setItems] = useState([]);
  const [error, setError] = useState(null);

  useEffect(() => {
    Promise.all([getConfig(), listItems()]).then(
      ([config, items]) => {
        document.title = config.appName;
        setConfig(config);
        setItems(items);
      },
      (error) => setError(error.message),
    );
  }, []);

  if (error) return <p role="alert">The backend did not answer: {error}</p>;
  if (!config) return <p>Loading…</p>;

  return (
    <main>
      <header>
        <h1>{config.appName}</h1>
        <Counter />
      </header>
      <NewItem onCreated={(item) => setItems((items) => [item, ...items])} />
      <ItemList items={items} />
      {config.enableDebug && <footer>API: {config.apiUrl || location.origin}</footer>}
    </main>
  );
}
