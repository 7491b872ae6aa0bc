/** Draws entities with three.js: each is a group in a tree of transforms, made anew only if its components changed. */

import {
  AmbientLight,
  Box3,
  Color,
  DirectionalLight,
  GridHelper,
  Group,
  type Material,
  Matrix4,
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
import { upAxis, worldFrom } from "./poses";
import { shapesOf } from "./shapes";

const FIT_ROOM = 1.1;
const SLOW_MS = 40; // a painting that holds up the next frame so long is followed by a rest
const REST = 2; // times what it took

interface Drawn {
  group: Group;
  version: string;
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
  private frame = 0;
  private wait: number | undefined; // until the next painting
  private restUntil = 0;

  constructor(private readonly element: HTMLElement) {
    this.renderer = new WebGLRenderer({ antialias: true, powerPreference: "low-power" });
    element.append(this.renderer.domElement);
    const sun = new DirectionalLight(0xffffff, 2);
    sun.position.set(1, -2, 4);
    this.scene.add(new AmbientLight(0xffffff, 1.4), sun, this.content);
    this.camera.up.set(0, 0, 1);
    this.camera.position.set(3, -4, 2.5);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.paintSoon());
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
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.renderer.domElement.remove();
  }

  /** Bring the scene to what entities are now. */
  show(latest: Latest): void {
    this.orient(upAxis(latest));
    for (const [path, { group }] of this.drawn) {
      if (!latest.has(path)) {
        this.content.remove(group);
        dispose(group);
        this.drawn.delete(path);
      }
    }
    for (const [path, components] of latest) {
      const drawn = this.redrawn(path, components, latest);
      drawn.group.matrix.copy(worldFrom(ancestors(path), latest));
      drawn.group.matrixWorldNeedsUpdate = true;
    }
    if (!this.fitted && latest.size) this.fitted = this.fit();
    this.element.dataset["entities"] = String([...this.drawn.values()].filter(({ group }) => group.children.length).length);
    this.paintSoon();
  }

  private redrawn(path: string, components: Components, latest: Latest): Drawn {
    const version = [...components].map(([name, component]) => name + component.rowId).join();
    const before = this.drawn.get(path);
    if (before?.version === version) return before;
    const group = before?.group ?? new Group();
    group.matrixAutoUpdate = false;
    dispose(group);
    group.clear();
    for (const shape of shapesOf(path, components, latest, () => this.paintSoon())) group.add(shape);
    if (!before) this.content.add(group);
    const drawn = { group, version };
    this.drawn.set(path, drawn);
    return drawn;
  }

  private orient(up: Vector3): void {
    if (this.camera.up.equals(up)) return;
    this.camera.up.copy(up);
    this.fitted = false;
    this.controls.dispose();
    Object.assign(this, { controls: new OrbitControls(this.camera, this.renderer.domElement) });
    this.controls.addEventListener("change", () => this.paintSoon());
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

  /** Paint with the next frame, or later where painting is slow: a page without a GPU must stay usable. */
  private paintSoon(): void {
    if (this.wait !== undefined) return;
    this.wait = window.setTimeout(() => {
      this.frame = requestAnimationFrame((started) => {
        this.wait = undefined;
        this.renderer.render(this.scene, this.camera);
        requestAnimationFrame((next) => {
          const took = next - started;
          this.restUntil = took > SLOW_MS ? next + took * REST : 0;
        });
      });
    }, Math.max(0, this.restUntil - performance.now()));
  }
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

export type { Matrix4 };
