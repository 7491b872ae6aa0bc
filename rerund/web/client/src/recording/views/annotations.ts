/** Annotation contexts: what classes and keypoints are called, and which colours they have. */

import { ancestors } from "../auto";
import type { Component, Components } from "../components";
import type { Latest } from "../latest";
import type { Entity } from "../model";
import { classColor, pathColor, type Rgb } from "./colors";

const CONTEXT = "AnnotationContext:context";
const MOST_LABELS = 30; // of an entity that does not say whether they are shown

interface Info {
  id: number;
  label: string | null;
  color: number | null;
}

interface Description {
  info: Info;
  keypoint_annotations: Info[] | null;
  keypoint_connections: { keypoint0: number; keypoint1: number }[] | null;
}

interface Class {
  info: Info;
  keypoints: Map<number, Info>;
  connections: [number, number][];
}

export interface Annotations {
  rowId: string;
  classes: Map<number, Class>;
}

export const NO_ANNOTATIONS: Annotations = { rowId: "", classes: new Map() };
const read = new WeakMap<Component, Annotations>();

/** `paths`, and those above them that say what classes are. */
export function withAnnotations(paths: string[], known: Entity[]): string[] {
  const above = new Set(paths.flatMap(ancestors));
  const sayers = known.filter((each) => above.has(each.path) && each.components.some((component) => component.name === CONTEXT));
  return [...new Set([...paths, ...sayers.map((each) => each.path)])];
}

/** What holds for an entity: the context of the nearest one above it, or its own. */
export function annotationsOf(path: string, latest: Latest): Annotations {
  for (const each of ancestors(path).reverse()) {
    const component = latest.get(each)?.get(CONTEXT);
    if (component?.length) return parsed(component);
  }
  return NO_ANNOTATIONS;
}

function parsed(component: Component): Annotations {
  const known = read.get(component);
  if (known) return known;
  const listed = [...((component.first<Iterable<{ class_id: number; class_description: Description }>>() ?? []) as Iterable<{ class_id: number; class_description: Description }>)];
  const classes = new Map(listed.map(({ class_id, class_description }) => [Number(class_id), described(class_description)]));
  const annotations = { rowId: component.rowId, classes };
  read.set(component, annotations);
  return annotations;
}

function described(description: Description): Class {
  return {
    info: description.info,
    keypoints: new Map([...(description.keypoint_annotations ?? [])].map((each) => [Number(each.id), each])),
    connections: [...(description.keypoint_connections ?? [])].map((each) => [Number(each.keypoint0), Number(each.keypoint1)]),
  };
}

/** The colour of a class; one of its own for each that has none. */
export function colorOfClass(id: number, annotations: Annotations): Rgb {
  const color = annotations.classes.get(id)?.info.color;
  return color === null || color === undefined ? classColor(id) : unpacked(color);
}

export function nameOfClass(id: number, annotations: Annotations): string {
  return annotations.classes.get(id)?.info.label ?? "";
}

const unpacked = (color: number): Rgb => [(color >>> 24) & 255, (color >>> 16) & 255, (color >>> 8) & 255];

/** For instance `n` its keypoint and its class, as far as they were logged; the last is repeated. */
function marksOf(prefix: string, components: Components, annotations: Annotations): (n: number) => (Info | undefined)[] {
  const [ids, keypoints] = ["class_ids", "keypoint_ids"].map((field) => {
    const component = components.get(`${prefix}:${field}`);
    return component?.length ? component.numbers() : null;
  });
  if (!ids && !keypoints) return () => [];
  return (n) => {
    const id = ids ? Number(ids[Math.min(n, ids.length - 1)]) : 0;
    const known = annotations.classes.get(id);
    const keypoint = keypoints && known?.keypoints.get(Number(keypoints[Math.min(n, keypoints.length - 1)]));
    return [keypoint ?? undefined, known?.info ?? { id, label: null, color: null }];
  };
}

/** The colours of an entity's instances, r, g, b each: as logged, else of their class, else of their path. */
export function colorsOf(prefix: string, path: string, components: Components, count: number, annotations: Annotations, field = "colors"): Uint8Array {
  const component = components.get(`${prefix}:${field}`);
  const packed = component?.length ? component.numbers() : null;
  const marks = marksOf(prefix, components, annotations);
  const ofPath = pathColor(path);
  const colors = new Uint8Array(count * 3);
  for (let n = 0; n < count; n++) {
    if (packed) colors.set(unpacked(Number(packed[Math.min(n, packed.length - 1)])), 3 * n);
    else colors.set(markedColor(marks(n)) ?? ofPath, 3 * n);
  }
  return colors;
}

function markedColor(marks: (Info | undefined)[]): Rgb | null {
  const colored = marks.find((mark) => mark && mark.color !== null);
  if (colored) return unpacked(colored.color!);
  const id = marks[1]?.id;
  return id ? classColor(id) : null;
}

/** The labels of an entity's instances: as logged, else of their keypoint or class; none if they are not to be shown. */
export function labelsOf(prefix: string, components: Components, count: number, annotations: Annotations): string[] {
  const shown = components.get(`${prefix}:show_labels`)?.first<boolean>() ?? count <= MOST_LABELS;
  if (!shown) return [];
  const given = components.get(`${prefix}:labels`)?.values() ?? [];
  const marks = marksOf(prefix, components, annotations);
  return Array.from({ length: count }, (_, n) => {
    if (given.length) return String(given[Math.min(n, given.length - 1)] ?? "");
    return marks(n).find((mark) => mark?.label)?.label ?? "";
  });
}

/** Pairs of instances that lines connect: keypoints of one class. */
export function connectionsOf(prefix: string, components: Components, annotations: Annotations): [number, number][] {
  const keypoints = components.get(`${prefix}:keypoint_ids`);
  if (!keypoints?.length || !annotations.classes.size) return [];
  const ids = components.get(`${prefix}:class_ids`)?.numbers();
  const places = new Map<number, Map<number, number>>(); // class, keypoint: instance
  keypoints.numbers().forEach((keypoint: number | bigint, n: number) => {
    const id = ids?.length ? Number(ids[Math.min(n, ids.length - 1)]) : 0;
    if (!places.has(id)) places.set(id, new Map());
    places.get(id)!.set(Number(keypoint), n);
  });
  return [...places].flatMap(([id, place]) =>
    (annotations.classes.get(id)?.connections ?? []).flatMap(([from, to]): [number, number][] =>
      place.has(from) && place.has(to) ? [[place.get(from)!, place.get(to)!]] : [],
    ),
  );
}
