/** Draws entities with three.js: each is a group in a tree of transforms, made anew only if its components changed. */

import {
  AmbientLight,
  Box3,
  Color,
  DirectionalLight,
  GridHelper,
  Group,
  InstancedMesh,
  type Material,
  type Matrix4,
  Mesh,
  Object3D,
  PerspectiveCamera,
  Scene,
  Sphere,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { ancestors } from "../auto";
import type { Components } from "../components";
import type { Latest } from "../latest";
import { annotationsOf } from "./annotations";
import { isScreen, project } from "./camera";
import { instancePoses, upAxis, worldFrom } from "./poses";
import { shapesOf } from "./shapes";
import type { Label } from "./subject";

const FIT_ROOM = 1.1;
const SLOW_MS = 40; // a painting that holds up the next frame so long is followed by a rest
const REST = 2; // times what it took
const LETTER_PIXELS = 3.5; // half of a letter of a label, about
const LINE_PIXELS = 13;
const MOST_POSES = 2000; // of one entity that draws more than one mesh

interface Drawn {
  group: Group;
  version: string;
  labels: (Label & { element: HTMLElement })[];
}

export class Stage {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(55, 1, 0.01, 10_000);
  private readonly controls: OrbitControls;
  private readonly drawn = new Map<string, Drawn>();
  private readonly content = new Group();
  private grid: GridHelper | null = null;
  private readonly resized: ResizeObserver;
  private fitted = false;
  private touched = false; // somebody chose where to look from
  private frame = 0;
  private readonly labels = document.createElement("div");
  private wait: number | undefined; // until the next painting
  private restUntil = 0;

  /** tell: what cannot be shown, by entity; "" if it can again. */
  constructor(
    private readonly element: HTMLElement,
    private readonly tell: (path: string, trouble: string) => void,
  ) {
    this.renderer = new WebGLRenderer({ antialias: true, powerPreference: "low-power" });
    this.labels.className = "labels";
    element.append(this.renderer.domElement, this.labels);
    const sun = new DirectionalLight(0xffffff, 2);
    sun.position.set(1, -2, 4);
    this.scene.add(new AmbientLight(0xffffff, 1.4), sun, this.content);
    this.camera.up.set(0, 0, 1);
    this.camera.position.set(3, -4, 2.5);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.paintSoon());
    this.controls.addEventListener("start", () => (this.touched = true));
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(element);
    this.recolor();
  }

  stop(): void {
    clearTimeout(this.wait);
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.controls.dispose();
    for (const { group } of this.drawn.values()) dispose(group);
    this.labels.remove();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.renderer.domElement.remove();
  }

  /** Bring the scene to what entities are now. */
  show(latest: Latest): void {
    this.orient(upAxis(latest));
    for (const [path, { group, labels }] of this.drawn) {
      if (!latest.has(path)) {
        this.content.remove(group);
        dispose(group);
        for (const each of labels) each.element.remove();
        this.drawn.delete(path);
      }
    }
    for (const [path, components] of latest) {
      const drawn = this.redrawn(path, components, latest);
      drawn.group.matrix.copy(worldFrom(ancestors(path), latest));
      drawn.group.matrixWorldNeedsUpdate = true;
    }
    if (!this.fitted && latest.size) this.fitted = this.fit();
    this.count();
    this.paintSoon();
  }

  private redrawn(path: string, components: Components, latest: Latest): Drawn {
    const annotations = annotationsOf(path, latest);
    const version = [annotations.rowId, ...[...components].map(([name, component]) => name + component.rowId)].join();
    const before = this.drawn.get(path);
    const changed = () => this.paintSoon();
    if (before?.version === version) {
      for (const shape of before.group.children) if (isScreen(shape)) void project(shape, latest, changed);
      return before;
    }
    const group = before?.group ?? new Group();
    group.matrixAutoUpdate = false;
    dispose(group);
    group.clear();
    for (const each of before?.labels ?? []) each.element.remove();
    const labels: Label[] = [];
    const poses = instancePoses(components);
    for (const shape of shapesOf({ path, components, annotations, latest, labels, changed })) group.add(repeated(shape, poses));
    if (!before) this.content.add(group);
    const drawn = { group, version, labels: labels.map((each) => ({ ...each, element: this.written(each.text) })) };
    this.drawn.set(path, drawn);
    if (components.has("Asset3D:blob")) void this.load(path, components, poses, drawn);
    return drawn;
  }

  private written(text: string): HTMLElement {
    const element = document.createElement("span");
    element.textContent = text;
    this.labels.append(element);
    return element;
  }

  private async load(path: string, components: Components, poses: Matrix4[], drawn: Drawn): Promise<void> {
    try {
      const { assetOf } = await import("./assets");
      const model = await assetOf(components);
      if (!model || this.drawn.get(path) !== drawn) return;
      drawn.group.add(repeated(model, poses));
      this.tell(path, "");
      this.count();
      if (!this.touched) this.fit();
    } catch (error) {
      this.tell(path, `${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  private count(): void {
    this.element.dataset["entities"] = String([...this.drawn.values()].filter(({ group }) => group.children.length).length);
  }

  private orient(up: Vector3): void {
    if (this.camera.up.equals(up)) return;
    this.camera.up.copy(up);
    this.fitted = false;
    this.controls.dispose();
    Object.assign(this, { controls: new OrbitControls(this.camera, this.renderer.domElement) });
    this.controls.addEventListener("change", () => this.paintSoon());
    this.controls.addEventListener("start", () => (this.touched = true));
    this.layGrid();
  }

  /** Look at everything; false if there is nothing. */
  fit(): boolean {
    this.scene.updateMatrixWorld(true);
    const box = new Box3();
    for (const { group } of this.drawn.values()) if (group.children.length) box.union(new Box3().setFromObject(group));
    if (box.isEmpty() || !Number.isFinite(box.getSize(new Vector3()).length())) return false;
    const { center, radius } = box.getBoundingSphere(new Sphere());
    const away = ((radius || 1) * FIT_ROOM) / Math.sin(((this.camera.fov / 2) * Math.PI) / 180);
    const { up } = this.camera;
    const side = Math.abs(up.z) > 0.5 ? new Vector3(0.6, -1, 0) : new Vector3(0.6, 0, 1);
    this.camera.position.copy(center).addScaledVector(side.normalize(), away * 0.62).addScaledVector(up, away * 0.5);
    this.camera.near = (radius || 1) / 500;
    this.camera.far = away * 50;
    this.camera.updateProjectionMatrix();
    this.controls.target.copy(center);
    this.controls.update();
    this.layGrid(radius || 1);
    this.paintSoon();
    return true;
  }

  private layGrid(radius = 5): void {
    if (this.grid) {
      this.scene.remove(this.grid);
      this.grid.dispose();
    }
    const cell = 10 ** Math.round(Math.log10(radius / 4));
    const color = new Color(getComputedStyle(this.element).getPropertyValue("outline-color") || "#445");
    this.grid = new GridHelper(cell * 40, 40, color, color);
    (this.grid.material as Material).transparent = true;
    (this.grid.material as Material).opacity = 0.35;
    if (Math.abs(this.camera.up.z) > 0.5) this.grid.rotation.x = Math.PI / 2;
    this.scene.add(this.grid);
  }

  recolor(): void {
    this.scene.background = new Color(getComputedStyle(this.element).backgroundColor);
    this.layGrid();
    this.paintSoon();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(clientWidth, clientHeight);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.paintSoon();
  }

  /** Labels above their places; of those that would lie on one another the first is shown. */
  private placeLabels(): void {
    const { clientWidth, clientHeight } = this.element;
    const shown: [x: number, y: number, halfWidth: number][] = [];
    for (const { group, labels } of this.drawn.values()) {
      for (const { at, text, element } of labels) {
        const place = at.clone().applyMatrix4(group.matrixWorld).project(this.camera);
        const [x, y, half] = [((place.x + 1) / 2) * clientWidth, ((1 - place.y) / 2) * clientHeight, text.length * LETTER_PIXELS];
        const isOutside = place.z > 1 || Math.abs(place.x) > 1 || Math.abs(place.y) > 1;
        element.hidden = isOutside || shown.some((other) => Math.abs(other[0] - x) < other[2] + half && Math.abs(other[1] - y) < LINE_PIXELS);
        if (element.hidden) continue;
        shown.push([x, y, half]);
        element.style.transform = `translate(${x}px, ${y}px) translate(-50%, -100%)`;
      }
    }
  }

  /** Paint with the next frame, or later where painting is slow: a page without a GPU must stay usable. */
  private paintSoon(): void {
    if (this.wait !== undefined) return;
    this.wait = window.setTimeout(() => {
      this.frame = requestAnimationFrame((started) => {
        this.wait = undefined;
        this.renderer.render(this.scene, this.camera);
        this.placeLabels();
        requestAnimationFrame((next) => {
          const took = next - started;
          this.restUntil = took > SLOW_MS ? next + took * REST : 0;
        });
      });
    }, Math.max(0, this.restUntil - performance.now()));
  }
}

/** Once for each pose; as it is if there are none. */
function repeated(shape: Object3D, poses: Matrix4[]): Object3D {
  if (!poses.length || isScreen(shape)) return shape;
  if (shape instanceof Mesh && !(shape instanceof InstancedMesh)) {
    const copies = new InstancedMesh(shape.geometry, shape.material as Material, poses.length);
    poses.forEach((pose, n) => copies.setMatrixAt(n, pose));
    return copies;
  }
  const copies = new Group();
  for (const pose of poses.slice(0, MOST_POSES)) {
    const copy = new Group();
    copy.matrixAutoUpdate = false;
    copy.matrix.copy(pose);
    copies.add(copy.add(shape.clone()));
  }
  return copies;
}

function dispose(root: Object3D): void {
  root.traverse((object) => {
    const mesh = object as Partial<Mesh>;
    mesh.geometry?.dispose();
    for (const material of [mesh.material ?? []].flat()) {
      (material as Material & { map?: { dispose(): void } | null }).map?.dispose();
      material.dispose();
    }
  });
}
