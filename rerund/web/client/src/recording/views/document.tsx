/** A text document; Markdown is cleaned of everything that could run or load anything. */

import DOMPurify from "dompurify";
import { marked } from "marked";
import { useMemo } from "preact/hooks";
import { useLatest } from "../latest";

const MARKDOWN = "text/markdown";

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});

function cleaned(markdown: string): string {
  const html = marked.parse(markdown, { async: false });
  return DOMPurify.sanitize(html, { FORBID_TAGS: ["style", "form", "input", "button"], FORBID_ATTR: ["style", "class", "id", "name"] });
}

export function DocumentView({ paths }: { paths: string[] }) {
  const { latest } = useLatest(paths);
  const components = latest.value.get(paths[0]!);
  const text = String(components?.get("TextDocument:text")?.first() ?? "");
  const isMarkdown = components?.get("TextDocument:media_type")?.first() === MARKDOWN;
  const html = useMemo(() => (isMarkdown ? cleaned(text) : ""), [text, isMarkdown]);
  if (isMarkdown) return <article class="document" dangerouslySetInnerHTML={{ __html: html }} />;
  return <pre class="document">{text}</pre>;
}
