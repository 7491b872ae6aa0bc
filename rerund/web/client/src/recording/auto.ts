/** Views made from what is there: which entities can be shown how, and together. */

import type { ComponentInfo, Entity } from "./model";

export type ViewKind = "plot" | "image" | "scene" | "map" | "graph" | "tensor" | "video" | "text_log" | "document" | "bar_chart" | "table";

export interface View {
  kind: ViewKind;
  paths: string[]; // entities; for a plot also "path component" for other numbers than scalars
  title: string;
}

export const KIND_NAMES: Record<ViewKind, string> = {
  plot: "Plot",
  image: "Image",
  scene: "3D scene",
  map: "Map",
  graph: "Graph",
  tensor: "Tensor",
  video: "Video",
  text_log: "Text log",
  document: "Document",
  bar_chart: "Bar chart",
  table: "Table",
};

const MOST_LINES = 8; // of one plot, before it is split by entity

/** The component that makes an entity fit for a kind of view. */
const SIGNS: [ViewKind, RegExp][] = [
  ["image", /^(Image:buffer|EncodedImage:blob|DepthImage:buffer|SegmentationImage:buffer)$/],
  [
    "scene",
    /^(Points3D:positions|LineStrips3D:strips|Boxes3D:half_sizes|Arrows3D:vectors|Mesh3D:vertex_positions|Asset3D:blob|Ellipsoids3D:half_sizes|Capsules3D:lengths|Cylinders3D:lengths|InstancePoses3D:.*|Pinhole:image_from_camera|Transform3D:.*)$/,
  ],
  ["map", /^(GeoPoints:positions|GeoLineStrings:line_strings)$/],
  ["graph", /^(GraphNodes:node_ids|GraphEdges:edges)$/],
  ["tensor", /^Tensor:data$/],
  ["video", /^(AssetVideo:blob|VideoFrameReference:timestamp|VideoStream:sample)$/],
  ["text_log", /^TextLog:text$/],
  ["document", /^TextDocument:text$/],
  ["bar_chart", /^BarChart:values$/],
];
const FLAT = /^(Points2D:positions|LineStrips2D:strips|Boxes2D:half_sizes|Arrows2D:vectors)$/;
const PLAIN_NUMBER = /^list<item: (double|float|halffloat|u?int(8|16|32|64)|bool)( not null)?>$/;
const STYLE_ONLY = /^(SeriesLines|SeriesPoints|ViewCoordinates|AnnotationContext|Clear|RecordingInfo|VisualBounds|CoordinateFrame):/;

export const has = (entity: Entity, sign: RegExp) => entity.components.some((each) => sign.test(each.name));
export const isPlot = (component: ComponentInfo) =>
  component.name === "Scalars:scalars" || (!component.archetype && PLAIN_NUMBER.test(component.arrow));
export const isProperty = (path: string) => path === "/__properties" || path.startsWith("/__properties/");
export const isFlat = (entity: Entity) => has(entity, FLAT);
export const isScene = (entity: Entity) => has(entity, SIGNS[1]![1]);

export function kindsOf(entity: Entity): ViewKind[] {
  const kinds = SIGNS.filter(([, sign]) => has(entity, sign)).map(([kind]) => kind);
  if (entity.components.some(isPlot) && Object.keys(entity.timelines).length) kinds.push("plot");
  if (isFlat(entity) && !kinds.includes("image")) kinds.push("image");
  if (!kinds.length && !entity.components.every((each) => STYLE_ONLY.test(each.name))) kinds.push("table");
  return kinds;
}

export const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";
const leafOf = (path: string) => path.slice(path.lastIndexOf("/") + 1) || "/";

export function ancestors(path: string): string[] {
  const found = ["/"];
  for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) found.push(path.slice(0, at));
  if (path !== "/") found.push(path);
  return found;
}

