/** What the page can make the daemon do, each after a question. */

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Whether this page may act at all, and where files that it names would go. */
export const permission = signal({ may_act: false, save_dir: "" });

export async function askWhatIsAllowed(): Promise<void> {
  const response = await fetch("/api/actions");
  if (response.ok) permission.value = await response.json();
}

export type Args = Record<string, string | boolean>;

/** Throws one sentence if the daemon did not do it. */
export async function act(name: string, args: Args): Promise<void> {
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
  args: Args;
  isDangerous?: boolean;
  /** A text to fill in: the argument's name, what it is, and what it would be. */
  asks?: { name: string; label: string; value: string };
}

/** A button that asks before it acts; not there where nothing may be done. */
export function ActionButton({ label, about, question, action, args, isDangerous, asks }: Props) {
  const asking = useSignal(false);
  const trouble = useSignal("");
  const given = useSignal("");
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asking.value) dialog.current?.showModal();
  }, [asking.value]);
  if (!permission.value.may_act) return null;
  const open = () => {
    given.value = asks?.value ?? "";
    asking.value = true;
  };
  const close = () => {
    asking.value = false;
    trouble.value = "";
  };
  const confirm = (event: Event) => {
    event.preventDefault();
    const filledIn = asks ? { [asks.name]: given.value } : {};
    act(action, { ...args, ...filledIn }).then(close, (error: unknown) => (trouble.value = error instanceof Error ? error.message : String(error)));
  };
  return (
    <>
      <button class="plain link" aria-label={`${label} ${about}`} onClick={open}>
        {label}
      </button>
      {asking.value && (
        <dialog ref={dialog} onClose={close} aria-label={question}>
          <form onSubmit={confirm}>
            <p>{question}</p>
            {asks && (
              <label class="field">
                {asks.label}
                <input type="text" value={given.value} required onInput={(event) => (given.value = event.currentTarget.value)} />
              </label>
            )}
            {trouble.value && (
              <p class="error" role="alert">
                {trouble.value}
              </p>
            )}
            <div class="choices">
              <button type="button" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
              <button type="submit" class={isDangerous ? "danger" : "main"}>
                {label}
              </button>
            </div>
          </form>
        </dialog>
      )}
    </>
  );
}
