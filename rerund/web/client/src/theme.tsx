/** Dark, light, or as the system says; remembered by the browser. */

import { effect, signal } from "@preact/signals";

const KEY = "rerund-theme";
const NEXT = { system: "dark", dark: "light", light: "system" } as const;
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
    <button class="plain right" onClick={() => (theme.value = NEXT[theme.value])} title="Colours: dark, light, or as the system">
      {theme.value}
    </button>
  );
}