/** All views that the entities of a recording make, the ones that tell most at a glance first. */
export function automaticViews(entities: Entity[]): View[] {
  const shown = entities.filter((each) => !isProperty(each.path) && each.path);
  const of = (kind: ViewKind) => shown.filter((each) => kindsOf(each).includes(kind));
  return [
    ...sceneViews(of("scene")),
    ...imageViews(of("image")),
    ...videoViews(of("video")),
    ...mapView(of("map")),
    ...of("graph").map((each): View => ({ kind: "graph", paths: [each.path], title: each.path })),
    ...of("tensor").map((each): View => ({ kind: "tensor", paths: [each.path], title: each.path })),
    ...plotViews(of("plot")),
    ...textLogView(of("text_log")),
    ...of("bar_chart").map((each): View => ({ kind: "bar_chart", paths: [each.path], title: each.path })),
    ...of("document").map((each): View => ({ kind: "document", paths: [each.path], title: each.path })),
    ...tableView(of("table")),
  ];
}

function sceneViews(found: Entity[]): View[] {
  const drawn = found.filter((each) => each.components.some((c) => !c.name.startsWith("Transform3D:")));
  return drawn.length ? [{ kind: "scene", paths: found.map((each) => each.path), title: commonPath(drawn.map((each) => each.path)) }] : [];
}

/** One for each image, with what is drawn on it below its path; flat drawings without an image share one a parent. */
function imageViews(found: Entity[]): View[] {
  const images = found.filter((each) => has(each, SIGNS[0]![1]));
  const views = images.map((image): View => {
    const drawn = found.filter((each) => each !== image && !images.includes(each) && nearestImage(each.path, images) === image);
    return { kind: "image", paths: [image.path, ...drawn.map((each) => each.path)], title: image.path };
  });
  const alone = found.filter((each) => !images.includes(each) && !nearestImage(each.path, images));
  for (const [parent, group] of grouped(alone, (each) => parentOf(each.path))) {
    views.push({ kind: "image", paths: group.map((each) => each.path), title: group.length > 1 ? parent : group[0]!.path });
  }
  return views;
}

function nearestImage(path: string, images: Entity[]): Entity | undefined {
  const near = images.filter((image) => path.startsWith(`${image.path}/`) || parentOf(path) === parentOf(image.path));
  return near.sort((a, b) => b.path.length - a.path.length)[0];
}

function plotViews(found: Entity[]): View[] {
  const views: View[] = [];
  for (const [parent, group] of grouped(found, (each) => parentOf(each.path))) {
    if (group.length === 1 || group.length > MOST_LINES) {
      views.push(...group.map((each): View => ({ kind: "plot", paths: [each.path], title: each.path })));
    } else {
      views.push({ kind: "plot", paths: group.map((each) => each.path), title: `${parent} · ${group.map((each) => leafOf(each.path)).join(", ")}` });
    }
  }
  return views;
}

/** A video is shown where its frames are named; if nowhere, by itself. */
function videoViews(found: Entity[]): View[] {
  const named = found.filter((each) => has(each, /^VideoFrameReference:video_reference$/));
  const shown = found.filter((each) => !named.length || has(each, /^Video(FrameReference|Stream):/));
  return shown.map((each) => ({ kind: "video", paths: [each.path], title: each.path }));
}

function mapView(found: Entity[]): View[] {
  const paths = found.map((each) => each.path);
  return paths.length ? [{ kind: "map", paths, title: commonPath(paths) }] : [];
}

function textLogView(found: Entity[]): View[] {
  const paths = found.map((each) => each.path);
  return paths.length ? [{ kind: "text_log", paths, title: paths.length === 1 ? paths[0]! : "Text logs" }] : [];
}

function tableView(found: Entity[]): View[] {
  const paths = found.map((each) => each.path);
  return paths.length ? [{ kind: "table", paths, title: paths.length === 1 ? paths[0]! : "Other values" }] : [];
}

function grouped<T>(items: T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function commonPath(paths: string[]): string {
  let common = paths[0]!;
  for (const path of paths) while (!path.startsWith(common)) common = parentOf(common);
  return common;
}
