/** The page of one recording. */

import { signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { bytes as size } from "../format";
import { toPath } from "../names";
import { stateText } from "../socket";
import { Icon } from "../icon";
import { ThemeSwitch } from "../theme";
import { KIND_NAMES, type ViewKind } from "./auto";
import { arranged, close, enlarged, move, panelKey, panels, reset, toggleWide, type Panel } from "./layout";
import { bytes, connection, entities, name } from "./model";
import { TimeBar } from "./timebar";
import { Tree } from "./tree";
import { BarChartView } from "./views/bar_chart";
import { DocumentView } from "./views/document";
import { ImageView } from "./views/image";
import { lazily } from "./views/lazy";
import { PlotView } from "./views/plot";
import { SceneView } from "./views/scene";
import { TableView } from "./views/table";
import { TextLogView } from "./views/text_log";

const VIEWS: Record<ViewKind, FunctionComponent<{ paths: string[] }>> = {
  plot: PlotView,
  image: ImageView,
  scene: SceneView,
  map: lazily(async () => (await import("./views/map")).MapView),
  graph: lazily(async () => (await import("./views/graph")).GraphView),
  tensor: lazily(async () => (await import("./views/tensor")).TensorView),
  video: lazily(async () => (await import("./views/video")).VideoView),
  text_log: TextLogView,
  document: DocumentView,
  bar_chart: BarChartView,
  table: TableView,
};

const treeShown = signal(innerWidth > 800);

export function Page() {
  const { state, reason } = connection.value;
  const trouble = stateText(state, reason);
  const path = toPath(name);
  return (
    <>
      <header class="bar">
        <a href="/">rerund</a>
        <button class="plain" aria-expanded={treeShown.value} onClick={() => (treeShown.value = !treeShown.value)}>
          Entities
        </button>
        <strong>
          <span class="quiet">{name.application} /</span> {name.recording}
        </strong>
        <span class="quiet number">
          {entities.value.length} entities, {size(bytes.value)}
        </span>
        <span class="right" />
        {arranged.value && (
          <button class="plain" onClick={reset}>
            Arrange by itself
          </button>
        )}
        <a href={`/rerun/${path}`}>Rerun viewer</a>
        <a href={`/api/recordings/${path}.rrd`} download>
          Download
        </a>
        <ThemeSwitch />
      </header>
      {trouble && (
        <p class="banner" role="status" data-state={state}>
          {trouble}
        </p>
      )}
      <div class="middle">
        {treeShown.value && <Tree />}
        <main class="panels" aria-label="Views">
          {panels.value
            .filter((each) => !enlarged.value || enlarged.value === panelKey(each))
            .map((panel) => (
              <PanelView key={panelKey(panel)} panel={panel} />
            ))}
          {!panels.value.length && state === "open" && <p class="quiet">Nothing to show yet.</p>}
        </main>
      </div>
      <TimeBar />
    </>
  );
}

function PanelView({ panel }: { panel: Panel }) {
  const View = VIEWS[panel.kind];
  const key = panelKey(panel);
  const isLarge = enlarged.value === key;
  const size = isLarge ? "panel large" : panel.wide ? "panel wide" : "panel";
  return (
    <section
      class={`${size} kind-${panel.kind}`}
      data-view={key}
      aria-label={`${KIND_NAMES[panel.kind]} ${panel.title}`}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => move(event.dataTransfer?.getData("text/plain") ?? "", key)}
    >
      <header draggable onDragStart={(event) => event.dataTransfer?.setData("text/plain", key)} title="Drag to another place">
        <h2>{panel.title}</h2>
        <button class="plain" onClick={() => toggleWide(panel)} aria-pressed={panel.wide} title="Twice as wide" aria-label="Twice as wide">
          <Icon path="M4 12h16M8 8l-4 4 4 4M16 8l4 4-4 4" />
        </button>
        <button class="plain" onClick={() => (enlarged.value = isLarge ? null : key)} aria-pressed={isLarge} title="Fill the page" aria-label="Fill the page">
          <Icon path="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />
        </button>
        <button class="plain" onClick={() => close(panel)} title="Close" aria-label={`Close ${panel.title}`}>
          <Icon path="M6 6l12 12M18 6L6 18" />
        </button>
      </header>
      <div class="content">
        <View paths={panel.paths} />
      </div>
    </section>
  );
}
