/** Nodes and edges: where they were logged to be, else where springs between them leave them. */

import { useMemo, useRef } from "preact/hooks";
import type { Components } from "../components";
import { useLatest, type Latest } from "../latest";
import { annotationsOf, colorsOf } from "./annotations";
import { css, instance } from "./colors";

const MOST_NODES = 600;
const STEPS_OF_ALL = 4e7; // pairs that the layout may look at
const LENGTH = 60; // of an edge at rest
const DIRECTED = 2;
const USUAL_SIZE = [400, 260] as const; // of a view, in pixels

interface Node {
  key: string;
  label: string;
  color: string;
  radius: number;
  given: [x: number, y: number] | null;
}

interface Edge {
  from: string;
  to: string;
  isDirected: boolean;
}

interface Graph {
  nodes: Map<string, Node>;
  edges: Edge[];
}

type Places = Map<string, [x: number, y: number]>;

/** Ids hold within their entity. */
function graphOf(latest: Latest): Graph {
  const graph: Graph = { nodes: new Map(), edges: [] };
  for (const [path, components] of latest) {
    addNodes(graph, path, components, latest);
    const isDirected = Number(components.get("GraphEdges:graph_type")?.numbers()[0]) === DIRECTED;
    for (const edge of (components.get("GraphEdges:edges")?.values() ?? []) as { first: string; second: string }[]) {
      const [from, to] = [edge.first, edge.second].map((id) => known(graph, path, id)) as [string, string];
      graph.edges.push({ from, to, isDirected });
    }
  }
  return graph;
}

function addNodes(graph: Graph, path: string, components: Components, latest: Latest): void {
  const ids = (components.get("GraphNodes:node_ids")?.values() ?? []) as string[];
  const positions = components.get("GraphNodes:positions");
  const numbers = positions?.length ? positions.numbers() : null;
  const labels = components.get("GraphNodes:labels")?.values() ?? [];
  const areShown = components.get("GraphNodes:show_labels")?.first<boolean>() ?? true;
  const colors = colorsOf("GraphNodes", path, components, ids.length, annotationsOf(path, latest));
  ids.forEach((id, n) => {
    graph.nodes.set(keyOf(path, id), {
      key: keyOf(path, id),
      label: areShown ? String(labels[n] ?? id) : "",
      color: css(colors.subarray(3 * n, 3 * n + 3)),
      radius: Math.abs(instance(components.get("GraphNodes:radii"), n, 5)),
      given: numbers && 2 * n + 1 < numbers.length ? [Number(numbers[2 * n]), Number(numbers[2 * n + 1])] : null,
    });
  });
}

const keyOf = (path: string, id: string) => `${path} ${id}`;

/** The node of an edge's end; one that was not logged by itself is made. */
function known(graph: Graph, path: string, id: string): string {
  const key = keyOf(path, id);
  if (!graph.nodes.has(key)) graph.nodes.set(key, { key, label: id, color: "currentColor", radius: 4, given: null });
  return key;
}

/** `before`: where nodes were, so that a graph that grows does not jump. */
function laidOut({ nodes, edges }: Graph, before: Places): Places {
  const all = [...nodes.values()].slice(0, MOST_NODES);
  const places: Places = new Map(all.map((node, n) => [node.key, node.given ?? before.get(node.key) ?? onSpiral(n)]));
  const free = all.filter((node) => !node.given);
  const isSettled = free.every((node) => before.has(node.key));
  const rounds = Math.min(isSettled ? 30 : 300, Math.floor(STEPS_OF_ALL / Math.max(1, all.length * free.length)));
  for (let round = 0; round < rounds; round++) {
    const most = (LENGTH * (rounds - round)) / rounds;
    const moves = new Map(free.map((node) => [node.key, [0, 0] as [number, number]]));
    for (const [key, move] of moves) for (const other of all) if (other.key !== key) push(move, places.get(key)!, places.get(other.key)!, (d) => LENGTH ** 2 / d);
    for (const { from, to } of edges) {
      const [a, b] = [places.get(from), places.get(to)];
      if (!a || !b || from === to) continue;
      if (moves.has(from)) push(moves.get(from)!, a, b, (d) => -(d ** 2) / LENGTH);
      if (moves.has(to)) push(moves.get(to)!, b, a, (d) => -(d ** 2) / LENGTH);
    }
    for (const [key, [x, y]] of moves) {
      const length = Math.hypot(x, y) || 1;
      const step = Math.min(length, most) / length;
      const place = places.get(key)!;
      places.set(key, [place[0] + x * step - place[0] * 0.01, place[1] + y * step - place[1] * 0.01]);
    }
  }
  return places;
}

const onSpiral = (n: number): [number, number] => [LENGTH * Math.sqrt(n) * Math.cos(2.4 * n), LENGTH * Math.sqrt(n) * Math.sin(2.4 * n)];

/** Add to `move` a push from `other` to `place`. */
function push(move: [number, number], place: [number, number], other: [number, number], strength: (distance: number) => number): void {
  const [x, y] = [place[0] - other[0], place[1] - other[1]];
  const distance = Math.max(1, Math.hypot(x, y));
  const by = strength(distance) / distance;
  move[0] += x * by;
  move[1] += y * by;
}

export function GraphView({ paths }: { paths: string[] }) {
  const { latest, error } = useLatest(paths);
  const before = useRef<Places>(new Map());
  const graph = useMemo(() => graphOf(latest.value), [latest.value]);
  const places = useMemo(() => (before.current = laidOut(graph, before.current)), [graph]);
  const [xs, ys] = [0, 1].map((axis) => [...places.values()].map((place) => place[axis]!)) as [number[], number[]];
  const room = LENGTH * 0.7;
  const [left, top] = [Math.min(0, ...xs) - room, Math.min(0, ...ys) - room];
  const [width, height] = [Math.max(0, ...xs) + room - left, Math.max(0, ...ys) + room - top];
  const unit = Math.max(width / USUAL_SIZE[0], height / USUAL_SIZE[1]); // about a pixel of the screen
  const hidden = graph.nodes.size - places.size;
  return (
    <>
      <svg class="graph" viewBox={`${left} ${top} ${width} ${height}`} role="img" aria-label={`Graph of ${graph.nodes.size} nodes and ${graph.edges.length} edges`}>
        <defs>
          <marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
            <path d="M0 0 L8 4 L0 8z" class="tip" />
          </marker>
        </defs>
        {graph.edges.map(({ from, to, isDirected }, n) => {
          const [a, b] = [places.get(from), places.get(to)];
          if (!a || !b) return null;
          const end = shortened(a, b, graph.nodes.get(to)!.radius * unit);
          return <line key={n} x1={a[0]} y1={a[1]} x2={end[0]} y2={end[1]} stroke-width={1.3 * unit} {...(isDirected && { "marker-end": "url(#tip)" })} />;
        })}
        {[...places].map(([key, [x, y]]) => {
          const { label, color, radius } = graph.nodes.get(key)!;
          return (
            <g key={key} class="node">
              <circle cx={x} cy={y} r={radius * unit} fill={color} />
              <text x={x} y={y - (radius + 4) * unit} font-size={12 * unit}>
                {label}
              </text>
            </g>
          );
        })}
      </svg>
      {(error.value || hidden > 0) && <span class="note">{error.value || `${hidden} more nodes are not shown`}</span>}
    </>
  );
}

function shortened([x, y]: [number, number], [toX, toY]: [number, number], by: number): [number, number] {
  const length = Math.hypot(toX - x, toY - y) || 1;
  return [toX - ((toX - x) * by) / length, toY - ((toY - y) * by) / length];
}
