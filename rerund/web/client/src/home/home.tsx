/** The first page: what the daemon has, who logs, who looks. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { ago, bytes, clock, count, duration } from "../format";
import { toPath } from "../names";
import { stateText } from "../socket";
import { connection, keyOf, rates, status, type Reader, type Recording, type Status } from "../status";
import { ThemeSwitch } from "../theme";
import { ActionButton } from "./actions";

const SEARCH_FROM = 8; // recordings; fewer are seen at a glance

export function Home() {
  const told = status.value;
  const trouble = stateText(connection.value, "");
  return (
    <>
      <header class="bar">
        <a href="/" aria-current="page">rerund</a>
        {told && <Daemon told={told} />}
        <span class="right" />
        <ThemeSwitch />
      </header>
      {trouble && <p class="banner" role="status" data-state={connection.value}>{trouble}</p>}
      <main class={connection.value === "open" ? "home" : "home stale"}>
        {told && <Recordings recordings={told.recordings} />}
        {told && told.producers.length > 0 && <Producers told={told} />}
        {told && told.viewers.length + told.sinks.length > 0 && <Readers told={told} />}
      </main>
    </>
  );
}

function Daemon({ told }: { told: Status }) {
  return (
    <span class="quiet">
      {told.version}
      {told.instance && ` · ${told.instance}`} · pid {told.pid} · up {duration(Date.now() / 1000 - told.started)}
    </span>
  );
}

function Recordings({ recordings }: { recordings: Recording[] }) {
  const wanted = useSignal("");
  if (recordings.length === 0) return <Nothing />;
  const shown = recordings
    .filter((each) => keyOf(each).toLowerCase().includes(wanted.value.toLowerCase()))
    .sort((a, b) => Number(b.live) - Number(a.live) || b.last_write - a.last_write);
  return (
    <Section title="Recordings" figure={`${recordings.length}, ${bytes(total(recordings))}`}>
      {recordings.length >= SEARCH_FROM && (
        <input
          type="search"
          placeholder="Find a recording"
          aria-label="Find a recording"
          value={wanted.value}
          onInput={(event) => (wanted.value = event.currentTarget.value)}
        />
      )}
      <ul class="recordings">
        {shown.map((each) => (
          <RecordingRow key={keyOf(each)} recording={each} />
        ))}
      </ul>
    </Section>
  );
}

function RecordingRow({ recording }: { recording: Recording }) {
  const path = toPath({ application: recording.application_id, recording: recording.recording_id });
  const rate = rates.value.get(keyOf(recording));
  return (
    <li class="recording" data-recording={keyOf(recording)}>
      <span class={recording.live ? "dot live" : "dot"} title={recording.live ? "live" : "nobody logs into it now"} />
      <a class="name" href={`/recordings/${path}`}>
        <span class="quiet">{recording.application_id} /</span> <strong>{recording.recording_id}</strong>
      </a>
      <span class="actions">
        <a href={`/rerun/${path}`}>Rerun viewer</a>
        <a href={`/api/recordings/${path}.rrd`} download>
          Download
        </a>
        <ActionButton
          label="Delete"
          about={keyOf(recording)}
          question={`Delete ${keyOf(recording)} (${bytes(recording.bytes)})? It cannot be brought back.`}
          action="remove"
          args={{ application_id: recording.application_id, recording_id: recording.recording_id }}
        />
      </span>
      <span class="facts number">
        <b>{bytes(recording.bytes)}</b>
        {recording.rows !== null && <span>{count(recording.rows, "row")}</span>}
        {recording.entities !== null && <span>{recording.entities.toLocaleString("en")} entities</span>}
        {recording.live ? (
          <span class="rate">
            {bytes(rate?.bytes ?? 0)}/s from {count(recording.producers, "process", "processes")}
          </span>
        ) : (
          <span>{ago(recording.last_write)}</span>
        )}
        {recording.started > 0 && <span>since {clock(recording.started)}</span>}
        {recording.error && <span class="error">{recording.error}</span>}
      </span>
    </li>
  );
}

function Nothing() {
  return (
    <section class="nothing">
      <h2>Nothing was logged yet</h2>
      <p>Log something from any process on this machine, and it appears here:</p>
      <pre>
        {`import rerund_sdk as rr

rr.init("my_robot")
rr.connect()
rr.log("temperature", rr.Scalars(21.5))`}
      </pre>
    </section>
  );
}

function Producers({ told }: { told: Status }) {
  return (
    <Section title="Processes that log" figure={`${told.producers.length}`}>
      <Table head={["Process", "Recording", "Rows", "Rows/s", "Data", "Data/s", "Lost"]}>
        {told.producers.map((each) => {
          const rate = rates.value.get(each.producer_id);
          return (
            <tr key={each.producer_id}>
              <th scope="row">
                {each.name} <span class="quiet">{each.pid ? `pid ${each.pid} on ${each.host}` : `on ${each.host}`}</span>
              </th>
              <td>{each.recording_id}</td>
              <td>{each.rows.toLocaleString("en")}</td>
              <td>{Math.round(rate?.rows ?? 0).toLocaleString("en")}</td>
              <td>{bytes(each.bytes)}</td>
              <td>{bytes(rate?.bytes ?? 0)}</td>
              <td class={each.lost_rows ? "error" : ""}>{each.lost_rows ? count(each.lost_rows, "row") : "none"}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

function Readers({ told }: { told: Status }) {
  const files = told.sinks.map((each) => ({ ...each, peer: each.path, kind: "file" }));
  const readers: Reader[] = [...told.viewers, ...files];
  return (
    <Section title="Viewers and files" figure={`${readers.length}`}>
      <Table head={["Reader", "Recording", "Kind", "Behind", ""]}>
        {readers.map((each, number) => (
          <tr key={number}>
            <th scope="row">{each.peer}</th>
            <td>{each.recording}</td>
            <td>{each.kind}</td>
            <td>{bytes(each.lag_bytes)}</td>
            <td>
              {each.kind === "file" && (
                <ActionButton
                  label="Stop"
                  about={each.peer}
                  question={`Stop writing to ${each.peer}? The file stays as it is then.`}
                  action="unsave"
                  args={{ path: each.peer }}
                />
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function Section({ title, figure, children }: { title: string; figure: string; children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="quiet number">{figure}</span>
      </h2>
      {children}
    </section>
  );
}

function Table({ head, children }: { head: string[]; children: ComponentChildren }) {
  return (
    <div class="scroll">
      <table class="number">
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

const total = (recordings: Recording[]) => recordings.reduce((sum, each) => sum + each.bytes, 0);
