/** Everything that was logged, by path; a click shows it. */

import { useSignal } from "@preact/signals";
import { isProperty, KIND_NAMES, kindsOf, type View } from "./auto";
import { add } from "./layout";
import { entities, type Entity } from "./model";

interface Node {
  name: string;
  path: string;
  entity: Entity | null;
  children: Map<string, Node>;
}

const UNESCAPED_SLASH = /(?<!\\)\//;

function treeOf(shown: Entity[]): Node {
  const root: Node = { name: "/", path: "/", entity: null, children: new Map() };
  for (const entity of shown) {
    let node = root;
    const parts = entity.path.split(UNESCAPED_SLASH).filter(Boolean);
    parts.forEach((part, depth) => {
      let child = node.children.get(part);
      if (!child) {
        child = { name: part, path: `/${parts.slice(0, depth + 1).join("/")}`, entity: null, children: new Map() };
        node.children.set(part, child);
      }
      node = child;
    });
    node.entity = entity;
  }
  return root;
}

export function Tree() {
  const wanted = useSignal("");
  const text = wanted.value.toLowerCase();
  const shown = entities.value.filter((each) => each.path && !isProperty(each.path) && each.path.toLowerCase().includes(text));
  return (
    <nav class="tree" aria-label="Entities">
      <input
        type="search"
        placeholder={`Find in ${entities.value.length} entities`}
        aria-label="Find an entity"
        value={wanted.value}
        onInput={(event) => (wanted.value = event.currentTarget.value)}
      />
      <Branch node={treeOf(shown)} open={text !== ""} depth={0} />
    </nav>
  );
}

function Branch({ node, open, depth }: { node: Node; open: boolean; depth: number }) {
  const children = [...node.children.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return (
    <ul>
      {children.map((child) =>
        child.children.size ? (
          <li key={child.path}>
            <details open={open || depth < 2}>
              <summary>
                <Leaf node={child} />
              </summary>
              <Branch node={child} open={open} depth={depth + 1} />
            </details>
          </li>
        ) : (
          <li key={child.path} class="leaf">
            <Leaf node={child} />
          </li>
        ),
      )}
    </ul>
  );
}

function Leaf({ node }: { node: Node }) {
  const entity = node.entity;
  if (!entity) return <span>{node.name}</span>;
  const about = [
    node.path,
    `${entity.rows.toLocaleString("en")} rows${entity.static ? ", some static" : ""}`,
    ...entity.components.map((each) => `${each.name}${each.type ? ` (${each.type})` : ""}`),
  ].join("\n");
  const show = (event: Event) => {
    event.preventDefault();
    const kind = kindsOf(entity)[0] ?? "table";
    const view: View = { kind, paths: [entity.path], title: entity.path };
    add(view);
  };
  const archetypes = [...new Set(entity.components.map((each) => each.archetype || "values"))];
  return (
    <button class="plain entity" title={about} onClick={show} aria-label={`Show ${node.path} as ${KIND_NAMES[kindsOf(entity)[0] ?? "table"]}`}>
      {node.name} <small class="quiet">{archetypes.join(", ")}</small>
    </button>
  );
}
