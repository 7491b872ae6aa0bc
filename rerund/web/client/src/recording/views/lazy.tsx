/** Views that few recordings need: their code comes with the first of each kind. */

import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

type View = FunctionComponent<{ paths: string[] }>;

export function lazily(load: () => Promise<View>): View {
  let loaded: View | null = null;
  return function Lazy({ paths }) {
    const [View, setView] = useState<View | null>(() => loaded);
    const [trouble, setTrouble] = useState("");
    useEffect(() => {
      if (View) return;
      load().then(
        (view) => setView(() => (loaded = view)),
        () => setTrouble("This view could not be loaded: reload the page."),
      );
    }, []);
    return View ? <View paths={paths} /> : <p class="quiet">{trouble || "Loading…"}</p>;
  };
}
