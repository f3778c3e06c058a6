import { useState } from "react";

// Its state lives in the page only: edit this file and save, and the count stays.
export default function Counter() {
  const [count, setCount] = useState(0);

  return (
    <button type="button" className="counter" onClick={() => setCount(count + 1)}>
      Clicked {count} times
    </button>
  );
}
