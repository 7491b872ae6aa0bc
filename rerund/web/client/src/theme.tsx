/** Dark, light, or as the system says; remembered by the browser. */

import { effect, signal } from "@preact/signals";
import { Icon } from "./icon";

const KEY = "rerund-theme";
const NEXT = { system: "dark", dark: "light", light: "system" } as const;
const PICTURES = {
  system: "M12 3a9 9 0 0 0 0 18zM12 3a9 9 0 0 1 0 18",
  dark: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
};
type Theme = keyof typeof NEXT;

function remembered(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "dark" || value === "light" ? value : "system";
}

export const theme = signal<Theme>(remembered());

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  localStorage.setItem(KEY, theme.value);
});

export function ThemeSwitch() {
  return (
    <button class="plain" onClick={() => (theme.value = NEXT[theme.value])} title="Colours: dark, light, or as the system">
      <Icon path={PICTURES[theme.value]} />
      <span class="hidden">{`Colours: ${theme.value}`}</span>
    </button>
  );
}
