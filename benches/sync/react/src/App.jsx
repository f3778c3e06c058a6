export default function App() {
  return <h1>first</h1>;
}
