/** A 3D scene of all spatial entities; three.js is loaded with the first one. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ancestors, isProperty } from "../auto";
import { useLatest } from "../latest";
import { entities } from "../model";
import { theme } from "../../theme";
import type { Stage } from "./stage";

export function SceneView({ paths }: { paths: string[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const [stage, setStage] = useState<Stage | null>(null);
  const [trouble, setTrouble] = useState("");
  const [troubles, setTroubles] = useState<Record<string, string>>({}); // by entity
  // transforms and axes of the entities above, and images below cameras, belong to the picture
  const known = entities.value;
  const wanted = useMemo(() => {
    const all = new Set(paths.flatMap(ancestors));
    const cameras = known.filter((each) => all.has(each.path) && each.components.some((c) => c.name === "Pinhole:image_from_camera"));
    const images = known.filter((each) => /image/i.test(each.components.map((c) => c.archetype).join()) && cameras.some((camera) => each.path === camera.path || each.path.startsWith(`${camera.path}/`)));
    const exists = new Set(known.map((each) => each.path));
    return [...new Set([...all, ...images.map((each) => each.path)])].filter((path) => exists.has(path) && !isProperty(path)).sort();
  }, [paths.join("\n"), known]);
  const { latest, error } = useLatest(wanted);

  useEffect(() => {
    let made: Stage | null = null;
    let gone = false;
    import("./stage")
      .then(({ Stage }) => {
        if (gone) return;
        made = new Stage(frame.current!, (path, text) => setTroubles((before) => ({ ...before, [path]: text })));
        setStage(made);
      })
      .catch((failure: unknown) => setTrouble(`The 3D scene cannot be drawn here: ${failure instanceof Error ? failure.message : failure}`));
    return () => {
      gone = true;
      made?.stop();
    };
  }, []);

  useEffect(() => stage?.show(latest.value), [stage, latest.value]);
  useEffect(() => stage?.recolor(), [stage, theme.value]);

  const said = trouble || error.value || Object.values(troubles).filter(Boolean).join("\n");
  return (
    <>
      <div class="scene" ref={frame} role="img" aria-label={`3D scene of ${paths.length} entities`} />
      {said && <span class="note">{said}</span>}
      <button class="note corner plain" onClick={() => stage?.fit()} title="See everything">
        fit
      </button>
    </>
  );
}
