/** What the page can make the daemon do, each after a question. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Throws one sentence if the daemon did not do it. */
async function act(name: string, args: Record<string, string>): Promise<void> {
  const response = await fetch(`/api/actions/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Rerund-Action": "1" },
    body: JSON.stringify(args),
  });
  if (!response.ok) throw new Error((await response.text()).trim());
}

interface Props {
  label: string; // of the button
  about: string; // for screen readers: what it acts on
  question: string;
  action: string;
  args: Record<string, string>;
}

/** A button that asks before it acts. */
export function ActionButton({ label, about, question, action, args }: Props) {
  const asking = useSignal(false);
  const trouble = useSignal("");
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asking.value) dialog.current?.showModal();
  }, [asking.value]);
  const close = () => {
    asking.value = false;
    trouble.value = "";
  };
  const confirm = () => act(action, args).then(close, (error: unknown) => (trouble.value = error instanceof Error ? error.message : String(error)));
  return (
    <>
      <button class="plain link" aria-label={`${label} ${about}`} onClick={() => (asking.value = true)}>
        {label}
      </button>
      {asking.value && (
        <dialog ref={dialog} onClose={close} aria-label={question}>
          <p>{question}</p>
          {trouble.value && (
            <p class="error" role="alert">
              {trouble.value}
            </p>
          )}
          <div class="choices">
            <button onClick={() => dialog.current?.close()}>Cancel</button>
            <button class="danger" onClick={confirm}>
              {label}
            </button>
          </div>
        </dialog>
      )}
    </>
  );
}
