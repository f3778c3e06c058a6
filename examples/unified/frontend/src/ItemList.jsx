const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export default function ItemList({ items }) {
  if (items.length === 0) return <p className="empty">No items yet. Create the first one above.</p>;

  return (
    <ul>
      {items.map((item) => (
        <li key={item.id}>
          <span>{item.name}</span>
          {item.upload && <a href={item.upload}>{fileName(item.upload)}</a>}
          <time dateTime={item.created_at}>{when.format(new Date(item.created_at))}</time>
        </li>
      ))}
    </ul>
  );
}

function fileName(url) {
  return decodeURIComponent(url.split("/").pop());
}
